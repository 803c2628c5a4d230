"""Makes of a delivery what is sent: of a board what the public sees now, of a player the names of now.

Nothing that was written when it happened is sent, so that nothing is told of who is hidden or erased by then, no
unvetted score, and of a frozen board no more than its rows.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain import messages
from app.domain.ids import BoardId
from app.domain.messages import Stamp, rfc3339
from app.domain.webhooks import ACTION_HELD, PERIOD_CLOSED, TEST, TOP10_CHANGED, USER_SUSPENDED, WebhookId
from db import published, webhook_facts
from db.webhook_outbox import Due


class NotToBeSent(Exception):
    """What the delivery is about may not be told any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: its id, when it happened, its data; and the board's version that it tells, if it is of a change."""

    id: str
    at: str
    data: dict[str, Any]
    told: Stamp | None = None


def compose(conn: sa.Connection, webhook_id: WebhookId, due: Due) -> Message:
    """Read what a delivery says.

    The id is the same at each attempt, by which a receiver knows what it has had; but a newer version of a board, which
    takes the place of one that was not taken, is another message.

    Raises:
        NotToBeSent: when it may not be told any more.
    """
    at, data, told = _READERS[due.event](conn, due)
    named = f"{due.delivery_id} {rfc3339(due.created_at)}" + (f" {told[0]}-{told[1]}" if told else "")
    return Message(f"msg_{uuid.uuid5(uuid.UUID(webhook_id), named).hex}", at, data, told)


_Read = tuple[str, dict[str, Any], Stamp | None]


def _board(conn: sa.Connection, due: Due) -> tuple[dict[str, Any], Stamp]:
    """Return a board as GET /top-scores and every socket show it."""
    assert due.board_id is not None
    _, found = published.read(conn, [due.board_id])
    now = found.get(due.board_id)
    if now is None:
        raise NotToBeSent("the board is gone")
    board, _, label = due.board_id.partition(":")
    stamp = (now.epoch, now.version)
    update = messages.update(BoardId(board), stamp, now.rows, now.updated_at, period=label or None, freeze=now.freeze)
    data = msgspec.json.decode(update.text, type=dict[str, Any])
    del data["type"]
    return data, stamp


def _changed(conn: sa.Connection, due: Due) -> _Read:
    data, stamp = _board(conn, due)
    return data["timestamp"], data, stamp


def _closed(conn: sa.Connection, due: Due) -> _Read:
    data, _ = _board(conn, due)
    starts, ends = webhook_facts.bounds(conn, BoardId(str(due.board_id)))
    data["period"] = data.get("period")
    data["startsAt"], data["endsAt"] = starts and rfc3339(starts), ends and rfc3339(ends)
    return data["endsAt"] or rfc3339(due.created_at), data, None


def _player(conn: sa.Connection, due: Due) -> dict[str, Any]:
    person = webhook_facts.person(conn, due.user_id) if due.user_id else None
    if person is None:
        raise NotToBeSent("the player is hidden or erased")
    named = {"userId": due.user_id, "username": person.username}
    return named | ({"displayName": person.display_name} if person.display_name is not None else {})


def _held(conn: sa.Connection, due: Due) -> _Read:
    player = _player(conn, due)
    action = webhook_facts.action(conn, due.action_id) if due.action_id else None
    data = {
        "actionId": due.action_id,
        **player,
        "type": action and action.type,
        "endAt": action and action.end_at and rfc3339(action.end_at),
        "rule": due.details.get("rule"),
    }
    return due.details["at"], data, None


def _suspended(conn: sa.Connection, due: Due) -> _Read:
    return due.details["at"], {**_player(conn, due), "bySystem": due.details["bySystem"]}, None


def _test(conn: sa.Connection, due: Due) -> _Read:
    return rfc3339(due.created_at), {}, None


_READERS: dict[str, Callable[[sa.Connection, Due], _Read]] = {
    TOP10_CHANGED: _changed,
    PERIOD_CLOSED: _closed,
    ACTION_HELD: _held,
    USER_SUSPENDED: _suspended,
    TEST: _test,
}
