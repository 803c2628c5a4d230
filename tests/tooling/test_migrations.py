"""The migrations make what db/tables.py says, however often and by however many they are run."""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.domain.ids import DEFAULT_BOARD
from db import engine as engines
from db import rank_blocks
from db.archive_tables import KEEP_WHAT_COUNTS
from db.migrate import MIGRATIONS, SchemaError, migrate
from db.rank_tables import RANK_FUNCTIONS
from db.record_tables import RECORD_VERSIONS
from db.tables import HIDE_STANDINGS, NAME_TOP_SCORES, metadata
from db.webhook_tables import TELL_WEBHOOKS
from tests.conftest import _connect
from tests.support.board import BOARDS

TABLES = {
    "users": "id username username_key email password_hash role status token_version total_score created_at updated_at",
    "actions": "id user_id type status start_at end_at score client_ip metadata settlement settled_at attempts",
    "boards": "id epoch version updated_at",
    "standings": "board_id user_id score reached_at hidden",
    "top_scores": "board_id rank user_id username score updated_at",
    "top_scores_versions": "board_id at version first_rank user_ids scores",
    "audit_events": "id kind user_id action_id points reason actor details at",
    "erasures": "user_id erased_at done_to",
    "marks": "name at",
    "join_codes": "id code_hash uses used expires_at note created_by created_at",
    "password_resets": "token_hash user_id expires_at created_by created_at",
    "service_keys": "id name key_hash scopes expires_at created_by created_at last_used_at revoked_at",
    "idempotency_keys": "owner_id key body_hash action_id",
    "identities": "issuer subject user_id created_at",
    "trusted_networks": "id cidr reason expires_at created_by created_at",
    "rank_bounds": "board_id place reached_at user_id block",
    "rank_counts": "board_id counts sums",
    "webhooks": "id url events template secret paused failures not_before leased_until created_by created_at",
    "webhook_boards": "webhook_id board_id epoch version",
    "webhook_deliveries": "id webhook_id event user_id action_id board_id details status attempts created_at since",
    "archives": "name starts ends until actions file sha256 rules archived_at dropped_at",
    "archived_scores": "user_id board at archive score",
    "feature_flags": "name enabled updated_at updated_by",
}
"""What docs/architecture.md names."""

Make = Callable[[], sa.Engine]


@pytest.fixture
def empty(template: sa.Engine) -> Iterator[Make]:
    """Makes databases with nothing in them."""
    engines_made: list[tuple[str, sa.Engine]] = []

    def make() -> sa.Engine:
        name = f"test_migrations_{uuid.uuid4().hex[:8]}"
        with template.connect() as conn:
            conn.execute(sa.text(f'CREATE DATABASE "{name}"'))
        engines_made.append((name, _connect(name)))
        return engines_made[-1][1]

    yield make
    for name, engine in engines_made:
        engine.dispose()
        with template.connect() as conn:
            conn.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@contextmanager
def alembic(engine: sa.Engine) -> Iterator[Config]:
    """Return Alembic's configuration, as `db.migrate` makes it."""
    with engine.connect() as conn:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = conn
        yield config
        conn.commit()


