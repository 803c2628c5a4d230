"""Publishes the board from PostgreSQL to Redis, and by Redis to every web process.

PostgreSQL is the truth. A read that began after a message was seen can't be older than that message. Where it is (a
restored backup, a forged message), the database wins in a new epoch, since versions of the old one may have been shown
with other bytes.
"""

import logging

import redis
import sqlalchemy as sa

from app.domain import messages
from app.domain.board_rules import BoardRules
from app.domain.ids import BoardId, id_after
from app.domain.messages import Update
from app.domain.signing import UNSIGNED, Key, Signer
from config.settings import Settings
from db import boards
from db.redis import Publisher
from db.transaction import in_statement, in_transaction
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.publish")


def signer_of(settings: Settings) -> Signer:
    """Make the signer that the settings ask for."""
    keys = [Key(it.algorithm, it.secret) for it in settings.signing_keys_retired]
    newest = settings.signing_key
    return Signer(Key(newest.algorithm, newest.secret) if newest else None, tuple(keys))


def read(engine: sa.Engine, board_id: BoardId, signer: Signer = UNSIGNED) -> Update:
    """Read the board from PostgreSQL, as the message to publish."""
    now = in_statement(engine, lambda conn: boards.read(conn, board_id))
    if now is None:
        raise LookupError(f"board {board_id!r} has no row: run the release process")
    return messages.update(board_id, (now.epoch, now.version), now.rows, now.updated_at, signer)


def publish(engine: sa.Engine, publisher: Publisher, board_id: BoardId, *, seen: Update | None = None) -> Update:
    """Bring the board's key and channel in Redis up to the board in the database.

    What the key holds        What happens
    ------------------------  ------------------------------------------------------------------
    nothing, garbage, older   It is replaced.
    the same message          Nothing.
    the same age or newer     The database is read again, and this second read judges the key:
      same as the second read   Nothing: another process was faster.
      older than it             It is replaced.
      otherwise                 It is wrong, and is replaced by the database's board in a new epoch.

    Args:
        seen: an update that the caller holds, from before this call; the result supersedes it or is equal to it.

    Returns:
        The board as the database has it, also when Redis is away.
    """
    signer = publisher.signer
    from_db = read(engine, board_id, signer)
    if seen is not None:
        from_db = _supersede(engine, from_db, seen, signer)
    try:
        in_redis = _push(publisher, from_db, instead_of=b"")
        while in_redis is not None:
            from_db = read(engine, board_id, signer)
            found = messages.read_update(in_redis, signer)
            if found is not None:
                if found.content == from_db.content:
                    break
                from_db = _supersede(engine, from_db, found, signer)
            in_redis = _push(publisher, from_db, instead_of=in_redis)
    except redis.RedisError as error:
        log.warning("Redis is away, the board is not published: %s", error)
    return from_db


def publish_all(engine: sa.Engine, publisher: Publisher, rules: BoardRules) -> None:
    """Publish each of the boards."""
    for board_id in rules:
        publish(engine, publisher, board_id)


def _push(publisher: Publisher, update: Update, *, instead_of: bytes) -> bytes | None:
    """Publish an update unless the key holds one that isn't older, other than `instead_of`; return that one.

    A change is counted here and nowhere else: it is committed, whatever has caused it, and of all processes that
    publish it only one is told that its message was taken. A board that is put back after Redis has lost it counts as
    well.
    """
    epoch, version = update.stamp
    taken, held = publisher.publish(update.board, update.text, epoch, version, instead_of=instead_of)
    if taken:
        metrics.top10_changed.inc()
        logs.event(log, logs.TOP10_CHANGED, board=update.board, epoch=epoch, version=version)
    return held


def _supersede(engine: sa.Engine, from_db: Update, seen: Update, signer: Signer) -> Update:
    """Return the board of the database, which was read after `seen` was; in a new epoch if `seen` can't be right."""
    if seen.stamp < from_db.stamp or seen.content == from_db.content:
        return from_db
    board, old = from_db.board, from_db.stamp[0]
    log.warning("board %s: %s-%d was seen, the database has %s-%d: new epoch", board, *seen.stamp, *from_db.stamp)
    in_transaction(engine, lambda conn: boards.renew_epoch(conn, board, old=old, new=id_after(old)))
    return read(engine, board, signer)
