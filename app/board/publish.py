"""Publishes boards from PostgreSQL to Redis, and by Redis to every web process: of each the period that is present.

PostgreSQL is the truth. A read that began after a message was seen can't be older than that message. Where it is (a
restored backup, a forged message), the database wins in a new epoch, since versions of the old one may have been shown
with other bytes.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import redis
import sqlalchemy as sa

from app.board import freeze
from app.board.top import board_of
from app.domain import messages, periods
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import DEFAULT_BOARD, BoardId, id_after
from app.domain.messages import Update
from app.domain.periods import Period
from app.domain.signing import UNSIGNED, Key, Signer
from config.settings import Settings
from db import boards, published
from db.published import BoardNow
from db.redis import Publisher
from db.transaction import in_statement, in_transaction
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.publish")

ATTEMPTS = 5
"""Reads after which the present periods must be known: a first one, one after a period's end, and those after making
rows."""


class Present(NamedTuple):
    """A board as the database has it: the message, the period that it is of, and the seconds until that ends, if ever.

    The seconds are by PostgreSQL's clock, when it was read; also those until it freezes, if that is planned.
    """

    update: Update
    period: Period
    ends_in: float | None
    freezes_in: float | None = None


def signer_of(settings: Settings) -> Signer:
    """Make the signer that the settings ask for."""
    keys = [Key(it.algorithm, it.secret) for it in settings.signing_keys_retired]
    newest = settings.signing_key
    return Signer(Key(newest.algorithm, newest.secret) if newest else None, tuple(keys))


def read(engine: sa.Engine, rule: BoardRule, signer: Signer = UNSIGNED) -> Update:
    """Read a board's present period from PostgreSQL, as the message to publish."""
    return read_all(engine, {rule.id: rule}, signer)[rule.id].update


def read_all(engine: sa.Engine, rules: BoardRules, signer: Signer = UNSIGNED) -> dict[BoardId, Present]:
    """Read the present periods of boards from PostgreSQL, in one statement.

    Which period is present is decided by PostgreSQL's clock. This host's clock only guesses which rows to ask for;
    after a wrong guess they are read again. A period that has no row yet begins by being read, and a freeze whose
    moment has come.
    """
    moment = datetime.now(UTC)
    for _ in range(ATTEMPTS):
        guessed = [periods.shown(rule, moment) for rule in rules.values()]
        asked = [it.id for it in guessed]
        moment, found = in_statement(engine, lambda conn, ids=asked: published.read(conn, ids))  # type: ignore[misc]
        present = [
            it if it.covers(moment) else periods.shown(rule, moment)
            for rule, it in zip(rules.values(), guessed, strict=True)
        ]
        missing = [it for it in present if it.id not in found]
        due = [it for it in found.values() if it.freezes_at and it.freezes_at <= moment]
        if due:
            in_transaction(engine, freeze.begin_due)
        elif not missing:
            return {
                rule.id: _present(rule, period, found[period.id], moment, signer)
                for rule, period in zip(rules.values(), present, strict=True)
            }
        if begun := [it for it in missing if it.id in asked]:
            in_transaction(engine, lambda conn, it=begun: boards.ensure(conn, it))  # type: ignore[misc]
    raise DatabaseUnavailable("The present periods can't be read.")


def _present(rule: BoardRule, period: Period, now: BoardNow, moment: datetime, signer: Signer) -> Present:
    update = _update(rule, period, now, signer)
    ends_in = (period.ends - moment).total_seconds() if rule.periodic and period.ends else None
    freezes_in = (now.freezes_at - moment).total_seconds() if now.freezes_at else None
    return Present(update, period, ends_in, freezes_in)


def _update(rule: BoardRule, period: Period, now: BoardNow, signer: Signer) -> Update:
    stamp = (now.epoch, now.version)
    return messages.update(rule.id, stamp, now.rows, now.updated_at, signer, period.label, now.freeze)


def publish(engine: sa.Engine, publisher: Publisher, rule: BoardRule, *, seen: Update | None = None) -> Update:
    """Bring a board's key and channel up to the database, as `publish_all` does."""
    return publish_all(engine, publisher, {rule.id: rule}, seen={rule.id: seen})[rule.id].update


