"""Operators' page: networks trusted at run time, and indexes of held actions by player and of players by state.

Code of the release before runs on it, but trusts only the networks of the settings; and its audit counts an action that
an operator has held again as a wrong settlement.
"""

from alembic import op

from db.migrations.online import drop_index, make_index, replace_check

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_BEFORE = (
    "'held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
    "'flag_changed', 'erased', 'user_created', 'renamed', 'hidden', 'shown', 'reset_created', 'password_reset', "
    "'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked', 'board_frozen', 'board_thawed', "
    "'board_revealed', 'webhook_created', 'webhook_paused', 'webhook_resumed', 'webhook_deleted', 'webhook_repeated', "
    "'webhook_tested'"
)
_NEW = "'network_trusted', 'network_removed', 'held_again'"

TABLE = """
CREATE TABLE IF NOT EXISTS trusted_networks (
    id uuid PRIMARY KEY,
    cidr cidr NOT NULL,
    reason text NOT NULL,
    expires_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS trusted_networks_cidr_idx ON trusted_networks (cidr);
"""


def upgrade() -> None:
    op.execute(TABLE)
    replace_check("audit_events", "audit_events_kind_check", f"kind IN ({_BEFORE}, {_NEW})")
    make_index("actions_held_idx", "actions (user_id, id) WHERE settlement = 'held'")
    make_index("users_suspended_idx", "users (id) WHERE status = 'suspended'")
    make_index("users_hidden_idx", "users (id) WHERE hidden AND status <> 'erased'")


def downgrade() -> None:
    for name in ("users_hidden_idx", "users_suspended_idx", "actions_held_idx"):
        drop_index(name)
    op.execute(f"DELETE FROM audit_events WHERE kind IN ({_NEW})")
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check")
    op.execute(f"ALTER TABLE audit_events ADD CONSTRAINT audit_events_kind_check CHECK (kind IN ({_BEFORE}))")
    op.execute("DROP TABLE trusted_networks")
