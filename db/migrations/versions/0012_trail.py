"""The trail: audit events are found by user and by kind, the newest first."""

from db.migrations.online import drop_index, make_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("audit_events_trail_user_idx", "audit_events (user_id, id)")
    make_index("audit_events_trail_kind_idx", "audit_events (kind, id)")
    make_index("audit_events_trail_idx", "audit_events (user_id, kind, id)")


def downgrade() -> None:
    drop_index("audit_events_trail_idx")
    drop_index("audit_events_trail_kind_idx")
    drop_index("audit_events_trail_user_idx")
