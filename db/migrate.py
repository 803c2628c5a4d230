"""Brings the database up to date: `python -m db.migrate`, the Procfile's release process."""

import argparse
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError

from app.domain import board_rules, periods
from app.domain.board_rules import BoardRules
from app.domain.periods import Period
from config import rules, settings
from config.version import VERSION
from db import boards, engine
from db.schema import differences
from db.session import SharedSession, keep_bounds
from db.transaction import LOCK_NOT_AVAILABLE, is_away, pgcode
from telemetry import logs

log = logging.getLogger("scoreboard.release")

MIGRATIONS = Path(__file__).with_name("migrations")
LOCK_WITHIN = "500ms"
"""How long a migration waits for a lock: other transactions queue up behind it, and the web's timeout is 800 ms."""
PATIENCE = 600.0
"""Seconds within which a migration is tried again."""
# One at a time, however many releases run at once. The number is arbitrary, and this project's own.
_MIGRATION_LOCK = 7_201_811_964_225


class SchemaError(Exception):
    """The database can't be brought to this release's schema; the message is one line."""


def migrate(database: sa.Engine, rules: BoardRules, migrations: Path = MIGRATIONS) -> None:
    """Run every migration that is missing, and make the row of each board, or of its present period.

    Raises:
        SchemaError: when the schema is another than `db.tables` afterwards.
    """
    with database.connect() as conn:
        _have_to_ourselves(database, conn)
        _take_turns(conn)
        try:
            _upgrade(conn, migrations)
            boards.ensure(conn, _first_periods(rules))
            conn.commit()
            if found := differences(conn):
                raise SchemaError(f"the schema is not this release's: {'; '.join(found)} (docs/operating.md, Release)")
        finally:
            conn.rollback()
            conn.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _MIGRATION_LOCK})
            conn.commit()


def _first_periods(rules: BoardRules) -> list[Period]:
    now = datetime.now(UTC)
    return [period for rule in rules.values() if (period := periods.at(rule, rule.starts or now))]


def _have_to_ourselves(database: sa.Engine, conn: sa.Connection) -> None:
    try:
        keep_bounds(database, conn)
    except SharedSession:
        raise SchemaError(
            "leads through a pooler in transaction mode, where a migration can't hold its lock: give release "
            "PostgreSQL's own address (docs/deploy.md, Behind a pooler)"
        ) from None


def _take_turns(conn: sa.Connection) -> None:
    """Wait until no other release is under way.

    It polls: a statement that waited for the lock would be an old transaction, which CREATE INDEX CONCURRENTLY in the
    other release would wait for, and each would wait for the other.
    """
    give_up = time.monotonic() + PATIENCE
    while not conn.execute(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK}).scalar_one():
        conn.rollback()
        if time.monotonic() > give_up:
            raise SchemaError("another release has been under way for too long")
        time.sleep(0.2)
    conn.commit()


def _upgrade(conn: sa.Connection, migrations: Path) -> None:
    """Run the migrations, each in its own transaction; repeat one while another transaction holds a lock it needs."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = conn
    conn.execute(sa.text("SELECT set_config('lock_timeout', :within, false)"), {"within": LOCK_WITHIN})
    conn.commit()
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            command.upgrade(config, "head")
            break
        except CommandError as error:
            conn.rollback()
            if not isinstance(error.__cause__, ResolutionError):
                raise
            # What it is at, no migration of ours leads to.
            raise SchemaError(
                "the schema is a newer release's: nothing was changed (docs/deploy.md, Roll back)"
            ) from None
        except sa.exc.OperationalError as error:
            conn.rollback()
            if pgcode(error) != LOCK_NOT_AVAILABLE or time.monotonic() > give_up:
                raise
            log.warning("a migration waits for a lock: %s", str(error.orig).strip().partition("\n")[0])
        time.sleep(1)
    conn.execute(sa.text("SELECT set_config('lock_timeout', :within, false)"), {"within": f"{engine.RELEASE.lock:g}s"})
    conn.commit()


def check(database: sa.Engine) -> None:
    """Compare the schema with this release's, and change nothing.

    Raises:
        SchemaError: when it is another.
    """
    with database.connect() as conn:
        if found := differences(conn):
            raise SchemaError(f"the schema is not this release's: {'; '.join(found)}")


def main() -> None:
    """Migrate the database that the environment names, or with `--check` end with 2 when it needs that."""
    parser = argparse.ArgumentParser(prog="python -m db.migrate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare the schema with this release's")
    only_check = parser.parse_args().check
    config = settings.load_or_exit()
    known_boards = rules.load_or_exit("BOARDS_FILE", config.boards_file, board_rules.parse)
    logs.set_up(config.log_level, json=config.production)
    if not only_check:
        logs.started("release", VERSION)
    database = engine.connect(config.database_url, engine.RELEASE, pool_size=2, name="release")
    try:
        check(database) if only_check else migrate(database, known_boards)
    except SchemaError as error:
        settings.exit_with([f"DATABASE_URL: {error}"])
    except sa.exc.DBAPIError as error:
        if not is_away(error):
            raise
        settings.exit_with([f"DATABASE_URL: {str(error.orig).strip().partition(chr(10))[0]}"])
    log.info("the database is up to date")


if __name__ == "__main__":
    main()
