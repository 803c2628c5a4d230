"""Standings without actions: for what the board looks like, not for how it came about."""

from datetime import UTC, datetime

import sqlalchemy as sa

from app.board import top
from app.board.publish import publish, publish_all
from app.domain import counting
from app.domain.board_rules import BoardRules
from app.domain.counting import Completion
from app.domain.ids import UserId
from db.redis import Publisher
from tests.support.board import ALL_TIME, BOARDS
from tests.support.people import insert_user
from tests.support.service import Stores


def stand(stores: Stores, points: dict[str, int]) -> None:
    """Add points to players by name, who are made if need be, and publish the board."""
    with stores.engine.begin() as conn:
        now = datetime.now(UTC)
        earned = [Completion(_user(conn, name, more), "default", more, None, now) for name, more in points.items()]
        top.add(conn, BOARDS, counting.earned(BOARDS, earned))
    publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)


def stand_on(
    stores: Stores, rules: BoardRules, gains: dict[str, tuple[int, int | None]], moment: datetime | None = None
) -> None:
    """Add what players earned, points and perhaps a value, to all boards that it counts on, and publish them.

    Args:
        gains: by name; who isn't there is made.
        moment: when it was earned; None: now.
    """
    at = moment or datetime.now(UTC)
    with stores.engine.begin() as conn:
        done = [
            Completion(_user(conn, name, points), "default", points, value, at)
            for name, (points, value) in gains.items()
        ]
        top.add(conn, rules, counting.earned(rules, done))
    publish_all(stores.engine, Publisher.on(stores.redis), rules)


def _user(conn: sa.Connection, name: str, more: int) -> UserId:
    """Find or make a player, whose total grows by `more`."""
    insert_user(conn, name)
    query = "UPDATE users SET total_score = total_score + :more WHERE username = :name RETURNING id::text"
    return UserId(conn.execute(sa.text(query), {"name": name, "more": more}).scalar_one())
