"""Migrations while the service runs."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.migrate import MIGRATIONS, migrate
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.history import Load
from tests.support.board import BOARDS
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, eventually

NEXT = '''
"""Add a column: what one release does while the one before it still runs."""

from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("ALTER TABLE actions ADD COLUMN season integer NOT NULL DEFAULT 1")
'''


@pytest.fixture(scope="module", autouse=True)
def workers(service: Service) -> None:
    service.worker()
    service.beat()


@pytest.fixture
def next_release(service: Service, tmp_path: Path) -> Path:
    """The migrations of a release to come: ours, and one more."""
    migrations = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, migrations)
    head = service.stores.value("SELECT version_num FROM alembic_version")
    (migrations / "versions" / "9999_next.py").write_text(NEXT.format(head=head))
    return migrations


def test_releases_without_changes_run_beside_load_and_each_other(
    service: Service, web: Process, players: list[Player], aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    load = Load([web.url], players)
    releases = [threading.Thread(target=release, args=(service,)) for _ in range(3)]
    with Audience(players[0], [web]) as audience:
        with load:
            load.flowing(within=5)
            began = now()
            for it in releases:
                it.start()
            for it in releases:
                it.join(60)
            healed("three releases at once under load", now() - began)
            load.flowing(within=5)
        assert load.statuses().keys() == {200}
        assert load.starts.keys() == {201}
        aftermath.holds(load.history, audience)


def release(service: Service) -> None:
    done = service.stores.run("python", "-m", "db.migrate")
    assert done.returncode == 0, done.stderr


def test_migration_waiting_for_a_lock_delays_no_request(
    service: Service,
    web: Process,
    players: list[Player],
    next_release: Path,
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    """A backup reads the table meanwhile: the migration waits for it, and everybody would wait behind the migration."""
    load = Load([web.url], players)
    migration = threading.Thread(target=migrate, args=(service.stores.engine, BOARDS, next_release))
    with Audience(players[0], [web]) as audience:
        with load:
            load.flowing(within=5)
            with service.stores.engine.begin() as conn:
                conn.execute(sa.text("LOCK TABLE actions IN ACCESS SHARE MODE"))
                began = now()
                migration.start()
                eventually(lambda: now() - began > 4, what="some time")
                assert migration.is_alive()
            ended = now()
            migration.join(60)
            assert not migration.is_alive()
            healed("a migration that waited for a backup, from the backup's end", now() - ended)
            newer = service.web()
            load.flowing(within=5)
        assert load.statuses().keys() == {200}
        assert load.starts.keys() == {201}
        assert service.stores.value("SELECT count(*) FROM actions WHERE season = 1") > 0
        aftermath.holds(load.history, audience)
    aftermath.stop(newer)
