"""Boards of every kind: days, weeks, a season that is over, and more than a socket may follow."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection

from app.board import top
from app.board.publish import publish_all
from app.domain import board_rules, counting
from app.domain.board_rules import BoardRules
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.service import Stores
from tests.support.sockets import message

DAILY, WEEKLY = BoardId("daily"), BoardId("weekly")
FILE = "".join(
    f"[boards.{name}]\n{rule}\n"
    for name, rule in {
        "all-time": "",
        "daily": 'window = "daily"',
        "weekly": 'window = "weekly"\ntop = 12',
        "contest": "from = 2020-01-01\nto = 2020-02-01",
        **{f"board-{number}": "" for number in range(14)},
    }.items()
)
RULES: BoardRules = board_rules.parse(tomllib.loads(FILE))
THREE = {it: RULES[it] for it in (DEFAULT_BOARD, DAILY, WEEKLY)}


def write(directory: Path) -> str:
    """Write the file of boards, and give its path."""
    path = directory / "boards.toml"
    path.write_text(FILE)
    return str(path)


def award(stores: Stores, user_id: UserId, points: int, *, ago: float = 0) -> None:
    """Give points on every board as settling does, and publish the boards."""
    moment: datetime = stores.value("SELECT clock_timestamp()") - timedelta(seconds=ago)
    in_transaction(stores.engine, lambda conn: top.add(conn, RULES, counting.adjusted(RULES, user_id, points, moment)))
    publish_all(stores.engine, Publisher.on(stores.redis), RULES)


def receive(websocket: ClientConnection, count: int, *, kind: str = "top_scores_update") -> dict[str, dict[str, Any]]:
    """Receive until `count` boards have told something of a kind, and give what each told last."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < count:
        if (it := message(websocket))["type"] == kind:
            found[it["board"]] = it
    return found


def shown(update: dict[str, Any]) -> dict[str, int]:
    return {row["userId"]: row["score"] for row in update["payload"]}
