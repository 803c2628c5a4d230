"""Reports: service keys, users known by another system's id, values of actions, and keys of requests sent twice.

Code of the release before runs on it: of the outbox it reads what it needs by the new index and sorts that, and sees no
report's `recorded_at`. A report of an end in the past that it would so overlook is found by the audit.
"""

from alembic import op

from db.migrations.online import drop_index, make_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE IF NOT EXISTS service_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS service_keys_key_hash_idx ON service_keys (key_hash);
CREATE UNIQUE INDEX IF NOT EXISTS service_keys_name_idx ON service_keys (name) WHERE revoked_at IS NULL;
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner_id uuid NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    action_id uuid NOT NULL CONSTRAINT idempotency_keys_action_id_fkey
        REFERENCES actions (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (owner_id, key)
);
"""


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS external_id text")
    op.execute(
        "ALTER TABLE actions ADD COLUMN IF NOT EXISTS value bigint, ADD COLUMN IF NOT EXISTS reported_by uuid, "
        "ADD COLUMN IF NOT EXISTS recorded_at timestamptz"
    )
    op.execute(TABLES)
    make_index("users_external_id_idx", "users (external_id) WHERE external_id IS NOT NULL", unique=True)
    make_index(
        "actions_to_settle_idx",
        "actions (attempts, coalesce(recorded_at, end_at)) WHERE status = 'completed' AND settled_at IS NULL",
    )
    drop_index("actions_unsettled_idx")


def downgrade() -> None:
    make_index("actions_unsettled_idx", "actions (attempts, end_at) WHERE status = 'completed' AND settled_at IS NULL")
    drop_index("actions_to_settle_idx")
    drop_index("users_external_id_idx")
    op.execute("DROP TABLE idempotency_keys, service_keys")
    op.execute("ALTER TABLE actions DROP COLUMN value, DROP COLUMN reported_by, DROP COLUMN recorded_at")
    op.execute("ALTER TABLE users DROP COLUMN external_id")