def publish_all(
    engine: sa.Engine, publisher: Publisher, rules: BoardRules, *, seen: Mapping[BoardId, Update | None] | None = None
) -> dict[BoardId, Present]:
    """Bring the keys and the channel in Redis up to the boards in the database: one read, one script for all of them.

    What a key holds          What happens
    ------------------------  ------------------------------------------------------------------
    nothing, garbage, older   It is replaced.
    the same message          Nothing.
    the same age or newer     The database is read again, and this second read judges the key:
      same as the second read   Nothing: another process was faster.
      older than it             It is replaced.
      otherwise                 It is wrong, and is replaced by the database's board in a new epoch.

    Args:
        seen: updates that the caller holds, from before this call; the result supersedes them or is equal to them.

    Returns:
        The boards as the database has them, also when Redis is away.
    """
    found = read_all(engine, rules, publisher.signer)
    for board_id, update in (seen or {}).items():
        if update is not None:
            found[board_id] = _supersede(engine, rules[board_id], found[board_id], update, publisher.signer)
    try:
        held = _push(publisher, [it.update for it in found.values()])
        for board_id, in_redis in zip(found, held, strict=True):
            found[board_id] = _judge(engine, publisher, rules[board_id], found[board_id], in_redis)
    except redis.RedisError as error:
        log.warning("Redis is away, the boards are not published: %s", error)
    return found


def publish_written(publisher: Publisher, rules: BoardRules, written: Mapping[BoardId, BoardNow]) -> bool:
    """Publish rows of boards as transactions have written them, without reading them again.

    A version that was committed is what any read of it gives. What a read might find otherwise is in doubt: a period
    that isn't the present one, and a key that holds something that isn't older.

    Returns:
        False when something is in doubt, or Redis is away: then it is for `publish_all`.
    """
    updates = []
    for row, now in written.items():
        rule = rules[board_of(row)]
        period = periods.shown(rule, now.updated_at)
        if period.id != row:
            return False
        updates.append(_update(rule, period, now, publisher.signer))
    try:
        return all(held is None for held in _push(publisher, updates))
    except redis.RedisError:
        return False


def _judge(
    engine: sa.Engine, publisher: Publisher, rule: BoardRule, present: Present, in_redis: bytes | None
) -> Present:
    """Replace what a board's key holds unless it is what the database has, read after it was seen."""
    while in_redis is not None:
        present = read_all(engine, {rule.id: rule}, publisher.signer)[rule.id]
        found = messages.read_update(in_redis, publisher.signer)
        if found is not None:
            if found.content == present.update.content:
                break
            present = _supersede(engine, rule, present, found, publisher.signer)
        (in_redis,) = _push(publisher, [present.update], instead_of=in_redis)
    return present


def _push(publisher: Publisher, updates: Sequence[Update], *, instead_of: bytes = b"") -> list[bytes | None]:
    """Publish updates unless their keys hold what isn't older, other than `instead_of`; return what these hold.

    A change is counted here and nowhere else: it is committed, whatever has caused it, and of all processes that
    publish it only one is told that its message was taken. A board that is put back after Redis has lost it counts as
    well.
    """
    outcomes = publisher.publish(updates, instead_of=instead_of)
    for update, outcome in zip(updates, outcomes, strict=True):
        if outcome.taken:
            if update.board == DEFAULT_BOARD:
                metrics.top10_changed.inc()
            else:
                metrics.boards_changed.labels(update.board).inc()
            logs.event(log, logs.TOP10_CHANGED, board=update.board, epoch=update.stamp[0], version=update.stamp[1])
    return [it.instead for it in outcomes]


def _supersede(engine: sa.Engine, rule: BoardRule, present: Present, seen: Update, signer: Signer) -> Present:
    """Return the board of the database, which was read after `seen` was; in a new epoch if `seen` can't be right."""
    ours = present.update
    if seen.stamp < ours.stamp or seen.content == ours.content:
        return present
    old = ours.stamp[0]
    log.warning("board %s: %s-%d was seen, the database has %s-%d: new epoch", rule.id, *seen.stamp, *ours.stamp)
    in_transaction(engine, lambda conn: boards.renew_epoch(conn, present.period.id, old=old, new=id_after(old)))
    return read_all(engine, {rule.id: rule}, signer)[rule.id]
