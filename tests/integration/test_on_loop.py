"""Transactions on an event loop: each wait has its bound, and the loop goes on meanwhile."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
import uvloop

from app.domain.errors import DatabaseUnavailable
from db import engine as engines
from db.engine import Bounds
from db.transaction import in_statement, in_transaction, on_loop
from dev.embedded import Postgres
from tests.support.clock import now
from tests.support.service import Stores

QUICK = Bounds(lock=0.25, statement=0.5, answer=0.7, checkout=0.25, idle_in_transaction=5)
LANES = 4

Work = Callable[[sa.Connection], Any]


def connect(url: str) -> sa.Engine:
    url = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return engines.connect(url, QUICK, pool_size=LANES, name="test")


@pytest.fixture
def database(stores: Stores) -> Iterator[sa.Engine]:
    """An engine that has never been connected."""
    stores.execute("DROP TABLE IF EXISTS notes")
    stores.execute("CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL DEFAULT '')")
    stores.execute("INSERT INTO notes VALUES (1), (2)")
    engine = connect(stores.database_url)
    yield engine
    engine.dispose()


def run(engine: sa.Engine, work: Work) -> Awaitable[Any]:
    """Run work in a transaction on the loop."""
    return on_loop(engine, in_transaction, work)


def outcomes(*awaited: Callable[[], Awaitable[Any]], longest_stop: float = 0.2) -> list[Any]:
    """Await all of them on a loop like the web's, which may stand still for so many seconds at most."""

    async def scenario() -> list[Any]:
        last, longest = now(), 0.0

        async def watch() -> None:
            nonlocal last, longest
            while True:
                await asyncio.sleep(0.005)
                moment = now()
                last, longest = moment, max(longest, moment - last)

        watcher = asyncio.create_task(watch())
        async with asyncio.timeout(20):
            found = await asyncio.gather(*(each() for each in awaited), return_exceptions=True)
        watcher.cancel()
        assert longest < longest_stop
        return found

    return uvloop.run(scenario())


def slowly(conn: sa.Connection) -> int:
    return int(conn.execute(sa.text("SELECT 1 FROM pg_sleep(0.3)")).scalar_one())


def test_loop_and_the_other_transactions_go_on_while_one_waits(database: sa.Engine) -> None:
    began = now()
    assert outcomes(*[lambda: run(database, slowly)] * LANES) == [1] * LANES
    assert now() - began < 0.3 * (LANES - 1)


def test_transaction_is_committed_in_the_thread_of_the_loop(database: sa.Engine, stores: Stores) -> None:
    def write(conn: sa.Connection) -> threading.Thread:
        conn.execute(sa.text("INSERT INTO notes VALUES (3, 'written')"))
        return threading.current_thread()

    assert outcomes(lambda: run(database, write)) == [threading.main_thread()]
    assert stores.rows("SELECT text FROM notes WHERE id = 3") == [("written",)]


def test_error_of_the_work_is_raised_as_it_is_and_rolled_back(database: sa.Engine, stores: Stores) -> None:
    def fail(conn: sa.Connection) -> None:
        conn.execute(sa.text("INSERT INTO notes VALUES (3)"))
        raise LookupError("mine")

    (error,) = outcomes(lambda: run(database, fail))
    assert isinstance(error, LookupError)
    assert stores.value("SELECT count(*) FROM notes") == 2


