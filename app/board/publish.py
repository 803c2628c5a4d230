"""Publishing: the board as PostgreSQL has it goes to Redis, and from there to every web process.

PostgreSQL is the truth. A read of it that began after a message was seen can't be older than that message: where it is
(a restored backup, a forged message), the database wins, in an epoch made anew: the versions of the old one were shown
with other bytes, or may have been.
"""

import logging

import redis
import sqlalchemy as sa

from app.domain import messages
from app.domain.ids import BoardId, id_after
from app.domain.messages import Row, Update
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
    """Read the board from PostgreSQL, as the message that is to go out."""
    now = in_statement(engine, lambda conn: boards.read(conn, board_id))
    if now is None:
        raise LookupError(f"board {board_id!r} has no row: run the release process")
    payload = [Row(user_id, username, score, rank) for user_id, username, score, rank in now.rows]
    return messages.update(board_id, (now.epoch, now.version), payload, now.updated_at, signer)


def publish(engine: sa.Engine, publisher: Publisher, board_id: BoardId, *, seen: Update | None = None) -> Update:
    """Bring key and channel to the board as the database has it.

    Args:
        seen: an update that somebody holds, from before this call; the result supersedes it or is equal to it.

    Returns:
        The board as the database has it, also when Redis is away.
    """
    signer = publisher.signer
    update = read(engine, board_id, signer)
    if seen is not None:
        update = _supersede(engine, update, seen, signer)
    try:
        held = _push(publisher, update, b"")
        while held is not None:
            # The key holds something that isn't older. Only a read that begins now can judge it.
            update = read(engine, board_id, signer)
            found = messages.read_update(held, signer)
            if found is not None and found.content == update.content:
                break
            if found is not None:
                update = _supersede(engine, update, found, signer)
            newer = _push(publisher, update, held)
            if newer == held:  # pragma: no cover - the script takes what replaces `held`
                break
            held = newer
    except redis.RedisError as error:
        log.warning("Redis is away, the board is not published: %s", error)
    return update


def _push(publisher: Publisher, update: Update, instead_of: bytes) -> bytes | None:
    """Return what the key holds instead of the update, and count the update as a change if it was taken.

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


def _supersede(engine: sa.Engine, update: Update, seen: Update, signer: Signer) -> Update:
    """Return what the database says after `seen` was held; in a new epoch if `seen` claims to be from its future."""
    if seen.stamp < update.stamp or seen.content == update.content:
        return update
    log.warning("board %s: %s-%d was seen, the database has %s-%d: new epoch", update.board, *seen.stamp, *update.stamp)
    old = update.stamp[0]
    in_transaction(engine, lambda conn: boards.renew_epoch(conn, update.board, old=old, new=id_after(old)))
    return read(engine, update.board, signer)
