"""One schema: a database that an earlier 0001 made gets what has since been written into it.

0001 was edited twice before it was frozen. Each step looks whether it is needed, so that all three become the same.
"""

from alembic import op

from db.migrations.online import make_index, replace_check

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ERASURES = """
CREATE TABLE IF NOT EXISTS erasures (
    user_id uuid PRIMARY KEY CONSTRAINT erasures_user_id_fkey REFERENCES users (id),
    erased_at timestamptz NOT NULL DEFAULT now(),
    done_to uuid
);
CREATE INDEX IF NOT EXISTS erasures_erased_at_idx ON erasures (erased_at);
"""


def upgrade() -> None:
    # Uniqueness passes from the constraints to the indexes without a moment in between.
    make_index("users_username_key_idx", "users (username_key) WHERE username_key IS NOT NULL", unique=True)
    make_index("users_email_idx", "users (email) WHERE email IS NOT NULL", unique=True)
    make_index("users_admins_idx", "users (id) WHERE role = 'admin'")
    make_index("actions_list_idx", "actions (user_id, status, id)")
    make_index(
        "actions_address_age_idx",
        "actions (coalesce(end_at, start_at)) WHERE (client_ip IS NULL) IS FALSE",
        condition_has="IS FALSE",
    )
    make_index(
        "audit_events_tokens_idx",
        "audit_events (at) WHERE kind IN ('suspended', 'reinstated', 'role_changed', 'logged_out', 'erased')",
        condition_has="erased",
    )
    make_index(
        "audit_events_words_idx",
        "audit_events (id) WHERE actor <> 'system' AND (reason IS NOT NULL OR details <> '{}')",
    )
    replace_check("users", "users_status_check", "status IN ('active', 'suspended', 'erased')")
    replace_check(
        "users",
        "users_erased_check",
        "num_nulls(username, username_key, email, password_hash) = CASE WHEN status = 'erased' THEN 4 ELSE 0 END",
    )
    replace_check(
        "audit_events",
        "audit_events_kind_check",
        "kind IN ('held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
        "'flag_changed', 'erased')",
    )
    op.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS users_username_key_key")
    op.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS users_email_key")
    for column in ("username", "username_key", "email", "password_hash"):
        op.execute(f"ALTER TABLE users ALTER COLUMN {column} DROP NOT NULL")
    op.execute(ERASURES)


def downgrade() -> None:
    """Nothing: this is the schema of 0001 as it is now."""
