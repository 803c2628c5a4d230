"""In which period boards are, and whether they are frozen."""

from typing import NamedTuple

import sqlalchemy as sa

from app.domain import periods
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.freezes import Freeze
from app.domain.periods import Period
from db import clock, freezes


class BoardState(NamedTuple):
    """A board, its present period (None outside of a season), and its freeze if it is frozen."""

    rule: BoardRule
    period: Period | None
    freeze: Freeze | None


BoardStates = list[BoardState]


def board_states(conn: sa.Connection, rules: BoardRules) -> BoardStates:
    """Read the states of all boards, in the order of their ids, by PostgreSQL's clock."""
    now = clock.now(conn)
    rows = {rule.id: periods.shown(rule, now).id for rule in rules.values()}
    frozen = freezes.of(conn, list(rows.values()))
    return [BoardState(rule, periods.at(rule, now), frozen.get(rows[rule.id])) for rule in rules.values()]
