"""Prepared statements: each is planned once for a connection, and whatever ends a plan costs one repetition."""

import threading
from collections.abc import Callable, Iterator

import psycopg2
import pytest
import sqlalchemy as sa

from app.board import publish, settle
from db import engine as engines
from db import prepared as prepares
from db.driver import fetch
from db.prepared import KNOWN, prepared
from db.transaction import LockTimedOut, in_statement, in_transaction
from tests.support.board import ALL_TIME, ONE_BOARD, VETTING, completed, first_ten, top
from tests.support.people import add_user
from tests.support.service import Stores

STOPPED = "statements are not prepared"
REPEATED = "transaction begun again"

Shake = Callable[[sa.Engine], object]


@pytest.fixture
def hot(engine: sa.Engine) -> Iterator[sa.Engine]:
    """A connection that prepares, to the module's database with nothing in it."""
    made = engines.connect(engine.url.render_as_string(False), engines.WORKER, pool_size=1, name="test", prepares=True)
    yield made
    made.dispose()


@pytest.fixture
def note(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> sa.TextClause:
    """A statement on a table of its own."""
    monkeypatch.setattr(prepares, "KNOWN", {})
    stores.execute("DROP TABLE IF EXISTS notes")
    stores.execute("CREATE TABLE notes (id int PRIMARY KEY, text text)")
    stores.execute("INSERT INTO notes VALUES (1, '10'), (2, '20')")
    return prepared("note", "SELECT text FROM notes WHERE id = :id")


def read(engine: sa.Engine, statement: sa.TextClause, id: int = 1) -> object:
    ((found,),) = in_transaction(engine, lambda conn: fetch(conn, statement, {"id": id}))
    return found


def there(engine: sa.Engine) -> dict[str, int]:
    """Return what the engine's connection has prepared, and how often each has run."""
    query = sa.text("SELECT name, generic_plans + custom_plans FROM pg_prepared_statements")
    return {row.name: row[1] for row in in_statement(engine, lambda conn: conn.execute(query).all())}


def play(engine: sa.Engine, user_id: str) -> None:
    """Take an action from its start to the board."""
    ids = completed(engine, user_id)  # type: ignore[arg-type]
    settled = in_transaction(engine, lambda conn: settle.settle(conn, ONE_BOARD, ids, VETTING))
    assert settled.cleared == 1
    assert publish.read(engine, ALL_TIME)


def test_what_comes_with_every_action_is_prepared_once(hot: sa.Engine, caplog: pytest.LogCaptureFixture) -> None:
    alice = add_user(hot)
    for _ in range(3):
        play(hot, alice)
    runs = there(hot)
    assert {name for name, times in runs.items() if times == 3} >= {
        *("insert_started", "lock_actions", "finish_actions", "claim_actions", "mark_settled"),
        *("raise_standings", "lock_boards", "present_standings", "write_boards", "read_boards"),
    }
    assert top(hot) == first_ten(hot) == [(alice, 30)]
    plans = sa.text("SELECT sum(generic_plans) > 0, sum(custom_plans) FROM pg_prepared_statements")
    assert in_statement(hot, lambda conn: tuple(conn.execute(plans).one())) == (True, 0)
    assert REPEATED not in caplog.text
    assert STOPPED not in caplog.text


def test_other_connections_prepare_nothing_and_plan_as_ever(hot: sa.Engine, engine: sa.Engine) -> None:
    play(engine, add_user(engine))
    assert there(engine) == {}
    settings = "SELECT current_setting('enable_seqscan'), current_setting('plan_cache_mode'), current_setting('jit')"
    shown = [in_statement(it, lambda conn: tuple(conn.exec_driver_sql(settings).one())) for it in (hot, engine)]
    assert shown[0] == ("off", "force_generic_plan", "off")
    assert shown[1][:2] == ("on", "auto")


def test_type_of_every_parameter_is_clear(hot: sa.Engine) -> None:
    """Each can be prepared, those for reports, for IPv6 and for suspicious players too."""
    for number, statement in enumerate(KNOWN.values()):
        sent = prepares._prepare(str(statement.compile(dialect=hot.dialect)), f"it_{number}")
        in_statement(hot, lambda conn, it=sent: conn.exec_driver_sql(it))  # type: ignore[misc]
    assert len(there(hot)) == len(KNOWN) > 20


def forget(engine: sa.Engine) -> None:
    in_statement(engine, lambda conn: conn.exec_driver_sql("DEALLOCATE ALL"))


def take_name(engine: sa.Engine) -> None:
    """Prepare another statement under the name, as another client of a shared session may have done."""
    with engine.connect() as conn:
        conn.connection.dbapi_connection.plans._names.clear()  # type: ignore[union-attr]
        conn.exec_driver_sql("SELECT 1")


@pytest.mark.parametrize("shake", [forget, take_name], ids=["26000", "42P05"])
@pytest.mark.parametrize("run", [in_transaction, in_statement])
def test_lost_statement_is_repeated_and_no_other_is_prepared(
    shake: Shake, run: Callable[..., object], hot: sa.Engine, note: sa.TextClause, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert read(hot, note) == "10"
    for _ in range(2):
        shake(hot)
        assert run(hot, lambda conn: conn.execute(note, {"id": 2}).scalar_one()) == "20"
    assert caplog.text.count(STOPPED) == 1
    assert caplog.text.count(REPEATED) == 1
    forget(hot)
    assert read(hot, note) == "10"
    assert there(hot) == {}


@pytest.mark.parametrize("run", [in_transaction, in_statement])
def test_result_of_another_type_is_repeated_by_a_new_plan(
    run: Callable[..., object],
    hot: sa.Engine,
    note: sa.TextClause,
    stores: Stores,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert read(hot, note) == "10"
    stores.execute("ALTER TABLE notes ALTER COLUMN text TYPE int USING text::int")
    assert run(hot, lambda conn: conn.execute(note, {"id": 2}).scalar_one()) == 20
    assert read(hot, note) == 10
    assert caplog.text.count(REPEATED) == 1
    assert there(hot) == {"note": 2}


def test_all_connections_plan_anew_after_one_had_to(
    engine: sa.Engine, note: sa.TextClause, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    hot = engines.connect(engine.url.render_as_string(False), engines.WEB, pool_size=6, name="test", prepares=True)
    ready, ended = threading.Barrier(7), threading.Barrier(7)

    def keep(conn: sa.Connection) -> None:
        conn.execute(note, {"id": 1})
        ready.wait(10)
        ended.wait(10)

    holders = [threading.Thread(target=in_transaction, args=(hot, keep)) for _ in range(6)]
    for holder in holders:
        holder.start()
    ready.wait(10)
    ended.wait(10)
    for holder in holders:
        holder.join(10)
    stores.execute("ALTER TABLE notes ALTER COLUMN text TYPE int USING text::int")
    assert read(hot, note) == 10
    held = [hot.connect() for _ in range(6)]
    for conn in held:  # one after the other, each that of another connection
        assert conn.execute(note, {"id": 1}).scalar_one() == 10
        conn.close()
    assert caplog.text.count(REPEATED) == 1
    hot.dispose()


def test_columns_that_are_added_under_running_code_change_nothing(
    hot: sa.Engine, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    alice = add_user(hot)
    play(hot, alice)
    tables = ("users", "actions", "standings", "boards", "top_scores", "idempotency_keys", "marks")
    with engine.begin() as conn:
        for table in tables:
            conn.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN added text DEFAULT 'x'")
    try:
        play(hot, alice)
        assert top(hot) == [(alice, 20)]
        assert REPEATED not in caplog.text
    finally:
        with engine.begin() as conn:
            for table in tables:
                conn.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN added")
    play(hot, alice)
    assert top(hot) == [(alice, 30)]
    assert REPEATED not in caplog.text


def test_after_an_error_all_is_prepared_anew(hot: sa.Engine, note: sa.TextClause, stores: Stores) -> None:
    later = prepared("later_note", "SELECT text FROM notes WHERE id = :id")
    lock = prepared("lock_note", "SELECT 1 FROM notes WHERE id = :id FOR UPDATE NOWAIT")
    assert read(hot, note) == "10"
    with stores.engine.begin() as other:
        other.exec_driver_sql("SELECT 1 FROM notes FOR UPDATE")
        with pytest.raises(LockTimedOut):
            read(hot, lock)
    # It would fail if it were sent with others, and nothing but what is prepared knows of what happened.
    in_statement(hot, lambda conn: conn.exec_driver_sql("VACUUM notes"))
    assert [read(hot, it) for it in (later, lock, note)] == ["10", 1, "10"]
    assert there(hot) == {"later_note": 1, "lock_note": 1, "note": 1}


def test_error_that_is_no_plans_fault_is_raised(hot: sa.Engine, note: sa.TextClause) -> None:
    unsupported = prepared("unsupported", "SELECT count(*) FROM notes WHERE id = :id GROUP BY id FOR UPDATE")
    with pytest.raises(sa.exc.NotSupportedError) as raised:
        read(hot, unsupported)
    assert isinstance(raised.value.orig, psycopg2.errors.FeatureNotSupported)
    assert read(hot, note) == "10"


@pytest.mark.parametrize("kept", [True, False])
def test_statement_past_sqlalchemy_is_of_its_callers_transaction(
    kept: bool, engine: sa.Engine, note: sa.TextClause, stores: Stores
) -> None:
    add = sa.text("INSERT INTO notes VALUES (:id, '30') RETURNING id")
    with engine.connect() as conn:
        assert fetch(conn, add, {"id": 3}) == [(3,)]
        if kept:
            conn.commit()
    assert stores.value("SELECT count(*) FROM notes") == (3 if kept else 2)


def test_name_is_one_statements_alone(note: sa.TextClause) -> None:
    with pytest.raises(ValueError, match="note"):
        prepared("note", "SELECT 1")