def test_deadlock_means_once_more_and_the_pause_is_the_loops(
    database: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.transaction.random.uniform", lambda least, most: 0.4)

    def both(first: int, second: int) -> Work:
        def work(conn: sa.Connection) -> str:
            conn.execute(sa.text("SET LOCAL lock_timeout = '3s'"))
            conn.execute(sa.text("SET LOCAL statement_timeout = '3s'"))
            conn.execute(sa.text("SET LOCAL deadlock_timeout = '50ms'"))
            for number in (first, second):
                conn.execute(sa.text("UPDATE notes SET text = text || 'x' WHERE id = :id"), {"id": number})
                conn.execute(sa.text("SELECT pg_sleep(0.1)"))
            return "done"

        return work

    assert outcomes(lambda: run(database, both(1, 2)), lambda: run(database, both(2, 1))) == ["done", "done"]
    assert stores.rows("SELECT text FROM notes ORDER BY id") == [("xx",), ("xx",)]


def test_statement_cancelled_with_its_task_leaves_nothing_behind(database: sa.Engine, stores: Stores) -> None:
    def write(conn: sa.Connection) -> None:
        conn.execute(sa.text("INSERT INTO notes VALUES (3)"))
        conn.execute(sa.text("SELECT pg_sleep(0.4)"))

    async def given_up() -> Any:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await run(database, write)
        return await run(database, slowly)

    assert outcomes(*[given_up] * LANES) == [1] * LANES
    assert stores.value("SELECT count(*) FROM notes") == 2


def test_transaction_beyond_the_pool_is_unavailable(database: sa.Engine) -> None:
    # The loop waits for it, for as long as a checkout may take: nobody may begin so many.
    found = outcomes(*[lambda: run(database, slowly)] * (LANES + 1), longest_stop=1)
    assert sorted(map(repr, found))[:LANES] == ["1"] * LANES
    assert isinstance(next(it for it in found if it != 1), DatabaseUnavailable)


@pytest.mark.parametrize("known", [False, True], ids=["at the beginning", "later"])
@pytest.mark.parametrize("how", ["killed", "hung"])
def test_server_away_is_unavailable_in_time_and_works_afterwards(how: str, known: bool, own_postgres: Postgres) -> None:
    engine = connect(own_postgres.url)
    crowd = [lambda: run(engine, lambda conn: conn.execute(sa.text("SELECT 2")).scalar_one())] * LANES
    if known:
        assert outcomes(*crowd) == [2] * LANES
    own_postgres.kill() if how == "killed" else own_postgres.pause()
    try:
        began = now()
        assert [type(it) for it in outcomes(*crowd)] == [DatabaseUnavailable] * LANES
        assert now() - began < 4
    finally:
        own_postgres.resume()
        own_postgres.start()
    assert outcomes(*crowd) == [2] * LANES
    assert in_statement(engine, lambda conn: conn.execute(sa.text("SELECT 3")).scalar_one()) == 3  # and in a thread
    engine.dispose()


def test_connection_that_was_lost_is_made_again_beside_the_loop(database: sa.Engine, stores: Stores) -> None:
    assert outcomes(*[lambda: run(database, slowly)] * LANES) == [1] * LANES
    stores.execute("""
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'scoreboard-test' AND datname = current_database() AND pid <> pg_backend_pid()
    """)
    assert outcomes(*[lambda: run(database, slowly)] * LANES) == [1] * LANES


@pytest.mark.parametrize("how", ["breaks", "is slow"])
def test_first_connection_that_breaks_or_is_slow_stops_nothing(
    how: str, database: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of SQLAlchemy's questions by which it gets to know the server, after it has its version.
    dialect: Any = database.dialect
    ask = dialect._get_default_schema_name
    asked: list[str] = []

    def disturbed(conn: Any) -> Any:
        asked.append(threading.current_thread().name)
        if len(asked) == 1 and how == "breaks":
            pid = conn.connection.dbapi_connection.info.backend_pid
            assert stores.value("SELECT pg_terminate_backend(:pid, 2000)", pid=pid)
        elif len(asked) == 1:
            conn.exec_driver_sql("SELECT pg_sleep(0.4)")
        return ask(conn)

    monkeypatch.setattr(dialect, "_get_default_schema_name", disturbed)

    async def in_thread_first() -> Any:
        first = asyncio.create_task(asyncio.to_thread(in_statement, database, slowly))
        await asyncio.sleep(0.1)
        return await first

    async def soon_after() -> Any:
        await asyncio.sleep(0.1)
        return await run(database, slowly)

    assert outcomes(in_thread_first, *[soon_after] * (LANES - 1)) == [1] * LANES
    assert len(asked) == (2 if how == "breaks" else 1)
