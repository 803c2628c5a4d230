"""A primary and a streaming replica of it, whose replay can be paused."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from db import engine as engines
from db import replica
from db.migrate import migrate
from dev import embedded
from tests.support.board import BOARDS
from tests.support.service import eventually


@contextmanager
def connected(server: embedded.Postgres) -> Iterator[sa.Engine]:
    engine = replica.connect(
        server.url.replace("postgresql://", "postgresql+psycopg2://"), engines.OPERATOR, pool_size=5, name="test"
    )
    yield engine
    engine.dispose()


def say(server: embedded.Postgres, statement: str) -> object:
    """Run a statement that gives one value."""
    with connected(server) as engine, engine.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT")
        return conn.exec_driver_sql(statement).scalar_one()


def log_of(server: embedded.Postgres) -> str:
    return server.directory.log_tail(10_000)


@contextmanager
def streaming(directory: Path) -> Iterator[tuple[embedded.Postgres, embedded.Postgres]]:
    """A migrated primary and its replica, which follows it within milliseconds."""
    with embedded.Postgres(directory / "primary") as primary:
        with connected(primary) as engine:
            migrate(engine, BOARDS)
        primary.stop()
        shutil.copytree(directory / "primary", directory / "replica")
        copy = embedded.Postgres(directory / "replica")
        (copy.working_directory / "standby.signal").touch()
        (copy.working_directory / "postmaster.pid").unlink(missing_ok=True)
        (copy.directory.path / "port").unlink()
        secret = primary.directory.password()
        with (copy.working_directory / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=scoreboard password={secret}'\n"
                "wal_retrieve_retry_interval = '100ms'\nmax_standby_streaming_delay = 0\nlog_connections = on\n"
            )
        primary.start()
        with copy:
            eventually(
                lambda: say(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"),
                within=30,
                what="streaming",
            )
            yield primary, copy


def caught_up(primary: embedded.Postgres, copy: embedded.Postgres) -> bool:
    at = say(primary, "SELECT pg_current_wal_flush_lsn()::text")
    return bool(say(copy, f"SELECT pg_last_wal_replay_lsn() >= '{at}'"))
