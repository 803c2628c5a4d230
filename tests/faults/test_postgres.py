"""PostgreSQL goes away, hangs, throws everybody out, is full, locked, or dies within a COMMIT."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from dev import embedded
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.away import hung, killed
from tests.faults.history import ASKED, Load, Operation, complete
from tests.faults.probe import Probe
from tests.faults.proxy import PostgresProxy
from tests.support.clock import now
from tests.support.network import Cut
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.stores import on_postgres

TOLD_WITHIN = 3.0
"""Seconds within which everybody is answered, be it by a 503; the deadlines of 2.7 s have tests of their own."""

HITCH = 2.0
"""Seconds by which the machine may hold up a process that it doesn't hold us up with."""

BACK_WITHIN = 5.0
"""Seconds after its return within which completions are acknowledged."""

ROOM = 60
"""Connections that PostgreSQL allows."""

CONNECTIONS = {"scoreboard-web": 16, "scoreboard-worker": 2}
"""Connections that one process of a kind holds at most."""

THREADS = 13
"""Threads of a web process at most: its main one, and those of its pools."""

Healed = Callable[[str, float], None]
Fault = Callable[[embedded.Postgres], AbstractContextManager[None]]


class SmallPostgres(embedded.Postgres):
    """PostgreSQL whose connections can be used up, and which finds a deadlock sooner than a lock times out."""

    def argv(self) -> list[str | Path]:
        return [*super().argv(), "-c", f"max_connections={ROOM}", "-c", "deadlock_timeout=400ms"]


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    with SmallPostgres(tmp_path_factory.mktemp("postgres") / "postgres") as server:
        yield server


@pytest.fixture(scope="module")
def stores(stores: Stores, own_postgres: embedded.Postgres) -> Iterator[Stores]:
    """This module's stores, with a PostgreSQL that can be killed."""
    with on_postgres(stores, own_postgres.url) as stores:
        yield stores


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    service.worker()
    service.beat()
    return service.web()


def nothing_leaked(stores: Stores, web: Process) -> None:
    """Check that the process has no more threads than its pools hold, and nobody more connections."""
    status = Path(f"/proc/{web.popen.pid}/status").read_text()
    found = re.search(r"^Threads:\s+(\d+)$", status, re.MULTILINE)
    assert found
    assert int(found[1]) <= THREADS
    query = "SELECT application_name, count(*) FROM pg_stat_activity WHERE application_name <> '' GROUP BY 1"
    eventually(
        lambda: all(count <= CONNECTIONS.get(name, 10) for name, count in stores.rows(query)),
        what="that all connections of before are gone",
    )


def sockets_and_reads_went_on(probe: Probe, since: float) -> None:
    """Check that the process lived, and gave the board from memory."""
    for path in ("/healthz", "/top-scores"):
        assert probe.statuses(path).keys() == {200}
        assert probe.most(path, since) < 1
        assert probe.longest(path, since) < 1 + HITCH
    assert probe.statuses("/readyz").keys() <= {200, 503}
    assert probe.most("/readyz", since) < TOLD_WITHIN
    assert probe.longest("/readyz", since) < TOLD_WITHIN + HITCH


def told_to_come_again(player: Player, action_id: str) -> Operation:
    """Check that a completion is answered with 503 and Retry-After, in time."""
    ASKED.add(action_id)
    began = now()
    problem(player.end(action_id), 503)
    took = now() - began
    assert took < TOLD_WITHIN + HITCH
    return Operation(action_id, player.user_id, "unknown", 503, None, began, took)


def everybody_was_told_in_time(load: Load) -> None:
    """Check that nobody got a 500, or no answer, or had to wait for one."""
    assert load.statuses().keys() <= {200, 503}
    assert load.starts.keys() <= {201, 503}
    assert load.most() < TOLD_WITHIN
    assert max(it.seconds for it in load.history) < TOLD_WITHIN + HITCH


def repeated(load: Load) -> list[Operation]:
    """Repeat what was left open, and give the history: nothing of it is open any more."""
    assert {it.status for it in load.repeat_unknown()} <= {200, 409}
    assert {it.outcome for it in load.history} == {"ok"}
    return load.history


