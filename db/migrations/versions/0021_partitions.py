"""Partitions of `actions` by the time at which they began, so that an old month can be taken out as a whole.

The ids are UUIDv7, made by the service, so a range of ids is a range of time. The table that is there becomes the first
partition, with everything up to a bound that lies ahead; `db.partitions` makes those that follow. It is not rewritten,
and not read under a lock: a validated check says that its ids are below the bound. Instead of a primary key there is a
unique index, made while others write: `pg_restore --clean`, which restores a backup in place, can't drop the primary
key of a partition. What has the name `actions` for a few milliseconds under lock is exchanged in one transaction.

References to actions go: what is referred to could not be detached. Who writes them has the action, and an action is
never deleted by itself.

Code of the release before runs on it. Views and triggers that operators have made on `actions` stay with the first
partition.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from db.migrations.online import make_index, replace_check

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_BEFORE = (
    "'held', 'released', 'reversed', 'adjusted', 'suspended', 'reinstated', 'role_changed', 'logged_out', "
    "'flag_changed', 'erased', 'user_created', 'renamed', 'hidden', 'shown', 'reset_created', 'password_reset', "
    "'join_code_created', 'join_code_deleted', 'key_created', 'key_revoked', 'board_frozen', 'board_thawed', "
    "'board_revealed', 'webhook_created', 'webhook_paused', 'webhook_resumed', 'webhook_deleted', 'webhook_repeated', "
    "'webhook_tested', 'network_trusted', 'network_removed', 'held_again', "
    "'webhook_changed', 'webhook_rotated'"
)
_NEW = "'archived'"

TABLES = """
CREATE TABLE IF NOT EXISTS archives (
    name text PRIMARY KEY,
    starts uuid,
    ends uuid NOT NULL,
    until timestamptz NOT NULL,
    actions bigint NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    rules jsonb NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT now(),
    dropped_at timestamptz
);
CREATE TABLE IF NOT EXISTS archived_scores (
    user_id uuid,
    board text,
    at timestamptz,
    archive text,
    score bigint NOT NULL,
    PRIMARY KEY (user_id, board, at, archive)
);
CREATE OR REPLACE FUNCTION keep_what_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
        MESSAGE = 'the actions of ' || TG_TABLE_NAME || ' are being archived';
END
$$;
"""

AHEAD = timedelta(days=7)
"""How far ahead the bound must lie at least: no host's clock is that wrong, and no release takes that long."""

CHECK = "actions_bound_check"

_BOUND = sa.text("""
    SELECT (regexp_match(pg_get_constraintdef(oid), '''([0-9a-f-]{36})'''))[1] FROM pg_constraint
    WHERE conrelid = 'actions'::regclass AND conname = :name
""")
_NEWEST = sa.text("SELECT now(), (SELECT id::text FROM actions ORDER BY id DESC LIMIT 1)")
_IS_PLAIN = sa.text("SELECT relkind = 'r' FROM pg_class WHERE oid = 'actions'::regclass")


def id_at(moment: datetime) -> str:
    """Return the least UUIDv7 of a moment."""
    number = f"{int(moment.timestamp() * 1000):012x}"
    return f"{number[:8]}-{number[8:]}-0000-0000-000000000000"


def month_after(moment: datetime) -> datetime:
    """Return the beginning of the next month (UTC)."""
    return (moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(32)).replace(
        day=1
    )


