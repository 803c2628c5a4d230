"""Every table, column, constraint and index. What the migrations make must equal this; a test compares."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INET, JSONB

from app.domain.trail import EVENT_KINDS
from db import access_tables, archive_tables, rank_tables, record_tables, webhook_tables
from db.board_tables import HIDE_STANDINGS, NAME_TOP_SCORES
from db.metadata import ID, MOMENT, NOW, metadata

__all__ = [
    "HIDE_STANDINGS",
    "NAME_TOP_SCORES",
    "access_tables",
    "archive_tables",
    "metadata",
    "rank_tables",
    "record_tables",
    "webhook_tables",
]

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", ID, primary_key=True),
    # These two are null once the person is erased, and never before.
    sa.Column("username", sa.Text),
    sa.Column("username_key", sa.Text),
    # And these, which not everybody has.
    sa.Column("email", sa.Text),
    sa.Column("password_hash", sa.Text),
    sa.Column("role", sa.Text, nullable=False, server_default="player"),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    sa.Column("token_version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total_score", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("display_name", sa.Text),
    # That the user plays, but is on no board.
    sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()),
    # The id by which another system knows the user.
    sa.Column("external_id", sa.Text),
    # When all tokens last ended: those that other issuers issued before count no longer.
    sa.Column("tokens_since", MOMENT),
    sa.CheckConstraint("role IN ('player', 'admin')", name="role"),
    sa.CheckConstraint("status IN ('active', 'suspended', 'erased')", name="status"),
    sa.CheckConstraint("total_score >= 0", name="total_score"),
    sa.CheckConstraint("(username IS NULL) = (status = 'erased')", name="named"),
    sa.CheckConstraint("(username_key IS NULL) = (status = 'erased')", name="named_key"),
    sa.CheckConstraint(
        "status <> 'erased' OR num_nonnulls(email, password_hash, display_name) = 0", name="erased_person"
    ),
)
# Partial, or else erasing a person would change what PostgreSQL takes for a key: that waits for everybody whose row
# refers to the user, and they for it (whoever holds the board may be writing the user into the ten).
sa.Index(
    "users_username_key_idx",
    users.c.username_key,
    unique=True,
    postgresql_where=sa.text("username_key IS NOT NULL"),
)
# Where operators look users up by how their names begin; in the order of bytes, whatever the database's collation.
sa.Index(
    "users_name_prefix_idx",
    users.c.username_key,
    postgresql_ops={"username_key": "text_pattern_ops"},
    postgresql_where=sa.text("username_key IS NOT NULL"),
)
sa.Index(
    "users_email_prefix_idx",
    users.c.email,
    postgresql_ops={"email": "text_pattern_ops"},
    postgresql_where=sa.text("email IS NOT NULL"),
)
sa.Index(
    "users_display_name_prefix_idx",
    sa.func.lower(users.c.display_name).label("display_name_key"),
    postgresql_ops={"display_name_key": "text_pattern_ops"},
    postgresql_where=sa.text("display_name IS NOT NULL"),
)
sa.Index("users_email_idx", users.c.email, unique=True, postgresql_where=sa.text("email IS NOT NULL"))
# Erased users have no name to be found by.
sa.Index("users_erased_idx", users.c.id, postgresql_where=sa.text("status = 'erased'"))
# Who is on no board.
sa.Index("users_not_shown_idx", users.c.id, postgresql_where=sa.text("status <> 'active' OR hidden"))
sa.Index("users_suspended_idx", users.c.id, postgresql_where=sa.text("status = 'suspended'"))
sa.Index("users_hidden_idx", users.c.id, postgresql_where=sa.text("hidden AND status <> 'erased'"))
sa.Index("users_external_id_idx", users.c.external_id, unique=True, postgresql_where=sa.text("external_id IS NOT NULL"))
# Whether a user is the last admin.
sa.Index("users_admins_idx", users.c.id, postgresql_where=sa.text("role = 'admin'"))

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("id", ID, nullable=False),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="started"),
    sa.Column("start_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("end_at", MOMENT),
    sa.Column("score", sa.BigInteger),
    sa.Column("client_ip", INET),
    sa.Column("metadata", JSONB, nullable=False, server_default="{}"),
    sa.Column("settlement", sa.Text),
    sa.Column("settled_at", MOMENT),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("value", sa.BigInteger),
    # The service key that reported it.
    sa.Column("reported_by", ID),
    # When a report of an end in the past was recorded; what else is completed is recorded as it ends.
    sa.Column("recorded_at", MOMENT),
    sa.CheckConstraint("status IN ('started', 'completed', 'cancelled')", name="status"),
    sa.CheckConstraint("settlement IN ('pending', 'cleared', 'held', 'reversed')", name="settlement"),
    sa.CheckConstraint("(status = 'completed') = (score IS NOT NULL)", name="score"),
    sa.CheckConstraint("(status = 'completed') = (settlement IS NOT NULL)", name="settled"),
    sa.CheckConstraint("(status = 'started') = (end_at IS NULL)", name="end_at"),
    sa.CheckConstraint("(settlement IN ('cleared', 'held', 'reversed')) = (settled_at IS NOT NULL)", name="settled_at"),
    # A partition a month, by the time that is in the ids: see db/partitions.py. Nothing may refer to it by a foreign
    # key, or no month could be detached.
    postgresql_partition_by="RANGE (id)",
)
# No primary key: pg_restore --clean can't drop that of a partition, and would refuse to restore a backup in place.
sa.Index("actions_id_idx", actions.c.id, unique=True)
# The outbox: what is completed and waits to be settled.
sa.Index(
    "actions_to_settle_idx",
    actions.c.attempts,
    sa.func.coalesce(actions.c.recorded_at, actions.c.end_at),
    postgresql_where=sa.text("status = 'completed' AND settled_at IS NULL"),
)
# Partial, so that starting an action doesn't touch them.
sa.Index("actions_user_idx", actions.c.user_id, actions.c.end_at, postgresql_where=sa.text("end_at IS NOT NULL"))
sa.Index("actions_ip_idx", actions.c.client_ip, actions.c.end_at, postgresql_where=sa.text("end_at IS NOT NULL"))
# The /64s of IPv6, each of which counts as one address.
sa.Index(
    "actions_network_idx",
    sa.text("network(set_masklen(client_ip, 64))"),
    actions.c.end_at,
    postgresql_where=sa.text("end_at IS NOT NULL AND family(client_ip) = 6"),
)
# A player's own actions, newest first, of all states or of one.
sa.Index("actions_list_idx", actions.c.user_id, actions.c.status, actions.c.id)
# Addresses that are to be forgotten, the oldest first. "IS NOT NULL" would follow from what the fraud rules ask for,
# and with statistics that know of no address, all of them forgotten, they would read this index from end to end.
sa.Index(
    "actions_address_age_idx",
    sa.func.coalesce(actions.c.end_at, actions.c.start_at),
    postgresql_where=sa.text("(client_ip IS NULL) IS FALSE"),
)
# Completions without an address, which the index above has not.
sa.Index(
    "actions_no_address_idx",
    actions.c.end_at,
    postgresql_where=sa.text("client_ip IS NULL AND status = 'completed'"),
)
# What operators look through.
sa.Index(
    "actions_moderation_idx",
    actions.c.settlement,
    actions.c.id,
    postgresql_where=sa.text("settlement IN ('held', 'reversed')"),
)
# What waits for an operator, player by player.
sa.Index("actions_held_idx", actions.c.user_id, actions.c.id, postgresql_where=sa.text("settlement = 'held'"))
# What counts, in the order in which it ended: the newest of everybody, and the feeds of boards.
sa.Index("actions_feed_idx", actions.c.end_at, actions.c.id, postgresql_where=sa.text("settlement = 'cleared'"))
# What may expire, type by type.
sa.Index("actions_expiry_idx", actions.c.type, actions.c.start_at, postgresql_where=sa.text("status = 'started'"))

audit_events = sa.Table(
    "audit_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("user_id", ID, sa.ForeignKey("users.id")),
    sa.Column("action_id", ID),
    sa.Column("points", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False, server_default="{}"),
    sa.Column("at", MOMENT, nullable=False, server_default=sa.text("clock_timestamp()")),
    sa.CheckConstraint(
        f"kind IN ({', '.join(repr(kind) for kind in EVENT_KINDS)})",
        name="kind",
    ),
)
sa.Index("audit_events_user_idx", audit_events.c.user_id, audit_events.c.at)
# What operators look through, by user, by kind or by both.
sa.Index("audit_events_trail_user_idx", audit_events.c.user_id, audit_events.c.id)
sa.Index("audit_events_trail_kind_idx", audit_events.c.kind, audit_events.c.id)
sa.Index("audit_events_trail_idx", audit_events.c.user_id, audit_events.c.kind, audit_events.c.id)
sa.Index("audit_events_action_idx", audit_events.c.action_id)
# What was held, released or reversed lately.
sa.Index("audit_events_moderated_idx", audit_events.c.at, postgresql_where=sa.text("action_id IS NOT NULL"))
# What suspends a user.
sa.Index("audit_events_held_idx", audit_events.c.at, postgresql_where=sa.text("kind = 'held'"))
# What the web processes poll for.
sa.Index(
    "audit_events_tokens_idx",
    audit_events.c.at,
    postgresql_where=sa.text("kind IN ('suspended', 'reinstated', 'role_changed', 'logged_out', 'erased')"),
)
# What people wrote, which may name an erased person.
sa.Index(
    "audit_events_words_idx",
    audit_events.c.id,
    postgresql_where=sa.text("actor <> 'system' AND (reason IS NOT NULL OR details <> '{}')"),
)

# Moments before which there is nothing left to do, so that it need not be looked for: see db/marks.py.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", MOMENT, nullable=False),
)

feature_flags = sa.Table(
    "feature_flags",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_by", sa.Text),
)

# What was asked for with an Idempotency-Key, by a player or a service key, and which action came of it.
idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner_id", ID, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_hash", sa.LargeBinary, nullable=False),
    # The key is taken first, in one statement with the locks, and the action is written at the end.
    sa.Column("action_id", ID, nullable=False),
)
