"""Connections on which every wait is bounded, and transactions that are begun again where that is safe, once only."""

import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from app.domain.errors import DatabaseUnavailable
from config import store_urls
from db import driver, transaction
from db import engine as engines
from db.driver import note_transaction_id, send_with_next
from db.engine import Bounds
from db.outcome import OutcomeUnknown, committed, server_of
from db.transaction import (
    ReadOnly,
    TimedOut,
    check_writable,
    in_statement,
    in_transaction,
)
from dev.embedded import Postgres
from tests.support.network import Cut, Proxy
from tests.support.service import Stores, eventually

QUICK = Bounds(lock=0.25, statement=0.5, answer=0.7, checkout=0.25, idle_in_transaction=5)


@pytest.fixture(scope="module")
def notes(stores: Stores) -> Stores:
    """A database with a table in which every transaction leaves a trace."""
    with stores.engine.begin() as conn:
        conn.execute(sa.text("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, text text NOT NULL)"))
        conn.execute(sa.text("CREATE TABLE counters (id int PRIMARY KEY, number int NOT NULL)"))
        conn.execute(sa.text("INSERT INTO counters VALUES (1, 0), (2, 0)"))
    return stores


@contextmanager
def connected(url: str, bounds: Bounds = QUICK, *, pool_size: int = 2) -> Iterator[sa.Engine]:
    """Return an engine as a process makes it."""
    url = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = engines.connect(url, bounds, pool_size=pool_size, name="test")
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def database(notes: Stores) -> Iterator[sa.Engine]:
    """An engine with short bounds."""
    with connected(notes.database_url) as engine:
        yield engine


@pytest.fixture
def text(request: pytest.FixtureRequest) -> str:
    """What this test writes, and no other."""
    return str(request.node.name)


WRITE = sa.text("INSERT INTO notes (text) VALUES (:text)")


def write(conn: sa.Connection, text: str) -> None:
    conn.execute(WRITE, {"text": text})


def pid_of(conn: sa.Connection) -> int:
    return int(conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())


def written(notes: Stores, text: str) -> int:
    return int(notes.value("SELECT count(*) FROM notes WHERE text = :text", text=text))


def terminate(notes: Stores, pid: int) -> None:
    """Kill a connection from another one, and wait until it is gone."""
    assert notes.value("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)


# A server that does not answer


@pytest.fixture
def paused(own_postgres: Postgres) -> Iterator[Callable[[], None]]:
    """Stops the server's processes; they go on after the test."""
    yield own_postgres.pause
    own_postgres.resume()


def test_stopped_server_is_not_waited_for_beyond_the_bound(own_postgres: Postgres, paused: Callable[[], None]) -> None:
    """Each engine has a bound of its own, whichever was made last."""
    with connected(own_postgres.url) as engine, connected(own_postgres.url, engines.OPERATOR):
        with engine.connect() as conn:
            assert conn.execute(sa.text("SELECT 1")).scalar() == 1
            paused()
            began = time.monotonic()
            with pytest.raises(sa.exc.OperationalError, match="did not answer") as lost:
                conn.execute(sa.text("SELECT 2"))
            assert 0.6 <= time.monotonic() - began < 2
            assert lost.value.connection_invalidated
        began = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="did not answer"):
            engine.connect()  # the kernel takes the connection, and nobody speaks
        assert 0.6 <= time.monotonic() - began < 2


@pytest.mark.parametrize("warm", [True, False])
def test_transaction_on_a_stopped_server_fails_in_time(
    warm: bool, own_postgres: Postgres, paused: Callable[[], None]
) -> None:
    def one(conn: sa.Connection) -> int:
        return int(conn.execute(sa.text("SELECT 1")).scalar_one())

    with connected(own_postgres.url) as engine:
        if warm:
            assert in_transaction(engine, one) == 1
        paused()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as away:
            in_transaction(engine, one)
        assert time.monotonic() - began < 3  # what the contract allows a 503
        assert away.value.retry_after == 1
        own_postgres.resume()
        assert in_transaction(engine, one) == 1


