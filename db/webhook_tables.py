"""The tables of webhooks: where other systems are told what happens here, and what is still to be told. Part of
`db.tables`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.metadata import ID, MOMENT, NOW, metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", ARRAY(sa.Text), nullable=False),
    sa.Column("template", sa.Text),
    # Encrypted with a key that is made of SECRET_KEY: signing needs the secret itself, a backup need not tell it.
    sa.Column("secret", sa.Text, nullable=False),
    # The one before, and until when it signs as well.
    sa.Column("old_secret", sa.Text),
    sa.Column("old_secret_until", MOMENT),
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    # Attempts in a row that have failed, and until when nothing is sent because of them.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", MOMENT, nullable=False, server_default=NOW),
    # Until then one process is sending: so that the order is kept, and a slow receiver has one request at a time.
    sa.Column("leased_until", MOMENT, nullable=False, server_default=NOW),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.CheckConstraint("template IN ('discord', 'slack')", name="template"),
)

# Which version of each board a webhook was told.
webhook_boards = sa.Table(
    "webhook_boards",
    metadata,
    sa.Column("webhook_id", ID, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("board_id", sa.Text, primary_key=True),
    sa.Column("epoch", ID, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

# The outbox, and what became of it. No names: they are looked up when it is sent.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("webhook_id", ID, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("user_id", ID),
    sa.Column("action_id", ID),
    sa.Column("board_id", sa.Text),
    sa.Column("details", JSONB, nullable=False, server_default="{}"),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    # From when on the day counts after which it is given up.
    sa.Column("since", MOMENT, nullable=False, server_default=NOW),
    sa.Column("next_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("last_at", MOMENT),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.CheckConstraint("status IN ('pending', 'delivered', 'dead')", name="status"),
)
sa.Index("webhook_deliveries_webhook_idx", webhook_deliveries.c.webhook_id, webhook_deliveries.c.id)
# In the order in which they are sent: see db/webhook_outbox.py.
sa.Index(
    "webhook_deliveries_pending_idx",
    webhook_deliveries.c.webhook_id,
    sa.text("GREATEST(attempts, 2)"),
    webhook_deliveries.c.id,
    postgresql_where=sa.text("status = 'pending'"),
)
sa.Index(
    "webhook_deliveries_dead_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.id,
    postgresql_where=sa.text("status = 'dead'"),
)
# Of a board only the newest state is told, so that nothing piles up, however busy it is.
sa.Index(
    "webhook_deliveries_board_idx",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.board_id,
    unique=True,
    postgresql_where=sa.text("status = 'pending' AND event = 'top10.changed'"),
)
sa.Index(
    "webhook_deliveries_user_idx",
    webhook_deliveries.c.user_id,
    postgresql_where=sa.text("user_id IS NOT NULL"),
)
sa.Index("webhook_deliveries_created_idx", webhook_deliveries.c.created_at)

TELL_WEBHOOKS = """
CREATE OR REPLACE FUNCTION tell_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (webhook_id, event, user_id, action_id, details)
    SELECT webhooks.id, told.event, NEW.user_id, NEW.action_id, jsonb_build_object(
        'at', to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'rule', NEW.details -> 'rule', 'bySystem', NEW.actor = 'system'
    )
    FROM (SELECT CASE NEW.kind WHEN 'held' THEN 'action.held' ELSE 'user.suspended' END) AS told(event)
    JOIN webhooks ON told.event = ANY(webhooks.events)
    WHERE EXISTS (SELECT FROM users WHERE users.id = NEW.user_id AND NOT users.hidden AND users.status <> 'erased')
    ORDER BY webhooks.id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER audit_events_tell_webhooks AFTER INSERT ON audit_events
FOR EACH ROW WHEN (NEW.kind IN ('held', 'suspended')) EXECUTE FUNCTION tell_webhooks();
"""
"""What writes the outbox in the transaction in which an action is held or a user suspended, whoever does it. The
migrations make it, `metadata` does not."""
