"""Takes old months of actions out of the database, into files, so that everything that counts stays as it is.

Each step may be the last one before a crash: a repeat begins anew with what was not taken out, and finishes the rest.
"""

import gzip
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import Conflict, DatabaseUnavailable
from db import archive, audit_events, clock, invariants, partitions
from db.archive import Archive, Found
from db.partitions import Partition
from db.transaction import LOCK_NOT_AVAILABLE, LockTimedOut, in_statement, in_transaction, pgcode

T = TypeVar("T")

SETTLED_AFTER = timedelta(days=7)
"""How long a month must be over: what it holds is settled then, and no late report belongs to it."""

PATIENCE = 60.0
"""Seconds within which a lock is asked for again; each time all others wait 0.6 s at most."""


@dataclass(frozen=True, slots=True)
class Done:
    """A month that was archived now."""

    table: str
    actions: int
    file: Path
    sha256: str


def due(engine: sa.Engine, before: datetime | None) -> list[Partition]:
    """Return the partitions whose months are over long enough, and ended by a moment if one is given."""
    last = in_statement(engine, clock.now) - SETTLED_AFTER
    last = min(before or last, last)
    with engine.connect() as conn:
        return [it for it in partitions.of_actions(conn) if partitions.moment_of(it.ends) <= last]


def refusal(found: Found) -> str | None:
    """Return why a partition can't be archived, None when it can."""
    words = [
        f"{count} {what}"
        for count, what in ((found.open, "open"), (found.pending, "not settled"), (found.held, "held"))
        if count
    ]
    return ", ".join(words) or None


def archive_month(engine: sa.Engine, it: Partition, rules: BoardRules, to: Path, *, actor: str, reason: str) -> Done:
    """Write a partition's actions to a file, and take it out of the table; its own table stays.

    Raises:
        Conflict: when something in it may still come to count, or the audit finds something wrong; nothing has changed
            then.
    """
    seals = _patiently(lambda: in_transaction(engine, lambda conn: archive.seal(conn, it.table)))
    try:
        found = _checked(engine, it, rules)
        file = to / f"{it.table}.jsonl.gz"
        sha256 = _write(engine, it.table, file, found.actions)
        _take_out(engine, it, rules, seals, Done(it.table, found.actions, file, sha256), actor=actor, reason=reason)
    except BaseException:
        _patiently(lambda: in_transaction(engine, lambda conn: archive.unseal(conn, it.table)))
        raise
    return Done(it.table, found.actions, file, sha256)


def _checked(engine: sa.Engine, it: Partition, rules: BoardRules) -> Found:
    with engine.connect() as conn, conn.begin():
        found = archive.look(conn, it.table)
        if not found.actions:
            raise Conflict(f"{it.table} is empty.")
        if refused := refusal(found):
            raise Conflict(f"{it.table} has actions that are {refused}: decide, settle or cancel them first.")
        now = clock.now(conn)
        for rule in rules.values():
            if not rule.periodic and rule.ends and now < rule.ends and _has_begun(rule, it):
                raise Conflict(f"The season of {rule.id} is not over: its scores over time need these actions.")
            if archive.differs(conn, rule):
                raise Conflict(f"{rule.id} has another rule than before: bin/manage rebuild --board {rule.id} first.")
    with engine.connect() as conn, conn.begin():
        conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        wrong = invariants.wrong_totals(conn) + sum(invariants.wrong_standings(conn, rule) for rule in rules.values())
    if wrong:
        raise Conflict("Totals or standings are wrong: bin/manage audit says which; rebuild first.")
    return found


def _has_begun(rule: BoardRule, it: Partition) -> bool:
    return rule.starts is None or rule.starts < partitions.moment_of(it.ends)


def cancel_open(engine: sa.Engine, it: Partition) -> int:
    """Cancel what is still open of a partition, and return how many actions that were."""
    cancelled = 0
    while some := in_transaction(engine, lambda conn: archive.cancel_open(conn, it.table, limit=1000)):
        cancelled += some
    return cancelled


def _write(engine: sa.Engine, table: str, file: Path, actions: int) -> str:
    """Write a partition to a file, which is there once it is complete and was read again; return its SHA-256."""
    part = file.with_name(f".{file.name}.part")
    with engine.connect() as conn, conn.begin():
        conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            for line in archive.lines(conn, table):
                packed.write(line.encode() + b"\n")
        _sync(part)
    counted = sum(1 for _ in _lines(part))
    if counted != actions:
        raise Conflict(f"{part} has {counted} actions instead of {actions}.")
    sha256 = digest(part)
    os.replace(part, file)
    _sync(file.parent)
    return sha256


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as packed:
        yield from packed


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take_out(
    engine: sa.Engine, it: Partition, rules: BoardRules, seals: list[int], done: Done, *, actor: str, reason: str
) -> None:
    def work(conn: sa.Connection) -> None:
        archive.keep(conn, it, rules, actions=done.actions, file=str(done.file), sha256=done.sha256)
        audit_events.record(
            conn, "archived", actor=actor, reason=reason, table=it.table, actions=done.actions, sha256=done.sha256
        )
        # Only the lock is asked for again, not all that was written before it.
        give_up = time.monotonic() + PATIENCE
        while True:
            conn.exec_driver_sql("SAVEPOINT kept")
            try:
                archive.detach(conn, it.table, seals)
                return
            except sa.exc.OperationalError as error:
                if pgcode(error) != LOCK_NOT_AVAILABLE or time.monotonic() > give_up:
                    raise
            conn.exec_driver_sql("ROLLBACK TO kept")
            time.sleep(1)

    try:
        in_transaction(engine, work)
    except archive.NotSealed:
        raise Conflict(f"{it.table} is being archived by somebody else.") from None


def left(engine: sa.Engine) -> list[Archive]:
    """Return the archives whose tables are still there."""
    with engine.connect() as conn:
        return [it for it in archive.archives(conn) if not it.dropped]


def drop(engine: sa.Engine, it: Archive, to: Path) -> None:
    """Drop the table of an archive whose file is there and whole.

    Raises:
        Conflict: when the file is not, or another.
    """
    file = to / Path(it.file).name
    if not file.is_file():
        raise Conflict(f"{file} is not there: {it.name} is kept.")
    if digest(file) != it.sha256:
        raise Conflict(f"{file} is not the file that was written: {it.name} is kept.")
    _patiently(lambda: in_transaction(engine, lambda conn: archive.drop(conn, it.name)))


def _patiently(work: Callable[[], T]) -> T:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return work()
        except LockTimedOut:
            if time.monotonic() > give_up:
                raise DatabaseUnavailable("A lock could not be had for a minute: try again later.") from None
        time.sleep(1)
