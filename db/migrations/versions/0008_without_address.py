"""Without an address: what was completed lately is found by its time also where no addresses are kept."""

from db.migrations.online import drop_index, make_index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index("actions_no_address_idx", "actions (end_at) WHERE client_ip IS NULL AND status = 'completed'")


def downgrade() -> None:
    drop_index("actions_no_address_idx")