def test_transaction_on_a_lost_server_fails_at_once(own_postgres: Postgres) -> None:
    def one(conn: sa.Connection) -> int:
        return int(conn.execute(sa.text("SELECT 1")).scalar_one())

    with connected(own_postgres.url) as engine:
        assert in_transaction(engine, one) == 1
        own_postgres.kill()
        try:
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                in_transaction(engine, one)
            assert time.monotonic() - began < 2
        finally:
            own_postgres.start()
        assert in_transaction(engine, one) == 1


def test_database_works_beside_thousands_of_open_files(notes: Stores) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this machine allows fewer than 1400 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    gc.collect()  # what earlier tests have left would be closed later, and its low numbers be free again
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with connected(notes.database_url) as engine, engine.connect() as conn:
            assert conn.connection.driver_connection is not None
            assert conn.connection.driver_connection.fileno() > 1024
            assert conn.execute(sa.text("SELECT 1")).scalar() == 1
            with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
                conn.execute(sa.text("SELECT pg_sleep(5)"))
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_server_knows_the_bounds_the_name_and_utc(database: sa.Engine) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "application_name", "timezone")
    with database.connect() as conn:
        have = {name: conn.execute(sa.text("SELECT current_setting(:name)"), {"name": name}).scalar() for name in names}
    assert list(have.values()) == ["250ms", "500ms", "5s", "scoreboard-test", "UTC"]


@pytest.mark.parametrize("bounds", [engines.WEB, engines.WORKER, engines.OPERATOR])
def test_server_gives_up_before_we_do(bounds: Bounds) -> None:
    assert bounds.lock < bounds.statement < bounds.answer


def test_web_answers_within_the_three_seconds_of_the_contract() -> None:
    assert engines.WEB.answer + engines.WEB.checkout <= 3


# Transactions


def test_transaction_is_committed_and_gives_what_its_work_gives(notes: Stores, database: sa.Engine, text: str) -> None:
    def work(conn: sa.Connection) -> str:
        write(conn, text)
        return "result"

    assert in_transaction(database, work) == "result"
    assert written(notes, text) == 1


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO counters VALUES (1, 1)", sa.exc.IntegrityError),
        ("SELECT 1 / 0", sa.exc.DataError),
        ("SELECT nothing", sa.exc.ProgrammingError),
    ],
)
def test_transaction_work_error_is_raised_and_not_retried(
    statement: str, error: type[Exception], notes: Stores, database: sa.Engine, text: str
) -> None:
    tries = []

    def work(conn: sa.Connection) -> None:
        tries.append(1)
        write(conn, text)
        conn.execute(sa.text(statement))

    with pytest.raises(error):
        in_transaction(database, work)
    assert tries == [1]
    assert written(notes, text) == 0
    assert in_transaction(database, pid_of)  # the connection is fine


def test_first_statement_error_leaves_no_transaction_behind(notes: Stores, database: sa.Engine, text: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError):
        in_transaction(database, lambda conn: conn.execute(sa.text("SELECT nothing")))
    pid = in_transaction(database, pid_of)
    assert notes.value("SELECT state FROM pg_stat_activity WHERE pid = :pid", pid=pid) == "idle"
    with database.connect() as conn:  # nor a connection that commits by itself
        assert pid_of(conn) == pid
        write(conn, text)
    assert written(notes, text) == 0


def test_error_that_is_not_the_databases_rolls_back(notes: Stores, database: sa.Engine, text: str) -> None:
    def work(conn: sa.Connection) -> None:
        write(conn, text)
        raise KeyError(text)

    with pytest.raises(KeyError):
        in_transaction(database, work)
    assert written(notes, text) == 0


@pytest.mark.parametrize("when", ["before the work", "in the middle", "after the work"])
def test_connection_killed_before_the_commit_means_once_more(
    when: str, notes: Stores, database: sa.Engine, text: str
) -> None:
    in_transaction(database, pid_of)  # the pool has a connection
    tries = []

    def work(conn: sa.Connection) -> str:
        pid = int(conn.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]
        tries.append(pid)
        if len(tries) == 1 and when == "before the work":
            terminate(notes, pid)
        write(conn, text)
        if len(tries) == 1 and when == "in the middle":
            terminate(notes, pid)
        write(conn, text)
        if len(tries) == 1 and when == "after the work":
            terminate(notes, pid)
        return "done"

    assert in_transaction(database, work) == "done"
    assert len(set(tries)) == 2
    assert written(notes, text) == 2


