"""Completed actions as the database has them, whenever they ended, without the requests that make them."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.domain.ids import ActionId, UserId, new_id


class Done(NamedTuple):
    """An action that was completed: of whom, when, and what it earned."""

    user_id: UserId
    end_at: datetime
    type: str = "default"
    points: int = 10
    value: int | None = None


_INSERT = sa.text("""
    INSERT INTO actions (id, user_id, type, status, start_at, end_at, recorded_at, score, value, settlement)
    VALUES (:id, :user_id, :type, 'completed', :end_at, :end_at, clock_timestamp(), :points, :value, 'pending')
""")
_ADD = sa.text("UPDATE users SET total_score = total_score + :points WHERE id = :user_id")


def insert(engine: sa.Engine, *done: Done) -> list[ActionId]:
    """Insert reports that are to be settled, and return their ids in the same order."""
    ids = [ActionId(new_id()) for _ in done]
    with engine.begin() as conn:
        for action_id, it in zip(ids, done, strict=True):
            conn.execute(_INSERT, {"id": action_id, **it._asdict()})
            conn.execute(_ADD, it._asdict())
    return ids
