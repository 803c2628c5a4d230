"""Bounded reads: the outbox by attempts, what is clear of it, moderation by time, users by how their names begin."""

from alembic import op

from db.migrations.online import drop_index, make_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE IF NOT EXISTS marks (name text PRIMARY KEY, at timestamptz NOT NULL)")
    make_index("actions_unsettled_idx", "actions (attempts, end_at) WHERE status = 'completed' AND settled_at IS NULL")
    drop_index("actions_outbox_idx")
    make_index("audit_events_moderated_idx", "audit_events (at) WHERE action_id IS NOT NULL")
    make_index("users_name_prefix_idx", "users (username_key text_pattern_ops) WHERE username_key IS NOT NULL")
    make_index("users_email_prefix_idx", "users (email text_pattern_ops) WHERE email IS NOT NULL")
    make_index("users_erased_idx", "users (id) WHERE status = 'erased'")


def downgrade() -> None:
    drop_index("users_erased_idx")
    drop_index("users_email_prefix_idx")
    drop_index("users_name_prefix_idx")
    drop_index("audit_events_moderated_idx")
    make_index("actions_outbox_idx", "actions (end_at) WHERE status = 'completed' AND settled_at IS NULL")
    drop_index("actions_unsettled_idx")
    op.execute("DROP TABLE marks")
