"""Words in batches: whose name is still to be taken out of others' events, and up to which event that is done."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE erasures ADD COLUMN IF NOT EXISTS username text, ADD COLUMN IF NOT EXISTS email text, "
        "ADD COLUMN IF NOT EXISTS events_done_to bigint"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE erasures DROP COLUMN username, DROP COLUMN email, DROP COLUMN events_done_to")