@contextmanager
def restarted(server: embedded.Postgres) -> Iterator[None]:
    """Stop PostgreSQL in order."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def used_up(server: embedded.Postgres) -> Iterator[None]:
    """Take every connection there is, those of the service too."""
    taken = [psycopg2.connect(server.url, application_name="greedy")]
    taken[0].autocommit = True
    others = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name NOT IN ('greedy')"
    )

    def ended() -> int:
        with taken[0].cursor() as cursor:
            cursor.execute(f"SELECT count(pg_terminate_backend(pid)) FROM ({others}) AS other")
            [count] = cursor.fetchone() or [0]
            return int(count)

    def all_taken() -> bool:
        none_before = ended() == 0
        while len(taken) < ROOM:
            try:
                taken.append(psycopg2.connect(server.url, application_name="greedy"))
            except psycopg2.OperationalError:
                break
        # One that came in between holds its connection; of one that was ending before, the place is free again.
        return none_before and ended() == 0

    try:
        eventually(all_taken, what="every connection")
        yield
    finally:
        for connection in taken:
            connection.close()


@pytest.mark.parametrize(
    ("fault", "seconds", "what"),
    [
        (killed, 5, "killed, for 5 s"),
        (restarted, 0, "restarted"),
        (hung, 10, "stopped (SIGSTOP) for 10 s"),
        (used_up, 5, "without a free connection for 5 s"),
    ],
    ids=["killed-5", "restarted", "hung-10", "connections-used-up-5"],
)
def test_postgresql_away_is_answered_and_recovered_from(
    fault: Fault,
    seconds: float,
    what: str,
    service: Service,
    web: Process,
    own_postgres: embedded.Postgres,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    action_id = regulars[0].started()
    load = Load([web.url], regulars)
    with Audience(regulars[0], [web]) as audience:
        with load, Probe(web) as probe:
            load.flowing(within=5)
            began = now()
            with fault(own_postgres):
                away = now()
                if seconds:
                    told_to_come_again(regulars[0], action_id)
                    time.sleep(max(0.0, away + seconds - now()))  # as long as the fault takes
                    assert "down" in probe.check("database", away)
            took = load.flowing(within=BACK_WITHIN)
            healed(f"PostgreSQL {what}, until completions are acknowledged", took)
            eventually(lambda: "ok" in probe.check("database", now() - 0.5), within=BACK_WITHIN)
        service.stores.engine.dispose()
        sockets_and_reads_went_on(probe, began)
        everybody_was_told_in_time(load)
        left_open = complete(regulars[0].http, regulars[0].user_id, action_id, repeated=True)
        assert left_open.status in (200, 409)
        aftermath.holds([*repeated(load), left_open], audience)
    nothing_leaked(service.stores, web)


def test_postgresql_connections_terminated_repeatedly(
    service: Service,
    web: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    terminate = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    load = Load([web.url], regulars)
    with Audience(regulars[0], [web]) as audience:
        with load, Probe(web) as probe:
            began = now()
            for _ in range(5):
                load.flowing(within=5)
                with service.stores.engine.connect() as conn:
                    assert conn.execute(sa.text(terminate)).scalar_one() > 1
                took = load.flowing(within=BACK_WITHIN)
                healed("all connections of PostgreSQL terminated, until completions are acknowledged", took)
        service.stores.engine.dispose()
        sockets_and_reads_went_on(probe, began)
        everybody_was_told_in_time(load)
        aftermath.holds(repeated(load), audience)
    nothing_leaked(service.stores, web)


def test_table_of_users_is_locked_for_10_s(
    service: Service,
    web: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    action_id = regulars[0].started()
    load = Load([web.url], regulars)
    with Audience(regulars[0], [web]) as audience:
        with load, Probe(web) as probe:
            load.flowing(within=5)
            with service.stores.engine.begin() as conn:
                conn.execute(sa.text("LOCK TABLE users"))
                locked = now()
                told_to_come_again(regulars[0], action_id)
                time.sleep(max(0.0, locked + 10 - now()))  # as long as the fault takes
                assert not load.oks(locked)
            took = load.flowing(within=BACK_WITHIN)
            healed("LOCK TABLE users for 10 s, until completions are acknowledged", took)
        sockets_and_reads_went_on(probe, locked)
        everybody_was_told_in_time(load)
        left_open = complete(regulars[0].http, regulars[0].user_id, action_id, repeated=True)
        aftermath.holds([*repeated(load), left_open], audience)
    nothing_leaked(service.stores, web)


def test_completion_that_loses_a_deadlock_is_done_all_the_same(
    service: Service, web: Process, regulars: list[Player], aftermath: Aftermath
) -> None:
    aftermath.deliberate("deadlock detected")
    waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'scoreboard-web' AND wait_event_type = 'Lock' AND query LIKE '%lock_actions%'
    """
    alice, *others = regulars
    history: list[Operation] = []
    load = Load([web.url], others)

    def deadlocks() -> int:
        return web.output().count("begun again: deadlock detected")

    with Audience(alice, [web]) as audience:
        with load:
            met = timed_out = 0
            while met < 5 and timed_out < 20:
                before = deadlocks()
                action_id = alice.started()
                client = threading.Thread(target=lambda it=action_id: history.append(complete_for(alice, it)))
                with service.stores.engine.begin() as conn:
                    # Never the victim itself: it finds out later than the other.
                    conn.execute(sa.text("SET LOCAL deadlock_timeout = '10s'"))
                    conn.execute(sa.text("SELECT 1 FROM actions WHERE id = :id FOR UPDATE"), {"id": action_id})
                    client.start()
                    eventually(lambda: service.stores.value(waiting), what="a completion that holds its user")
                    conn.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": alice.user_id})
                client.join(10)
                assert history[-1].action_id == action_id
                if deadlocks() > before:
                    met += 1
                    assert history[-1].status == 200
                else:  # the machine was so slow that the wait for the lock was over before anybody saw a deadlock
                    timed_out += 1
                    history[-1] = complete(alice.http, alice.user_id, action_id, repeated=True)
        assert met == 5
        assert load.statuses().keys() <= ({200, 503} if timed_out else {200})
        everybody_was_told_in_time(load)
        aftermath.holds([*repeated(load), *history], audience)