def test_stale_connections_of_the_pool_cost_nobody_anything(notes: Stores, database: sa.Engine, text: str) -> None:
    with database.connect() as one, database.connect() as two:
        pids = [pid_of(one), pid_of(two)]
    for pid in pids:
        terminate(notes, pid)
    began = time.monotonic()
    in_transaction(database, lambda conn: write(conn, text))
    assert time.monotonic() - began < 2
    assert written(notes, text) == 1


def test_connection_killed_every_time_is_unavailable_in_the_end(notes: Stores, database: sa.Engine, text: str) -> None:
    tries = []

    def work(conn: sa.Connection) -> None:
        write(conn, text)
        tries.append(1)
        terminate(notes, pid_of(conn))
        write(conn, text)

    with pytest.raises(DatabaseUnavailable) as away:
        in_transaction(database, work)
    assert not isinstance(away.value, TimedOut | OutcomeUnknown)
    assert 2 <= len(tries) <= 4
    assert written(notes, text) == 0


@pytest.mark.parametrize("patience", [1.0, 0.0])
def test_deadlock_means_once_more(patience: float, notes: Stores) -> None:
    # PostgreSQL takes a second to find a deadlock out, which is longer than any patience: once more all the same.
    meet = threading.Barrier(2)
    tries: list[int] = []

    def work(first: int, second: int) -> Callable[[sa.Connection], int]:
        begun: list[int] = []

        def raise_both(conn: sa.Connection) -> int:
            tries.append(first)
            begun.append(1)
            for number in (first, second):
                conn.execute(sa.text("UPDATE counters SET number = number + 1 WHERE id = :id"), {"id": number})
                if number == first and len(begun) == 1:
                    meet.wait(5)
            return first

        return raise_both

    before = notes.value("SELECT sum(number) FROM counters")
    with connected(notes.database_url, engines.OPERATOR) as engine, ThreadPoolExecutor(2) as threads:
        works = [work(1, 2), work(2, 1)]
        answers = list(threads.map(lambda it: in_transaction(engine, it, patience=patience), works))
    assert answers == [1, 2]
    assert len(tries) == 3
    assert notes.value("SELECT sum(number) FROM counters") == before + 4


def test_serialization_failure_means_once_more(notes: Stores, database: sa.Engine) -> None:
    before = notes.value("SELECT number FROM counters WHERE id = 1")
    seen = []

    def work(conn: sa.Connection) -> None:
        conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        seen.append(conn.execute(sa.text("SELECT number FROM counters WHERE id = 1")).scalar_one())
        if len(seen) == 1:
            with notes.engine.begin() as other:
                other.execute(sa.text("UPDATE counters SET number = number + 10 WHERE id = 1"))
        conn.execute(sa.text("UPDATE counters SET number = :number WHERE id = 1"), {"number": seen[-1] + 1})

    in_transaction(database, work)
    assert seen == [before, before + 10]
    assert notes.value("SELECT number FROM counters WHERE id = 1") == before + 11


def test_timeouts_are_told_from_a_database_that_is_away(notes: Stores, database: sa.Engine) -> None:
    tries = []

    def locked(conn: sa.Connection) -> None:
        tries.append("lock")
        conn.execute(sa.text("UPDATE counters SET number = number WHERE id = 1"))

    def slow(conn: sa.Connection) -> None:
        tries.append("statement")
        conn.execute(sa.text("SELECT pg_sleep(5)"))

    with notes.engine.begin() as holder:
        holder.execute(sa.text("SELECT 1 FROM counters WHERE id = 1 FOR UPDATE"))
        began = time.monotonic()
        with pytest.raises(TimedOut):
            in_transaction(database, locked)
        assert 0.2 <= time.monotonic() - began < 2
    began = time.monotonic()
    with pytest.raises(TimedOut):
        in_transaction(database, slow)
    assert 0.4 <= time.monotonic() - began < 2
    assert tries == ["lock", "statement"]  # what to do then is for the caller to say


def test_pool_without_a_free_connection_is_unavailable_in_time(notes: Stores) -> None:
    with connected(notes.database_url, pool_size=1) as engine, engine.connect():
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="in use"):
            in_transaction(engine, pid_of)
        assert 0.2 <= time.monotonic() - began < 2


# What became of a commit


