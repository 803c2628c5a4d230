"""Freezes: what the versions of a board say of its freeze, and how many of its places are revealed.

Code of the release before runs on it, but knows of no freeze: let a board freeze once the release is everywhere.
"""

from alembic import op

from db.migrations.online import replace_check

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_BEFORE = (
    "'held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
    "'flag_changed', 'erased', 'user_created', 'renamed', 'hidden', 'shown', 'reset_created', 'password_reset', "
    "'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked'"
)
_NEW = "'board_frozen', 'board_thawed', 'board_revealed'"


def upgrade() -> None:
    # A few rows, and constant defaults: nothing is written.
    op.execute(
        "ALTER TABLE boards ADD COLUMN IF NOT EXISTS says_frozen boolean NOT NULL DEFAULT false, "
        "ADD COLUMN IF NOT EXISTS rule_freeze_at timestamptz, "
        "ADD COLUMN IF NOT EXISTS revealed integer, ADD COLUMN IF NOT EXISTS places integer"
    )
    replace_check("audit_events", "audit_events_kind_check", f"kind IN ({_BEFORE}, {_NEW})")


def downgrade() -> None:
    op.execute(f"DELETE FROM audit_events WHERE kind IN ({_NEW})")
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check")
    op.execute(f"ALTER TABLE audit_events ADD CONSTRAINT audit_events_kind_check CHECK (kind IN ({_BEFORE}))")
    op.execute(
        "ALTER TABLE boards DROP COLUMN says_frozen, DROP COLUMN rule_freeze_at, DROP COLUMN revealed, "
        "DROP COLUMN places"
    )