def _moment(action_id: str) -> datetime | None:
    """Return when an action's id was made; None if that is not a moment of this century."""
    milliseconds = int(action_id.replace("-", "")[:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds < 4102444800000 else None


def _bound(now: datetime, newest: str | None) -> tuple[str, datetime]:
    """Return the first partition's bound, as an id and as a moment.

    Raises:
        RuntimeError: when ids are there that the service has not made.
    """
    bound = month_after(now + AHEAD)
    if newest is not None and newest >= id_at(bound):
        moment = _moment(newest)
        if moment is None or moment > now + timedelta(days=366):
            raise RuntimeError(f"action {newest} has an id that is no UUIDv7 of this time: see docs/operating.md")
        bound = month_after(moment + AHEAD)
    return id_at(bound), bound


def upgrade() -> None:
    conn = op.get_bind()
    op.execute(TABLES)
    replace_check("audit_events", "audit_events_kind_check", f"kind IN ({_BEFORE}, {_NEW})")
    if not conn.execute(_IS_PLAIN).scalar_one():
        return
    # What is there may be from before a backup was restored, of a release without partitions.
    op.execute("TRUNCATE archives, archived_scores")
    now, newest = conn.execute(_NEWEST).one()
    found = conn.execute(_BOUND, {"name": CHECK}).scalar()
    if found is None or found < id_at(now + AHEAD):
        found, _ = _bound(now, newest)
    with op.get_context().autocommit_block():
        for table in ("audit_events", "idempotency_keys"):
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_action_id_fkey")
        if conn.execute(_BOUND, {"name": CHECK}).scalar() != found:
            op.execute(f"ALTER TABLE actions DROP CONSTRAINT IF EXISTS {CHECK}")
            op.execute(f"ALTER TABLE actions ADD CONSTRAINT {CHECK} CHECK (id < '{found}') NOT VALID")
        op.execute(f"ALTER TABLE actions VALIDATE CONSTRAINT {CHECK}")
    make_index("actions_id_idx", "actions (id)", unique=True)
    # Should an index of the new table not be taken for one of the old table, PostgreSQL would make it, under the lock.
    op.execute("SET LOCAL statement_timeout = '5s'")
    # There are two locks to wait for, and the web waits 0.8 s behind them.
    op.execute("SET LOCAL lock_timeout = '300ms'")
    # Users before actions, as everywhere. Exchanging the reference of one to the other locks users that much, too; who
    # had read users already and waits for actions would otherwise be waited for.
    op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE actions IN ACCESS EXCLUSIVE MODE")
    op.execute(EXCHANGE)
    op.execute(f"ALTER TABLE actions ATTACH PARTITION actions_before FOR VALUES FROM (MINVALUE) TO ('{found}')")
    op.execute("CREATE TABLE actions_other PARTITION OF actions DEFAULT")
    op.execute(f"ALTER TABLE actions_before DROP CONSTRAINT {CHECK}")
    op.execute("SET LOCAL statement_timeout = 0")


# The indexes are made on an empty table, in the words of those that are there: so each is the parent of one of them.
EXCHANGE = f"""
DO $$
DECLARE
    indexes text[] := ARRAY(
        SELECT pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid = 'actions'::regclass AND NOT indisprimary AND indisvalid ORDER BY indexrelid
    );
    old record;
    it record;
BEGIN
    SELECT relowner::regrole::text AS owner, relacl AS acl, obj_description(oid, 'pg_class') AS comment
    INTO old FROM pg_class WHERE oid = 'actions'::regclass;
    ALTER TABLE actions DROP CONSTRAINT actions_pkey;
    FOR it IN
        SELECT indexrelid::regclass::text AS name, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = 'actions'::regclass LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', it.name,
            CASE WHEN it.relname LIKE 'actions\\_%' THEN 'actions_before' || substr(it.relname, 8)
            ELSE 'actions_before_' || it.relname END);
    END LOOP;
    ALTER TABLE actions RENAME TO actions_before;
    CREATE TABLE actions (LIKE actions_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
        PARTITION BY RANGE (id);
    ALTER TABLE actions DROP CONSTRAINT {CHECK};
    ALTER TABLE actions ADD CONSTRAINT actions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);
    FOR i IN 1 .. coalesce(array_length(indexes, 1), 0) LOOP
        EXECUTE indexes[i];
    END LOOP;
    IF old.comment IS NOT NULL THEN
        EXECUTE format('COMMENT ON TABLE actions IS %L', old.comment);
    END IF;
    FOR it IN SELECT privilege_type, is_grantable,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
        FROM aclexplode(old.acl) WHERE grantee::regrole::text <> old.owner LOOP
        EXECUTE format('GRANT %s ON actions TO %s %s', it.privilege_type, it.grantee,
            CASE WHEN it.is_grantable THEN 'WITH GRANT OPTION' ELSE '' END);
    END LOOP;
    EXECUTE format('ALTER TABLE actions OWNER TO %s', old.owner);
END
$$
"""


def downgrade() -> None:
    """Copy everything into one table again; nothing may run meanwhile.

    Raises:
        RuntimeError: when something was archived, which the release before can't count.
    """
    if op.get_bind().execute(sa.text("SELECT count(*) FROM archives")).scalar_one():
        raise RuntimeError("actions were archived: the release before would count none of their points")
    op.execute("ALTER TABLE actions RENAME TO actions_parts")
    op.execute(PLAIN)
    op.execute("""
        ALTER TABLE audit_events ADD CONSTRAINT audit_events_action_id_fkey
            FOREIGN KEY (action_id) REFERENCES actions (id)
    """)
    op.execute("""
        ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_action_id_fkey
            FOREIGN KEY (action_id) REFERENCES actions (id) DEFERRABLE INITIALLY DEFERRED
    """)
    op.execute(f"DELETE FROM audit_events WHERE kind IN ({_NEW})")
    op.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check")
    op.execute(f"ALTER TABLE audit_events ADD CONSTRAINT audit_events_kind_check CHECK (kind IN ({_BEFORE}))")
    op.execute("DROP TABLE archives, archived_scores")
    op.execute("DROP FUNCTION keep_what_counts()")


PLAIN = """
DO $$
DECLARE
    indexes text[] := ARRAY(
        SELECT replace(replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), '.actions_parts ', '.actions ')
        FROM pg_index WHERE indrelid = 'actions_parts'::regclass AND NOT indisunique ORDER BY indexrelid
    );
BEGIN
    CREATE TABLE actions (LIKE actions_parts INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS);
    INSERT INTO actions SELECT * FROM actions_parts;
    DROP TABLE actions_parts;
    ALTER TABLE actions ADD CONSTRAINT actions_pkey PRIMARY KEY (id);
    ALTER TABLE actions ADD CONSTRAINT actions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);
    FOR i IN 1 .. coalesce(array_length(indexes, 1), 0) LOOP
        EXECUTE indexes[i];
    END LOOP;
END
$$
"""
