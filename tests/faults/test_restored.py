"""The database falls behind what Redis, memory and sockets hold: a restored backup, a forged version."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from dev.embedded.postgres import binaries
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load, Operation, settled
from tests.support.clock import now
from tests.support.live import forge
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually

Healed = Callable[[str, float], None]


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    service.worker()
    service.beat()
    return service.web()


@pytest.fixture
def other(service: Service, web: Process) -> Process:
    """Another web process."""
    return service.web()


def pg(program: str, *arguments: str | Path) -> bool:
    """Run one of PostgreSQL's programs, and tell whether it succeeded."""
    done = subprocess.run([binaries() / program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or "deadlock detected" in done.stderr, done.stderr
    return done.returncode == 0


def in_place(server: sa.Engine, stores: Stores, backup: Path) -> None:
    """Restore a backup into the database, as docs/backup.md says."""
    arguments = ("--clean", "--if-exists", "--single-transaction", "--dbname", stores.database_url, backup)
    eventually(lambda: pg("pg_restore", *arguments), within=20, what="a restoration that is not in a deadlock's way")


def beside(server: sa.Engine, stores: Stores, backup: Path) -> None:
    """Restore a backup into another database, and put that into the place of the old one, whoever is connected."""
    url = sa.make_url(stores.database_url)
    name, restored = url.database, f"{url.database}_restored"
    with server.connect() as conn:
        conn.execute(sa.text(f'CREATE DATABASE "{restored}"'))
        target = url.set(database=restored).render_as_string(hide_password=False)
        assert pg("pg_restore", "--dbname", target, backup)
        stores.engine.dispose()
        conn.execute(sa.text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = :name"
        eventually(lambda: conn.execute(sa.text(terminate), {"name": name}).scalar_one() == 0)
        conn.execute(sa.text(f'ALTER DATABASE "{name}" RENAME TO "{name}_lost"'))
        conn.execute(sa.text(f'ALTER DATABASE "{restored}" RENAME TO "{name}"'))
        conn.execute(sa.text(f'DROP DATABASE "{name}_lost"'))


def epochs(audience: Audience) -> set[str]:
    """Return the epochs of the boards that the sockets were sent last."""
    return {str(it.boards[-1]["epoch"]) for it in audience.listeners}


def seen(audience: Audience) -> int:
    """Return the oldest of the versions that the sockets were sent last."""
    return min(int(it.boards[-1]["version"]) for it in audience.listeners)


def in_a_new_epoch(audience: Audience, stores: Stores, old: str) -> bool:
    """Return whether every socket is in the database's epoch, and that is not the old one."""
    now = str(stores.value("SELECT epoch FROM boards WHERE id = 'all-time'"))
    return now != old and epochs(audience) == {now}


def what_is_left(history: list[Operation], began: float, ended: float) -> list[Operation]:
    """Return what must be in the database of what was asked for around a restoration: what began after it.

    What was answered before is lost, what was under way may be either.
    """
    under_way = [it for it in history if it.began < ended and it.began + it.seconds > began]
    after = [it for it in history if it.began >= ended]
    return [*(replace(it, outcome="unknown") if it.outcome == "ok" else it for it in under_way), *after]


@pytest.mark.parametrize("restore", [in_place, beside])
def test_backup_is_restored_under_running_processes(
    restore: Callable[[sa.Engine, Stores, Path], None],
    template: sa.Engine,
    service: Service,
    web: Process,
    other: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
    tmp_path: Path,
) -> None:
    stores, backup, how = service.stores, tmp_path / "backup", restore.__name__.replace("_", " ")
    kept = Load([web.url, other.url], regulars)
    aftermath.deliberate("deadlock detected")  # what takes every table's lock may meet one who holds some
    with Audience(regulars[0], [web, other]) as audience:
        with kept:
            eventually(lambda: len(kept.oks()) > 50)
        settled(stores)
        assert pg("pg_dump", "--format=custom", "--file", backup, stores.database_url)
        backed_up = int(stores.value("SELECT version FROM boards WHERE id = 'all-time'"))
        lost = Load([web.url, other.url], regulars)
        with lost:
            eventually(lambda: len(lost.oks()) > 100 and seen(audience) > backed_up + 10)
            old = str(stores.value("SELECT epoch FROM boards WHERE id = 'all-time'"))
            began = now()
            restore(template, stores, backup)
            ended = now()
            eventually(lambda: in_a_new_epoch(audience, stores, old), within=10, what="a new epoch on every socket")
            healed(f"backup restored {how} under running processes, until sockets show it", now() - ended)
            lost.flowing(within=5)
        assert lost.statuses().keys() <= {200, 404, 503}
        assert lost.starts.keys() <= {201, 503}
        history = what_is_left(lost.history, began, ended)
        aftermath.holds([*kept.history, *history], audience)
    aftermath.stop(other)


@pytest.mark.parametrize("key", [True, False], ids=["key-and-channel", "channel-alone"])
def test_forged_version_is_overruled_under_load(
    key: bool,
    service: Service,
    web: Process,
    other: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    stores = service.stores
    load = Load([web.url, other.url], regulars)
    with Audience(regulars[0], [web, other]) as audience:
        with load:
            eventually(lambda: len(load.oks()) > 50)
            old = str(stores.value("SELECT epoch FROM boards WHERE id = 'all-time'"))
            forge(stores, epoch=old, version=2**60, key=key)
            forged = now()
            eventually(lambda: in_a_new_epoch(audience, stores, old), within=10, what="a new epoch on every socket")
            healed("a forged huge version published, until sockets show the database's board", now() - forged)
            load.flowing(within=5)
        assert load.statuses().keys() == {200}
        aftermath.holds(load.history, audience)
        assert all(it.boards[-1]["version"] < 2**60 for it in audience.listeners)
    aftermath.stop(other)
