"""Expiry by type: open actions are found by their type, so that those that never expire are not read."""

from db.migrations.online import drop_index, make_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("actions_expiry_idx", "actions (type, start_at) WHERE status = 'started'")
    drop_index("actions_open_idx")


def downgrade() -> None:
    make_index("actions_open_idx", "actions (start_at) WHERE status = 'started'")
    drop_index("actions_expiry_idx")
