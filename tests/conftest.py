"""Fixtures: real stores, real processes, and players named by what they do."""

import contextlib
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
import sqlalchemy as sa

from db import boards
from db import engine as engines
from db.migrate import migrate
from dev import embedded
from tests.support.board import BOARDS, WHOLE
from tests.support.live import complaints
from tests.support.people import Listener, Player, listener, set_role
from tests.support.service import Process, Service, Stores, eventually

# The same examples in every run: what fails in CI fails here.
hypothesis.settings.register_profile("scoreboard", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("scoreboard")


def pytest_configure(config: pytest.Config) -> None:
    """Start stores for each further process of pytest-xdist; the first has those that bin/test has started."""
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
        return
    own = contextlib.ExitStack()
    directory = Path(own.enter_context(tempfile.TemporaryDirectory(prefix="scoreboard-test-")))
    for store in (embedded.Postgres(directory / "postgres"), embedded.Redis(directory / "redis")):
        os.environ[store.variable] = own.enter_context(store).url
    config.add_cleanup(own.close)


def pytest_report_header() -> str:
    """Say which Redis the tests run on: Redis itself, or Valkey."""
    with redis.Redis.from_url(_variable("REDIS_URL"), socket_timeout=5) as client:
        server = client.info("server")
    return f"stores: {server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])}"


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.exit(f"{name} is not set: run the tests with bin/test", returncode=2)
    return value


def _database_url(name: str) -> str:
    url = sa.make_url(_variable("DATABASE_URL")).set(drivername="postgresql", database=name)
    return url.render_as_string(hide_password=False)


def _connect(name: str) -> sa.Engine:
    url = _database_url(name).replace("postgresql://", "postgresql+psycopg2://")
    return engines.connect(url, engines.OPERATOR, pool_size=10, name="test")


@pytest.fixture(scope="session")
def template() -> Iterator[sa.Engine]:
    """A connection to the server, with a migrated database `scoreboard_template` to copy."""
    server = _connect("postgres").execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as conn:
        conn.execute(sa.text("DROP DATABASE IF EXISTS scoreboard_template WITH (FORCE)"))
        conn.execute(sa.text("CREATE DATABASE scoreboard_template"))
    migrated = _connect("scoreboard_template")
    migrate(migrated, BOARDS)
    migrated.dispose()
    yield server
    server.dispose()


@pytest.fixture(scope="module")
def stores(template: sa.Engine, request: pytest.FixtureRequest) -> Iterator[Stores]:
    """A database and a Redis for this module's tests alone, empty at its start."""
    name = "test_" + request.module.__name__.rpartition(".")[2]
    with template.connect() as conn:
        conn.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        conn.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE scoreboard_template'))
    client = redis.Redis.from_url(_variable("REDIS_URL"), socket_timeout=5)
    client.flushall()
    engine = _connect(name)
    yield Stores(_database_url(name), _variable("REDIS_URL"), engine, client)
    engine.dispose()
    client.close()


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    """A PostgreSQL that can be killed or hung."""
    with embedded.Postgres(tmp_path_factory.mktemp("postgres") / "postgres") as server:
        yield server


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Redis]:
    """A Redis that can be killed or hung."""
    with embedded.Redis(tmp_path_factory.mktemp("redis") / "redis") as server:
        yield server


@pytest.fixture
def engine(stores: Stores) -> sa.Engine:
    """This module's database with nothing in it, and an empty Redis."""
    with stores.engine.begin() as conn:
        conn.execute(
            sa.text(
                "TRUNCATE users, actions, standings, top_scores, audit_events, boards, erasures, marks, "
                "join_codes, password_resets, service_keys, idempotency_keys, identities, top_scores_versions, "
                "trusted_networks, webhooks, archives, archived_scores CASCADE"
            )
        )
        boards.ensure(conn, [WHOLE])
    stores.redis.flushall()
    return stores.engine


@pytest.fixture(scope="module")
def service(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Starts processes on this module's stores; all of them are stopped at its end."""
    service = Service(stores, tmp_path_factory.mktemp("logs"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    """A web process without rate limits."""
    return service.web()


@pytest.fixture
def quiet(service: Service) -> Iterator[None]:
    """Fails a test after which a process has complained in its log."""
    yield
    assert complaints(service.processes) == []


@pytest.fixture
def dora(stores: Stores) -> Listener:
    return listener(stores, "dora")


@pytest.fixture
def alice(web: Process, stores: Stores) -> Iterator[Player]:
    player = Player(web.url, listener(stores, "alice").username, register=False)
    yield player
    player.close()


@pytest.fixture
def bob(web: Process, stores: Stores) -> Iterator[Player]:
    player = Player(web.url, listener(stores, "bob").username, register=False)
    yield player
    player.close()


@pytest.fixture
def operator(web: Process, stores: Stores) -> Iterator[Player]:
    """A player who may operate, which the web process knows."""
    player = Player(web.url, listener(stores, "operator").username, register=False)
    set_role(stores, player.user_id)
    eventually(lambda: player.http.get("/admin/flags").status_code == 200, what="that it may operate")
    yield player
    player.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the processes with a test that fails."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            if isinstance(value, Service):
                for process in value.processes:
                    report.sections.append((_title(process.log), process.output()[-5000:]))
    return report


def _title(log: Path) -> str:
    return f"Log of {log.stem}"
