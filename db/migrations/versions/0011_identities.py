"""Identities: users of other issuers, and the moment before which tokens of any issuer count no longer."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE IF NOT EXISTS identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL CONSTRAINT identities_user_id_fkey REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    claims_at timestamptz,
    erased_at timestamptz,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX IF NOT EXISTS identities_user_id_idx ON identities (user_id);
CREATE INDEX IF NOT EXISTS identities_erased_at_idx ON identities (erased_at) WHERE erased_at IS NOT NULL;
"""


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS tokens_since timestamptz")
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE identities")
    op.execute("ALTER TABLE users DROP COLUMN tokens_since")