@pytest.mark.parametrize(("end", "outcome"), [("COMMIT", True), ("ROLLBACK", False)])
def test_database_tells_what_became_of_a_transaction(
    end: str, outcome: bool, notes: Stores, database: sa.Engine, text: str
) -> None:
    began = time.monotonic()
    with notes.engine.connect() as conn:
        server = server_of(conn)
        write(conn, text)
        xid = conn.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one()
        if outcome:
            conn.commit()
        else:
            conn.rollback()
    assert committed(database, xid, server=server, began=began) is outcome


def test_committed_waits_for_a_running_one_and_then_is_unknown(notes: Stores, database: sa.Engine, text: str) -> None:
    began = time.monotonic()
    with notes.engine.connect() as conn, ThreadPoolExecutor(1) as threads:
        server = server_of(conn)
        write(conn, text)
        xid = conn.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one()
        with pytest.raises(OutcomeUnknown):
            committed(database, xid, server=server, began=began, patience=0.2)
        assert 0.15 <= time.monotonic() - began < 2
        asked = threads.submit(committed, database, xid, server=server, began=began, patience=5)
        conn.commit()
        assert asked.result(10) is True


def test_committed_of_another_server_is_unknown(notes: Stores, database: sa.Engine, text: str) -> None:
    """A promoted standby that missed it has the same transaction ids, and gave this one to another transaction."""
    with notes.engine.connect() as conn:
        write(conn, text)
        xid = conn.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one()
        conn.commit()
    with pytest.raises(OutcomeUnknown):
        committed(database, xid, server="1795000000.123456", began=time.monotonic())


# A server that takes no writes


def test_pooled_connections_to_a_read_only_server_are_left(notes: Stores, database: sa.Engine, text: str) -> None:
    with ExitStack() as stack:
        conns = [stack.enter_context(database.connect()) for _ in range(2)]
        for conn in conns:
            conn.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            conn.commit()
        stale = {pid_of(conn) for conn in conns}
    in_transaction(database, lambda conn: write(conn, text))
    assert written(notes, text) == 1
    with ExitStack() as stack:
        conns = [stack.enter_context(database.connect()) for _ in range(2)]
        assert not stale & {pid_of(conn) for conn in conns}, "one refusal throws all of them away"


def test_check_writable_leaves_pooled_read_only_connections(database: sa.Engine) -> None:
    with database.connect() as conn:
        conn.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        conn.commit()
    check_writable(database)


def test_read_only_server_is_told_from_one_that_is_away(own_postgres: Postgres) -> None:
    def switch(on: bool) -> None:
        with connected(own_postgres.url + "?target_session_attrs=any") as engine:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
                conn.exec_driver_sql("SELECT pg_reload_conf()")
                show = "SHOW default_transaction_read_only"
                eventually(lambda: conn.exec_driver_sql(show).scalar_one() == ("on" if on else "off"))

    with connected(own_postgres.url) as engine:
        check_writable(engine)
        switch(True)
        try:
            for ask in (check_writable, lambda it: in_transaction(it, lambda conn: write(conn, "refused"))):
                with pytest.raises(ReadOnly):
                    ask(engine)
            with connected(own_postgres.url + "?target_session_attrs=any") as reader:
                assert in_statement(reader, pid_of), "an address may say that reading is enough"
        finally:
            switch(False)
        check_writable(engine)


@pytest.mark.parametrize("code", ["08006", "25006", "53100", "53200", "53300", "57P01", "58030"])
def test_server_failure_is_database_unavailable(code: str, database: sa.Engine) -> None:
    fail = f"DO $$BEGIN RAISE 'of the server' USING ERRCODE = '{code}'; END$$"
    with pytest.raises(DatabaseUnavailable):
        in_transaction(database, lambda conn: conn.exec_driver_sql(fail))


# Several hosts


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which connections are taken, and nobody speaks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_silent_host_is_left_for_the_next_and_asked_last_later(notes: Stores, silent: int) -> None:
    place = f"127.0.0.1:{port_of(notes)}"
    url = notes.database_url.replace(place, f"127.0.0.1:{silent},{place}")
    with connected(store_urls.database_url(url)) as engine:
        began = time.monotonic()
        with engine.connect() as conn:
            assert pid_of(conn)
            assert time.monotonic() - began < QUICK.answer
            again = time.monotonic()
            with engine.connect() as other:
                assert pid_of(other)
            assert time.monotonic() - again < QUICK.answer / 3


