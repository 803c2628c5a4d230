"""Behind PgBouncer, which refuses or drops the parameters of a session's start, every bound is in force."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from app.domain.ids import DEFAULT_BOARD, BoardId
from db import boards, exports, published
from db import engine as engines
from db import prepared as prepares
from db.prepared import Plans, Preparing, prepared
from db.transaction import TimedOut, in_statement, in_transaction
from tests.support.people import Player, unique
from tests.support.service import Service, Stores, eventually, free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
BOUNDS = {
    "lock_timeout": "800ms",
    "statement_timeout": "1500ms",
    "idle_in_transaction_session_timeout": "5s",
    "TimeZone": "UTC",
}
LANES = 4
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'read_boards'"
NOT_PREPARED = "statements are not prepared"
REPEATED = "begun again"
SHOWN = ", ".join(f"current_setting('{name}')" for name in BOUNDS)


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer in front of the stores' database, and how it lends sessions."""

    mode: str
    url: str

    @contextmanager
    def engine(self, *, prepares: bool = False) -> Iterator[sa.Engine]:
        url = self.url.replace("postgresql://", "postgresql+psycopg2://")
        engine = engines.connect(url, engines.WEB, pool_size=LANES, name="test", prepares=prepares)
        yield engine
        engine.dispose()


@pytest.fixture(
    scope="module",
    params=[("session", ""), ("transaction", ""), ("transaction", "extra_float_digits, options")],
    ids=["session", "transaction", "transaction-ignoring"],
)
def pooler(request: pytest.FixtureRequest, service: Service, stores: Stores) -> Iterator[Pooler]:
    if PGBOUNCER is None:
        pytest.fail("this needs PgBouncer (Debian, Ubuntu: apt install pgbouncer)")
    mode, ignored = request.param
    url = sa.make_url(stores.database_url)
    port = free_port()
    # Not below pytest's own folder, which is closed to the user that PgBouncer wants instead of root.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        users, settings = Path(folder, "users.txt"), Path(folder, "pgbouncer.ini")
        users.write_text(f'"{url.username}" "{url.password}"\n')
        settings.write_text(
            f"""
            [databases]
            * = host={url.host} port={url.port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = scram-sha-256
            auth_file = {users}
            pool_mode = {mode}
            default_pool_size = 20
            ignore_startup_parameters = {ignored}
            """.replace("            ", "")
        )
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = service.start("pgbouncer", [PGBOUNCER, *as_user, str(settings)], stores.environment(), port)
        pooled = url.set(port=port).render_as_string(hide_password=False)
        eventually(lambda: listens(pooled), what=f"PgBouncer ({process.log})")
        yield Pooler(mode, pooled)
        process.stop()