def facts(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return everything that the catalogue knows of the tables."""
    queries = {
        "columns": """
            SELECT table_name, column_name, data_type, is_nullable, is_identity, identity_generation,
                regexp_replace(column_default, '^''([0-9]+)''::(smallint|integer|bigint)$', '\\1')
            FROM information_schema.columns WHERE table_schema = 'public'
        """,
        "constraints": """
            SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        """,
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "triggers": """
            SELECT event_object_table, trigger_name, action_statement, action_condition FROM information_schema.triggers
        """,
        "functions": """
            SELECT proname, prosrc, proconfig::text, provolatile::text FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        """,
        "rows": "SELECT 'boards', id FROM boards",
    }
    with engine.connect() as conn:
        found = {what: [tuple(row) for row in conn.execute(sa.text(query))] for what, query in queries.items()}
    return {what: sorted(row for row in rows if row[0] not in NOT_DECLARED) for what, rows in found.items()}


# Partitions have what their table has, see tests/tooling/test_partitions.py.
PARTITIONS = {"actions_before", "actions_other"}
NOT_DECLARED = {"alembic_version", *PARTITIONS}


def tables_of(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names()) - NOT_DECLARED


@pytest.fixture
def migrated(empty: Make) -> sa.Engine:
    """A database that was empty and is up to date."""
    engine = empty()
    migrate(engine, BOARDS)
    return engine


def declared_name(name: str | None, kind: str, parents: object) -> bool:
    return kind != "table" or name not in PARTITIONS


def test_autogenerate_finds_no_difference(migrated: sa.Engine) -> None:
    with migrated.connect() as conn:
        opts = {"compare_type": True, "compare_server_default": True, "include_name": declared_name}
        context = MigrationContext.configure(conn, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_columns_constraints_and_indexes_are_those_of_the_tables(migrated: sa.Engine, empty: Make) -> None:
    declared = empty()
    metadata.create_all(declared)
    with declared.begin() as conn:
        conn.exec_driver_sql(
            RANK_FUNCTIONS + HIDE_STANDINGS + NAME_TOP_SCORES + RECORD_VERSIONS + TELL_WEBHOOKS + KEEP_WHAT_COUNTS
        )
    have, want = facts(migrated), facts(declared)
    for what in ("columns", "constraints", "indexes", "triggers", "functions"):
        assert have[what] == want[what], what
    assert len(have["indexes"]) >= 15


def test_partial_indexes_are_those_that_the_design_names(migrated: sa.Engine) -> None:
    indexes = {name: str(definition) for _, name, definition in facts(migrated)["indexes"]}
    conditions = {
        "actions_to_settle_idx": (
            r"\(attempts, COALESCE\(recorded_at, end_at\)\) WHERE .*status = 'completed'.* AND .*settled_at IS NULL"
        ),
        "actions_user_idx": r"\(user_id, end_at\)",
        "actions_ip_idx": r"\(client_ip, end_at\)",
        "actions_expiry_idx": r"\(type, start_at\) WHERE .*status = 'started'",
        "actions_list_idx": r"\(user_id, status, id\)$",
        "actions_address_age_idx": r"\(COALESCE\(end_at, start_at\)\) WHERE .*client_ip IS NULL\) IS FALSE",
        "actions_no_address_idx": r"\(end_at\) WHERE .*client_ip IS NULL\) AND .*status = 'completed'",
        "standings_place_idx": r"WHERE .*NOT hidden.* AND .*score > 0.* OR valued",
    }
    for name, condition in conditions.items():
        assert re.search(condition, indexes[str(name)]), name


@pytest.mark.parametrize("table", TABLES)
def test_table_has_the_columns_that_the_design_names(table: str, migrated: sa.Engine) -> None:
    named = [column["name"] for column in sa.inspect(migrated).get_columns(table)]
    assert set(TABLES[table].split()) <= set(named)
    assert tables_of(migrated) >= set(TABLES)


def test_every_board_has_its_row_with_an_epoch_of_its_own(migrated: sa.Engine) -> None:
    with migrated.connect() as conn:
        rows = conn.execute(sa.text("SELECT id, epoch::text, version FROM boards")).all()
    assert sorted(row.id.partition(":")[0] for row in rows) == list(BOARDS)
    assert len({row.epoch for row in rows}) == len(rows)
    assert {uuid.UUID(row.epoch).version for row in rows} == {7}
    assert {row.version for row in rows} == {0}


def test_down_to_nothing_and_up_again(migrated: sa.Engine) -> None:
    before = facts(migrated)
    with alembic(migrated) as config:
        command.downgrade(config, "base")
    assert tables_of(migrated) == set()
    migrate(migrated, BOARDS)
    assert facts(migrated) == before


def test_migrations_can_each_be_undone_and_done_again(empty: Make) -> None:
    engine = empty()
    with alembic(engine) as config:
        revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        for revision in reversed(revisions):
            command.upgrade(config, revision)
            command.downgrade(config, "-1")
            command.upgrade(config, revision)
    assert tables_of(engine) >= set(TABLES)


def test_second_time_changes_nothing(migrated: sa.Engine) -> None:
    def look() -> list[tuple[object, ...]]:
        with migrated.connect() as conn:
            boards = conn.execute(sa.text("SELECT id, epoch, version, updated_at, xmin::text FROM boards")).all()
            versions = conn.execute(sa.text("SELECT version_num, xmin::text FROM alembic_version")).all()
        return [tuple(row) for row in (*boards, *versions)]

    before, rows = facts(migrated), look()
    migrate(migrated, BOARDS)
    assert facts(migrated) == before
    assert look() == rows


def test_several_at_once_take_turns(empty: Make, migrated: sa.Engine) -> None:
    engine = empty()
    start, errors = threading.Barrier(4), list[BaseException]()

    def release() -> None:
        start.wait(10)
        try:
            migrate(engine, BOARDS)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert facts(engine) == facts(migrated)
    with engine.connect() as conn:
        held = conn.execute(
            sa.text(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        ).scalar()
    assert held == 0


def test_migration_that_fails_leaves_the_lock_to_the_next(empty: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = empty()
    with monkeypatch.context() as broken:
        broken.setattr("db.boards._EXISTING", sa.text("INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(sa.exc.ProgrammingError):
            migrate(engine, BOARDS)
    migrate(engine, BOARDS)
    assert tables_of(engine) >= set(TABLES)


def test_migrations_live_beside_the_database_code() -> None:
    assert Path(engines.__file__).parent / "migrations" == MIGRATIONS


HISTORY = sorted((Path(__file__).parent / "schemas").glob("0001-*.sql"))
"""What 0001 was before it was frozen."""


def test_migration_0001_is_frozen() -> None:
    text = (MIGRATIONS / "versions" / "0001_begin.py").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "d761be49aed260fcf8f01c521b160eee7a1359a25a8c29982073614b1d53afb8", (
        "databases were made by it: add a new migration instead"
    )


@pytest.mark.parametrize("old", HISTORY, ids=lambda path: path.stem)
def test_migrate_brings_an_older_0001_to_the_schema_of_today(old: Path, empty: Make, migrated: sa.Engine) -> None:
    engine = empty()
    with engine.begin() as conn:
        conn.exec_driver_sql(old.read_text())
        conn.exec_driver_sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        conn.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
        conn.exec_driver_sql(
            "INSERT INTO users (id, username, username_key, email, password_hash) "
            "VALUES ('019a8f1e-0c5a-7c3e-9a57-5ad8a3f4c1b2', 'Old', 'old', 'old@example.org', '-')"
        )
    migrate(engine, BOARDS)
    assert facts(engine) == facts(migrated)
    with engine.connect() as conn, pytest.raises(sa.exc.IntegrityError, match="users_username_key_idx"):
        conn.exec_driver_sql(
            "INSERT INTO users (id, username, username_key, email, password_hash) "
            "VALUES ('019a8f1e-0c5a-7c3e-9a57-5ad8a3f4c1b3', 'OLD', 'old', 'other@example.org', '-')"
        )


def test_migrate_rebuilds_an_index_left_invalid(empty: Make, migrated: sa.Engine) -> None:
    engine = empty()
    with alembic(engine) as config:
        command.upgrade(config, "0001")
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP INDEX users_admins_idx")
        conn.exec_driver_sql("CREATE INDEX users_admins_idx ON users (id) WHERE role = 'admin'")
        conn.exec_driver_sql("CREATE INDEX users_admins_idx_new ON users (id) WHERE role = 'player'")
        conn.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false FROM pg_class "
            "WHERE pg_class.oid = indexrelid AND relname IN ('users_admins_idx', 'users_admins_idx_new')"
        )
    migrate(engine, BOARDS)
    assert facts(engine) == facts(migrated)


def player(conn: sa.Connection, user_id: str, status: str) -> None:
    """Add a user who has a standing."""
    conn.exec_driver_sql(
        "INSERT INTO users (id, username, username_key, email, password_hash, status) "
        f"VALUES ('{user_id}', '{user_id}', '{user_id}', '{user_id}', '-', '{status}')"
    )
    conn.exec_driver_sql(
        f"INSERT INTO standings (board_id, user_id, score, reached_at) VALUES ('all-time', '{user_id}', 10, now())"
    )


def test_migration_0006_hides_who_is_not_active(empty: Make) -> None:
    engine = empty()
    with alembic(engine) as config:
        command.upgrade(config, "0005")
    with engine.begin() as conn:
        conn.exec_driver_sql(f"INSERT INTO boards (id, epoch) VALUES ('all-time', '{uuid.uuid4()}')")
        player(conn, PEOPLE[0], "active")
        player(conn, PEOPLE[1], "suspended")
    migrate(engine, BOARDS)
    with engine.connect() as conn:
        hidden = conn.execute(sa.text("SELECT user_id::text FROM standings WHERE hidden")).scalars().all()
    assert hidden == [PEOPLE[1]]


PEOPLE = [f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2)]


def test_migration_0006_hides_nobody_who_is_being_reinstated(migrated: sa.Engine) -> None:
    with alembic(migrated) as config:
        mark = ScriptDirectory.from_config(config).get_revision("0006").module.MARK
    with migrated.begin() as conn:
        for user_id in PEOPLE:
            player(conn, user_id, "suspended")

    def hide() -> None:
        with migrated.begin() as conn:
            conn.execute(mark, {"after": "00000000-0000-0000-0000-000000000000"})

    hiding = threading.Thread(target=hide)
    with migrated.begin() as conn:
        conn.exec_driver_sql(f"UPDATE users SET status = 'active' WHERE id = '{PEOPLE[0]}'")
        hiding.start()
        give_up = time.monotonic() + 30
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while True:
            with migrated.connect() as other:
                if other.exec_driver_sql(waiting).scalar():
                    break
            assert time.monotonic() < give_up
    hiding.join(30)
    with migrated.connect() as conn:
        hidden = conn.execute(sa.text("SELECT user_id::text FROM standings WHERE hidden")).scalars().all()
    assert hidden == [PEOPLE[1]]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DROP INDEX actions_list_idx", "index actions_list_idx of actions is missing"),
        ("ALTER TABLE boards DROP COLUMN updated_at", "column updated_at of boards is missing"),
        ("ALTER TABLE users ALTER COLUMN email SET NOT NULL", "column email of users is another"),
        (
            "ALTER TABLE actions DROP CONSTRAINT actions_score_check",
            "constraint actions_score_check of actions is missing",
        ),
        ("ALTER TABLE actions ADD CONSTRAINT odd CHECK (score < 7)", "constraint odd of actions is unknown"),
        ("DROP TABLE feature_flags", "table feature_flags is missing"),
        ("DROP TRIGGER users_hide_standings ON users", "trigger users_hide_standings of users is missing"),
    ],
)
def test_migrate_stops_where_the_schema_is_another(migrated: sa.Engine, damage: str, told: str) -> None:
    with migrated.begin() as conn:
        conn.exec_driver_sql(damage)
    with pytest.raises(SchemaError, match="not this release's") as error:
        migrate(migrated, BOARDS)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_migrate_refuses_a_newer_schema_in_one_line(migrated: sa.Engine) -> None:
    with migrated.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match=r"a newer release's.*Roll back") as error:
        migrate(migrated, BOARDS)
    assert "\n" not in str(error.value)
    with migrated.connect() as conn:
        assert conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"


def test_migrate_allows_an_operators_own_indexes_and_columns(migrated: sa.Engine) -> None:
    with migrated.begin() as conn:
        conn.exec_driver_sql("CREATE INDEX mine ON actions (score)")
        conn.exec_driver_sql("ALTER TABLE users ADD COLUMN team text")
    migrate(migrated, BOARDS)


def test_migration_0014_counts_the_standings_that_are_there(empty: Make) -> None:
    engine = empty()
    with alembic(engine) as config:
        command.upgrade(config, "0013")
    with engine.begin() as conn:
        conn.execute(sa.text("INSERT INTO boards (id, epoch) VALUES ('all-time', gen_random_uuid())"))
        conn.execute(
            sa.text("""
                INSERT INTO users (id, username, username_key, status)
                SELECT gen_random_uuid(), 'p' || n, 'p' || n, CASE mod(n, 10) WHEN 0 THEN 'suspended' ELSE 'active' END
                FROM generate_series(1, 11000) AS n
            """)
        )
        conn.execute(
            sa.text("""
                INSERT INTO standings (board_id, user_id, score, reached_at)
                SELECT 'all-time', id, mod(row_number() OVER (), 50), now() FROM users
            """)
        )
    migrate(engine, BOARDS)
    with engine.begin() as conn:
        assert not rank_blocks.broken(conn, DEFAULT_BOARD)
        assert rank_blocks.wrong(conn, DEFAULT_BOARD) == []
        assert rank_blocks.untended(conn) == []
        counts = conn.execute(sa.text("SELECT counts FROM rank_counts WHERE board_id = 'all-time'")).scalar_one()
        shown = "SELECT count(*) FROM standings JOIN users ON id = user_id WHERE status = 'active' AND score > 0"
        assert sum(counts) == conn.execute(sa.text(shown)).scalar_one()
        # In three steps.
        assert 30 <= len(counts) <= 60
        # What the release before writes, which knows nothing of it, is counted.
        conn.execute(
            sa.text("""
                INSERT INTO standings (board_id, user_id, score, reached_at) SELECT 'all-time', user_id, 7, now()
                FROM standings ON CONFLICT (board_id, user_id) DO UPDATE SET score = standings.score + excluded.score
            """)
        )
        assert rank_blocks.wrong(conn, DEFAULT_BOARD) == []
