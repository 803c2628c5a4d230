"""People: an optional e-mail address and password, names to show, hidden users, join codes and ways back in.

Code of the release before runs on it: it gives both, and leaves the other columns alone.
"""

from alembic import op

from db.migrations.online import drop_index, make_index, replace_check

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE IF NOT EXISTS join_codes (
    id uuid PRIMARY KEY,
    code_hash bytea NOT NULL,
    uses integer NOT NULL CONSTRAINT join_codes_uses_check CHECK (uses > 0),
    used integer NOT NULL DEFAULT 0 CONSTRAINT join_codes_used_check CHECK (used BETWEEN 0 AND uses),
    expires_at timestamptz,
    note text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS join_codes_code_hash_idx ON join_codes (code_hash);
CREATE TABLE IF NOT EXISTS password_resets (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT password_resets_user_id_fkey REFERENCES users (id),
    expires_at timestamptz NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS password_resets_user_id_idx ON password_resets (user_id);
CREATE INDEX IF NOT EXISTS password_resets_expires_at_idx ON password_resets (expires_at);
"""

_HIDE = """
CREATE OR REPLACE FUNCTION hide_standings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE standings SET hidden = ({condition}) FROM boards
    WHERE standings.board_id = boards.id AND standings.user_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_hide_standings AFTER UPDATE OF {columns} ON users
FOR EACH ROW WHEN ({change}) EXECUTE FUNCTION hide_standings();
"""
HIDE_BEFORE = _HIDE.format(
    condition="NEW.status <> 'active'", columns="status", change="OLD.status IS DISTINCT FROM NEW.status"
)
HIDE = _HIDE.format(
    condition="NEW.status <> 'active' OR NEW.hidden",
    columns="status, hidden",
    change="(OLD.status, OLD.hidden) IS DISTINCT FROM (NEW.status, NEW.hidden)",
)


NAME_TOP_SCORES = """
CREATE OR REPLACE FUNCTION name_top_scores() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.display_name := (SELECT users.display_name FROM users WHERE users.id = NEW.user_id);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER top_scores_name BEFORE INSERT OR UPDATE ON top_scores
FOR EACH ROW EXECUTE FUNCTION name_top_scores();
"""


def upgrade() -> None:
    op.execute(
        "ALTER TABLE users ADD COLUMN IF NOT EXISTS display_name text, "
        "ADD COLUMN IF NOT EXISTS hidden boolean NOT NULL DEFAULT false"
    )
    op.execute("ALTER TABLE top_scores ADD COLUMN IF NOT EXISTS display_name text")
    op.execute(NAME_TOP_SCORES)
    op.execute("ALTER TABLE erasures ADD COLUMN IF NOT EXISTS names text[]")
    op.execute(TABLES)
    # The new rules are there before the old one goes.
    replace_check("users", "users_named_check", "(username IS NULL) = (status = 'erased')")
    replace_check("users", "users_named_key_check", "(username_key IS NULL) = (status = 'erased')")
    replace_check(
        "users",
        "users_erased_person_check",
        "status <> 'erased' OR num_nonnulls(email, password_hash, display_name) = 0",
    )
    op.execute("ALTER TABLE users DROP CONSTRAINT IF EXISTS users_erased_check")
    replace_check(
        "audit_events",
        "audit_events_kind_check",
        "kind IN ('held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
        "'flag_changed', 'erased', 'user_created', 'renamed', 'hidden', 'shown', 'reset_created', 'password_reset', "
        "'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked')",
    )
    op.execute(HIDE)
    make_index(
        "users_display_name_prefix_idx",
        "users (lower(display_name) text_pattern_ops) WHERE display_name IS NOT NULL",
    )
    make_index("users_not_shown_idx", "users (id) WHERE status <> 'active' OR hidden")
    drop_index("users_inactive_idx")


def downgrade() -> None:
    make_index("users_inactive_idx", "users (id) WHERE status <> 'active'")
    drop_index("users_not_shown_idx")
    drop_index("users_display_name_prefix_idx")
    op.execute(HIDE_BEFORE)
    op.execute(
        "DELETE FROM audit_events WHERE kind IN ('user_created', 'renamed', 'hidden', 'shown', 'reset_created', "
        "'password_reset', 'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked')"
    )
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check")
    op.execute(
        "ALTER TABLE audit_events ADD CONSTRAINT audit_events_kind_check CHECK (kind IN ('held', 'released', "
        "'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', 'flag_changed', 'erased'))"
    )
    op.execute("ALTER TABLE users DROP CONSTRAINT users_erased_person_check")
    op.execute("ALTER TABLE users DROP CONSTRAINT users_named_key_check, DROP CONSTRAINT users_named_check")
    # Not valid, since who has no address would break it; the release before checks it for what it writes.
    op.execute(
        "ALTER TABLE users ADD CONSTRAINT users_erased_check CHECK (num_nulls(username, username_key, email, "
        "password_hash) = CASE WHEN status = 'erased' THEN 4 ELSE 0 END) NOT VALID"
    )
    op.execute("DROP TABLE password_resets, join_codes")
    op.execute("ALTER TABLE erasures DROP COLUMN names")
    op.execute("DROP TRIGGER top_scores_name ON top_scores")
    op.execute("DROP FUNCTION name_top_scores()")
    op.execute("ALTER TABLE top_scores DROP COLUMN display_name")
    op.execute("ALTER TABLE users DROP COLUMN display_name, DROP COLUMN hidden")
