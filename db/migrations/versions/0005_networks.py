"""Networks: completions of one IPv6 /64 are found with their time, not by reading all that ever came from it."""

from db.migrations.online import drop_index, make_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_index(
        "actions_network_idx",
        "actions (network(set_masklen(client_ip, 64)), end_at) WHERE end_at IS NOT NULL AND family(client_ip) = 6",
    )


def downgrade() -> None:
    drop_index("actions_network_idx")