def listens(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_every_bound_is_in_force(pooler: Pooler) -> None:
    with pooler.engine() as engine:
        for run in (in_transaction, in_statement):
            for _ in range(2):
                shown = run(engine, lambda conn: conn.exec_driver_sql(f"SELECT {SHOWN}").one())
                assert dict(zip(BOUNDS, shown, strict=True)) == BOUNDS
        with engine.connect() as conn:  # as the driver begins a transaction by itself
            assert tuple(conn.exec_driver_sql(f"SELECT {SHOWN}").one()) == tuple(BOUNDS.values())
            assert tuple(conn.exec_driver_sql(f"SELECT {SHOWN}").one()) == tuple(BOUNDS.values())
        for run in (in_transaction, in_statement):
            with pytest.raises(TimedOut):
                run(engine, lambda conn: conn.exec_driver_sql("SELECT pg_sleep(10)"))
        assert list(exports.rows(engine, exports.USERS, DEFAULT_BOARD)) is not None


def test_bounds_are_not_those_of_others(pooler: Pooler) -> None:
    with pooler.engine() as engine:
        in_transaction(engine, lambda conn: conn.exec_driver_sql("SELECT 1"))
        in_statement(engine, lambda conn: conn.exec_driver_sql("SELECT 1"))
    other = psycopg2.connect(pooler.url)
    with other.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    other.close()


def ask_at_once(engine: sa.Engine) -> None:
    """Send some prepared statements on all connections at once, over and over."""

    def ask(n: int) -> None:
        for run in (in_transaction, in_statement):
            assert run(engine, lambda conn: published.read(conn, [BoardId(f"none-{n}")]))[1] == {}
            assert run(engine, lambda conn: boards.rows_of_board(conn, BoardId("none"))) == []

    with ThreadPoolExecutor(LANES) as threads:
        list(threads.map(ask, range(100)))


def test_nothing_is_prepared_and_the_log_says_so_once(pooler: Pooler, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pooler.engine(prepares=True) as engine:
        ask_at_once(engine)
        names = [in_statement(engine, lambda conn: conn.exec_driver_sql(PREPARED).scalar()) for _ in range(5)]
        assert names == [0] * 5
    assert caplog.text.count(NOT_PREPARED) == 1
    assert REPEATED not in caplog.text


@pytest.mark.parametrize("how", ["26000", "42P05"])
def test_pooler_that_passes_for_the_server_is_found_by_its_errors(
    how: str, pooler: Pooler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest session comes first: it is lent to another client meanwhile, or has been."""
    caplog.set_level("INFO")
    monkeypatch.setattr(prepares, "KNOWN", {})
    statement = prepared(unique("statement").replace("-", "_"), "SELECT CAST(:n AS int) + 1")
    ours, theirs = Preparing(), Preparing()

    def ask(engine: sa.Engine) -> int:
        return in_transaction(engine, lambda conn: int(conn.execute(statement, {"n": 1}).scalar_one()))

    with pooler.engine() as engine, pooler.engine() as another:
        for made, preparing in ((engine, ours), (another, theirs)):
            sa.event.listen(made, "connect", lambda session, _, it=preparing: setattr(session, "plans", Plans(it)))
            sa.event.listen(made, "handle_error", preparing.note)
        assert ask(engine) == 2
        if how == "42P05":
            assert ask(another) == 2
        else:
            with another.connect() as held:
                held.exec_driver_sql("SELECT 1")
                assert ask(engine) == 2
        assert ask(engine) == ask(another) == 2
    stopped = [it for it in (ours, theirs) if not it.is_on]
    assert bool(stopped) == (pooler.mode == "transaction")
    assert caplog.text.count(NOT_PREPARED) == caplog.text.count(REPEATED) == len(stopped)


def test_service_works_through_pgbouncer(pooler: Pooler, service: Service, stores: Stores) -> None:
    behind = Service(replace(stores, database_url=pooler.url), service.logs)
    behind.processes += [*service.processes]  # the logs' numbers go on
    ours = [behind.web(), behind.worker(), behind.beat()]
    player = Player(ours[0].url, unique("player"))
    player.score()
    eventually(
        lambda: player.username in [row["username"] for row in player.http.get("/top-scores").json()], what="the board"
    )
    player.close()
    for process in ours:
        process.stop()
        assert "Traceback" not in process.output()
        assert REPEATED not in process.output()
    assert [process.output().count(NOT_PREPARED) for process in ours] == [1, 1, 0]
    assert stores.run(sys.executable, "-m", "app.cli", "audit", DATABASE_URL=pooler.url).returncode == 0


def test_release_migrates_by_session_and_names_what_to_set(pooler: Pooler, stores: Stores) -> None:
    name = unique("fresh").replace("-", "_")
    with stores.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name}")
    url = sa.make_url(pooler.url).set(database=name).render_as_string(hide_password=False)
    done: subprocess.CompletedProcess[str] = stores.run(sys.executable, "-m", "db.migrate", DATABASE_URL=url)
    if pooler.mode == "session":
        assert done.returncode == 0, done.stderr
        assert "up to date" in done.stdout + done.stderr
    else:
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("scoreboard:")]
        assert "DATABASE_URL" in line
        assert "transaction mode" in line
        assert "Traceback" not in done.stderr