def complete_for(player: Player, action_id: str) -> Operation:
    return complete(player.http, player.user_id, action_id)


@pytest.mark.parametrize("where", ["before", "after"])
def test_connection_lost_within_its_commit_leaves_one_result(
    where: Cut,
    service: Service,
    web: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    """Web and worker both lose commits, which the server did not hear of, or did."""
    with PostgresProxy(service.stores.database_url) as proxy:
        cut_off = service.web(DATABASE_URL=proxy.url)
        worker = service.worker(DATABASE_URL=proxy.url)
        load = Load([cut_off.url], regulars)
        with Audience(regulars[0], [web, cut_off]) as audience:
            with load:
                for _ in range(20):
                    proxy.cut_next(where)
                    eventually(lambda: proxy.has_cut, what="a commit that is lost")
                    took = load.flowing(within=BACK_WITHIN)
                healed(f"connection lost within COMMIT, {where} it was heard, until completions are acknowledged", took)
            assert load.statuses().keys() == {200}
            everybody_was_told_in_time(load)
            aftermath.holds(load.history, audience)
        for process in (cut_off, worker):
            aftermath.stop(process)


@pytest.mark.parametrize("where", ["before", "after"])
def test_postgresql_is_killed_within_a_commit(
    where: Cut,
    service: Service,
    web: Process,
    own_postgres: embedded.Postgres,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    with PostgresProxy(service.stores.database_url) as proxy:
        cut_off = service.web(DATABASE_URL=proxy.url)
        load = Load([cut_off.url], regulars)
        with Audience(regulars[0], [web, cut_off]) as audience:
            with load:
                for _ in range(3):
                    load.flowing(within=BACK_WITHIN)
                    proxy.cut_next(where, own_postgres.kill)
                    eventually(lambda: proxy.has_cut and own_postgres.pid is None, what="its end")
                    own_postgres.start()
                    took = load.flowing(within=BACK_WITHIN)
                    healed("PostgreSQL killed within a COMMIT, until completions are acknowledged", took)
            service.stores.engine.dispose()
            everybody_was_told_in_time(load)
            aftermath.holds(repeated(load), audience)
        aftermath.stop(cut_off)
