"""Webhooks: the secret before the present one, and until when it signs as well; the kinds of audit events of changes.

Code of the release before runs on it, but signs with the present secret alone: rotate once every worker runs this one.
"""

from alembic import op

from db.migrations.online import replace_check

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_BEFORE = (
    "'held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
    "'flag_changed', 'erased', 'user_created', 'renamed', 'hidden', 'shown', 'reset_created', 'password_reset', "
    "'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked', 'board_frozen', 'board_thawed', "
    "'board_revealed', 'webhook_created', 'webhook_paused', 'webhook_resumed', 'webhook_deleted', 'webhook_repeated', "
    "'webhook_tested', 'network_trusted', 'network_removed', 'held_again'"
)
_NEW = "'webhook_changed', 'webhook_rotated'"


def upgrade() -> None:
    # Twenty rows at most, and no default: nothing is written.
    op.execute("""
        ALTER TABLE webhooks ADD COLUMN IF NOT EXISTS old_secret text,
            ADD COLUMN IF NOT EXISTS old_secret_until timestamptz
    """)
    replace_check("audit_events", "audit_events_kind_check", f"kind IN ({_BEFORE}, {_NEW})")


def downgrade() -> None:
    op.execute(f"DELETE FROM audit_events WHERE kind IN ({_NEW})")
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check")
    op.execute(f"ALTER TABLE audit_events ADD CONSTRAINT audit_events_kind_check CHECK (kind IN ({_BEFORE}))")
    op.execute("ALTER TABLE webhooks DROP COLUMN old_secret_until, DROP COLUMN old_secret")
