"""Another server takes the place of PostgreSQL or Redis, and the old one stays up and takes no writes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import redis
import sqlalchemy as sa

from db import driver, transaction
from db import engine as engines
from db.migrate import migrate
from db.outcome import OutcomeUnknown
from db.transaction import in_transaction
from dev import embedded
from tests.faults.balancer import Balancer
from tests.support.board import BOARDS
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually

CALM = replace(engines.WEB, statement=10, answer=10, lock=5)


@contextmanager
def connected(url: str, bounds: engines.Bounds = CALM) -> Iterator[sa.Engine]:
    engine = engines.connect(url.replace("postgresql://", "postgresql+psycopg2://"), bounds, pool_size=2, name="test")
    yield engine
    engine.dispose()


def checks(web: Process) -> dict[str, str]:
    found: dict[str, str] = httpx2.get(f"{web.url}/readyz", timeout=10).json()["checks"]
    return found


def at(url: str, port: int) -> str:
    """Return a store's address with another port."""
    return sa.make_url(url).set(port=port).render_as_string(hide_password=False)


@contextmanager
def pair(directory: Path) -> Iterator[tuple[embedded.Postgres, embedded.Postgres]]:
    """A migrated server and its standby, which gets nothing any more of what is committed from now on."""
    with embedded.Postgres(directory / "primary") as primary:
        with connected(primary.url, engines.RELEASE) as engine:
            migrate(engine, BOARDS)
        primary.stop()
        shutil.copytree(directory / "primary", directory / "standby")
        standby = embedded.Postgres(directory / "standby")
        (standby.working_directory / "standby.signal").touch()
        (standby.working_directory / "postmaster.pid").unlink(missing_ok=True)
        primary.start()
        with standby:
            yield primary, standby


def promote(standby: embedded.Postgres) -> None:
    with connected(f"{standby.url}?target_session_attrs=any") as engine, engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT pg_promote(true, 20)").scalar_one()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[embedded.Postgres, embedded.Postgres]]:
    with pair(tmp_path) as servers:
        yield servers


def test_commit_missed_by_the_new_primary_is_not_mistaken(
    servers: tuple[embedded.Postgres, embedded.Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standby gives the id of the transaction that it never heard of to the next one."""
    primary, standby = servers
    write = "INSERT INTO audit_events (actor, kind, details) VALUES ('system', 'flag_changed', '{}')"
    xids: list[str] = []

    def work(conn: sa.Connection) -> None:
        conn.exec_driver_sql(write)
        xids.append(conn.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one())

    hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{primary.port},{standby.port}"}
    url = sa.make_url(primary.url).set(host=None, port=None).update_query_dict(hosts)
    with connected(url.render_as_string(hide_password=False)) as engine:

        def fail_over_once(conn: sa.Connection) -> None:
            if len(xids) == 1:
                primary.kill()
                promote(standby)
                with connected(standby.url) as other, other.begin() as another:
                    while len(xids) == 1 or xids[-1] < xids[0]:
                        work(another)
            driver.commit(conn)

        monkeypatch.setattr(transaction, "commit", fail_over_once)

        with pytest.raises(OutcomeUnknown, match="another server"):
            in_transaction(engine, work)
        in_transaction(engine, work)
        with engine.connect() as conn:
            assert conn.exec_driver_sql("SELECT count(*) FROM audit_events").scalar_one() == 2
    assert xids[:2] == [xids[0]] * 2


def test_web_and_worker_follow_the_balancer_to_the_new_primary(
    servers: tuple[embedded.Postgres, embedded.Postgres], stores: Stores, tmp_path: Path
) -> None:
    primary, standby = servers
    with Balancer(primary.port) as balancer:
        service = Service(replace(stores, database_url=at(primary.url, balancer.port)), tmp_path)
        try:
            web, _, _ = service.web(), service.worker(), service.beat()
            before = Player(web.url, unique("before"))
            before.score()
            before.close()
            assert checks(web)["database"] == "ok"
            with connected(f"{primary.url}?target_session_attrs=any") as operator:
                with operator.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                    conn.exec_driver_sql("ALTER SYSTEM SET default_transaction_read_only = on")
                    conn.exec_driver_sql("SELECT pg_reload_conf()")
            eventually(lambda: checks(web)["database"] == "read-only", what="what the old primary has become")
            balancer.target = standby.port
            assert checks(web)["database"] == "read-only", "a standby takes no writes either"
            promote(standby)
            eventually(lambda: checks(web)["database"] == "ok", within=5, what="the new primary")
            player = Player(web.url, unique("after"))
            player.score()
            eventually(
                lambda: [row["username"] for row in player.http.get("/top-scores").json()] == [player.username],
                what="the board of the new primary, with what the worker settled there",
            )
            player.close()
        finally:
            service.stop()


def test_processes_follow_the_balancer_to_the_new_redis(service: Service, stores: Stores, tmp_path: Path) -> None:
    with embedded.Redis(tmp_path / "old") as old, embedded.Redis(tmp_path / "new") as new:
        secret = old.url.partition("@")[0].rpartition(":")[2]
        operator, heir = redis.Redis.from_url(old.url), redis.Redis.from_url(new.url)
        heir.config_set("requirepass", secret)
        heir.close()
        heir = redis.Redis.from_url(at(old.url, new.port))
        with Balancer(old.port) as balancer:
            url = f"redis://:{secret}@127.0.0.1:{balancer.port}/0"
            web = service.web(REDIS_URL=url, RATE_LIMIT_CREATE="5/minute")
            worker, beat = service.worker(REDIS_URL=url), service.beat(REDIS_URL=url)
            player = Player(web.url, unique("player"))
            player.score()
            eventually(lambda: set(checks(web).values()) == {"ok"}, what="everything")
            balancer.target = new.port
            operator.config_set("masterauth", secret)
            operator.replicaof("127.0.0.1", new.port)
            eventually(lambda: checks(web)["redis"] == "ok", within=5, what="the new server")
            player.score()
            assert heir.keys("scoreboard:tokens:create:*")
            eventually(lambda: heir.get("scoreboard:worker-seen"), within=15, what="a sweep by way of the new server")
            eventually(
                lambda: player.http.get("/top-scores").json()[0]["score"] == 20, within=5, what="the board with both"
            )
            for process in (beat, worker, web):
                process.stop()
            player.close()
        for client in (operator, heir):
            client.close()