def test_silent_hosts_are_not_waited_for_longer_than_one(silent: int) -> None:
    with connected(f"postgresql://x:x@/x?host=127.0.0.1,127.0.0.1&port={silent},{silent}") as engine:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            in_statement(engine, pid_of)
        assert 0.6 <= time.monotonic() - began < 2


def test_operator_does_not_wait_ten_minutes_for_a_silent_host(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.session.LONGEST", 0.3)
    with connected(f"postgresql://x:x@127.0.0.1:{silent}/x", engines.OPERATOR) as engine:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            in_statement(engine, pid_of)
        assert time.monotonic() - began < 5


class Commits:
    """Cuts the connection on which the first COMMIT passes, and counts them.

    Args:
        cut: whether PostgreSQL sees the COMMIT and its answer is lost, or never sees it; None for no cut.
        away: whether nobody is let through afterwards.
    """

    def __init__(self, cut: Cut | None, *, away: bool = False) -> None:
        self._where = cut
        self._away = away
        self.count = 0

    @contextmanager
    def through(self, notes: Stores) -> Iterator[sa.Engine]:
        with Proxy(port_of(notes), self._cut) as self._proxy:
            url = sa.make_url(notes.database_url).set(host="127.0.0.1", port=self._proxy.port)
            with connected(url.render_as_string(hide_password=False)) as engine:
                yield engine

    def _cut(self, _: int, data: bytes) -> Cut | None:
        if b"COMMIT" not in data:
            return None
        self.count += 1
        self._proxy.open = not self._away
        return self._where if self.count == 1 else None


def port_of(notes: Stores) -> int:
    port = sa.make_url(notes.database_url).port
    assert port is not None
    return port


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize(("cut", "tries"), [("before", 2), ("after", 1)])
def test_commit_whose_connection_is_lost_applies_once(
    cut: Cut, tries: int, noted: bool, together: bool, notes: Stores, text: str
) -> None:
    begun = []

    def work(conn: sa.Connection) -> int:
        begun.append(1)
        if noted:
            note_transaction_id(conn, conn.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one())
        if together:
            send_with_next(conn, WRITE, {"text": text})
        else:
            write(conn, text)
        return len(begun)

    with (commits := Commits(cut)).through(notes) as engine:
        assert in_transaction(engine, work) == tries
        assert len(begun) == tries
        assert commits.count == tries
        assert written(notes, text) == 1


def test_write_that_fails_on_its_way_with_commit_commits_nothing(notes: Stores, text: str) -> None:
    def work(conn: sa.Connection) -> None:
        write(conn, text)
        send_with_next(conn, sa.text("INSERT INTO notes (text) VALUES (:text)"), {"text": None})

    with connected(notes.database_url) as engine:
        with pytest.raises(sa.exc.IntegrityError):
            in_transaction(engine, work)
        assert written(notes, text) == 0
        in_transaction(engine, lambda conn: write(conn, text))  # on the same connection
        assert written(notes, text) == 1


def test_later_statements_are_sent_in_order_with_the_next_one(
    notes: Stores, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    assembled = driver._assembled

    def noted(*args: Any) -> tuple[str, Mapping[str, Any]]:
        found = assembled(*args)
        sent.append(found[0])
        return found

    def work(conn: sa.Connection) -> list[str]:
        for number in range(3):
            send_with_next(conn, WRITE, {"text": f"{text} {number} 100%"})
        found = conn.execute(sa.text("SELECT text FROM notes WHERE text LIKE :text ORDER BY id"), {"text": f"{text}%"})
        send_with_next(conn, WRITE, {"text": text})
        return list(found.scalars())

    monkeypatch.setattr(driver, "_assembled", noted)
    with connected(notes.database_url) as engine:
        assert in_transaction(engine, work) == [f"{text} {number} 100%" for number in range(3)]
        assert [it.count("INSERT") for it in sent] == [3, 1, 0], "BEGIN and three, the fourth, COMMIT"
    assert written(notes, text) == 1


@pytest.mark.parametrize(("cut", "rows"), [("before", 0), ("after", 1)])
def test_commit_whose_outcome_nobody_can_tell_is_not_repeated(cut: Cut, rows: int, notes: Stores, text: str) -> None:
    begun = []

    def work(conn: sa.Connection) -> None:
        begun.append(1)
        write(conn, text)

    with Commits(cut, away=True).through(notes) as engine:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            in_transaction(engine, work)
        assert time.monotonic() - began < 3
    assert begun == [1]
    eventually(lambda: written(notes, text) == rows, what="the outcome")


class ForgetfulPostgres(Postgres):
    """PostgreSQL that writes its log down at a commit and no sooner, so that a crash forgets what was not committed."""

    def argv(self) -> list[str | Path]:
        return [*super().argv(), "-c", "wal_writer_delay=10s"]


def restart(server: Postgres) -> None:
    """Kill the whole server and start it again."""
    server.kill()
    server.start()


def crash_of_a_session(server: Postgres) -> None:
    """Kill one session, for which the server, staying what it is, ends all others and recovers."""
    reset = "SELECT stats_reset FROM pg_stat_wal"
    with closing(psycopg2.connect(server.url)) as victim, victim.cursor() as cursor:
        cursor.execute(reset)
        before = cursor.fetchone()
        os.kill(victim.info.backend_pid, signal.SIGKILL)

        def recovered() -> bool:
            with suppress(psycopg2.OperationalError), closing(psycopg2.connect(server.url)) as other:
                with other.cursor() as cursor:
                    cursor.execute(reset)
                    return bool(cursor.fetchone() != before)
            return False

        eventually(recovered, what="the recovery")


@pytest.mark.parametrize("crash", [restart, crash_of_a_session])
def test_commit_lost_in_a_crash_is_not_taken_for_its_successor(
    crash: Callable[[Postgres], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash forgets the transaction's id as well, and the next one that writes is given it."""
    xids: list[str] = []

    def work(conn: sa.Connection) -> None:
        write(conn, "swallowed")
        xids.append(conn.execute(sa.text("SELECT pg_current_xact_id()::text")).scalar_one())

    with ForgetfulPostgres(tmp_path / "postgres") as server, connected(server.url) as engine:
        with connected(server.url, engines.OPERATOR) as other, other.begin() as conn:
            conn.execute(sa.text("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY, text text NOT NULL)"))

        def crash_once(conn: sa.Connection) -> None:
            if len(xids) == 1:
                crash(server)
                with connected(server.url, engines.OPERATOR) as other, other.begin() as another:
                    work(another)
            driver.commit(conn)

        monkeypatch.setattr(transaction, "commit", crash_once)
        with pytest.raises(OutcomeUnknown):
            in_transaction(engine, work)
        with engine.connect() as conn:
            assert conn.execute(sa.text("SELECT count(*) FROM notes")).scalar_one() == 1
    assert xids == [xids[0]] * 2


def test_lost_commit_of_nothing_written_is_repeated(notes: Stores) -> None:
    begun = []

    def work(conn: sa.Connection) -> int:
        begun.append(1)
        return pid_of(conn)

    with Commits("before").through(notes) as engine:
        assert in_transaction(engine, work)
    assert len(begun) == 2


def test_statement_by_itself_is_one_message_and_is_committed(notes: Stores, text: str) -> None:
    with (commits := Commits(None)).through(notes) as engine:
        for _ in range(2):
            in_statement(engine, lambda conn: write(conn, text))
    assert commits.count == 0
    assert written(notes, text) == 2


def test_statement_whose_connection_is_lost_is_run_again(notes: Stores, text: str) -> None:
    severed: list[int] = []

    def sever(conn: sa.Connection) -> int:
        found = pid_of(conn)
        if not severed:
            severed.append(found)
            notes.rows("SELECT pg_terminate_backend(:pid)", pid=found)
        return pid_of(conn)

    with connected(notes.database_url) as engine:
        pid = in_statement(engine, pid_of)
        notes.rows("SELECT pg_terminate_backend(:pid)", pid=pid)
        assert in_statement(engine, pid_of) != pid  # it was lost while it lay in the pool
        assert in_statement(engine, sever) not in severed  # it was lost in the middle
        assert len(severed) == 1
        in_transaction(engine, lambda conn: write(conn, text))  # and what was lent is a usual connection again
        with engine.connect() as conn:
            write(conn, text)
    assert written(notes, text) == 1
