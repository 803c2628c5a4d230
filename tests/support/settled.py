"""Completed actions of any moment, settled onto boards of any rules."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.board import settle
from app.domain.board_rules import BoardRules
from app.domain.ids import ActionId, UserId, new_id
from db.transaction import in_transaction
from tests.support.board import VETTING


class Done(NamedTuple):
    """An action that was completed: of whom, when, and what it earned."""

    user_id: UserId
    end_at: datetime
    type: str = "default"
    points: int = 10
    value: int | None = None


def settled(engine: sa.Engine, rules: BoardRules, *done: Done) -> list[ActionId]:
    """Insert completed actions, and settle them together."""
    ids = [ActionId(new_id()) for _ in done]
    with engine.begin() as conn:
        for action_id, it in zip(ids, done, strict=True):
            conn.execute(
                sa.text(
                    "INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, value, settlement) "
                    "VALUES (:id, :user_id, :type, 'completed', :end_at, :end_at, :points, :value, 'pending')"
                ),
                {"id": action_id, **it._asdict()},
            )
            conn.execute(
                sa.text("UPDATE users SET total_score = total_score + :points WHERE id = :id"),
                {"id": it.user_id, "points": it.points},
            )
    in_transaction(engine, lambda conn: settle.settle(conn, rules, ids, VETTING))
    return ids
