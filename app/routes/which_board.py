"""Which board, and which of its periods, a request is about."""

from typing import NamedTuple

import sqlalchemy as sa
from starlette.requests import Request

from app.domain import periods
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import NotFound
from app.domain.ids import DEFAULT_BOARD, BoardId
from app.domain.periods import Period
from db import clock


class Which(NamedTuple):
    """A board, and the period of it that the request names, if it names one."""

    rule: BoardRule
    named: Period | None

    def period(self, conn: sa.Connection) -> Period:
        """Return the period that the request is about: the one it names, or else the present one.

        A board with one period only is that, whenever it is asked. There need not be a row of it yet.

        Raises:
            NotFound: when the period hasn't begun yet, by PostgreSQL's clock.
        """
        if not self.rule.periodic:
            return periods.only(self.rule)
        now = clock.now(conn)
        period = self.named or periods.at(self.rule, now)
        if period is None or (period.starts is not None and period.starts > now):
            raise NotFound("This period has not begun yet.")
        return period


def which_board(request: Request, rules: BoardRules) -> Which:
    """Return the board that the path or `?board=` names, the default one without, and the period of `?period=`.

    Raises:
        NotFound: when there is no such board, or none of its periods can have that name.
    """
    name = request.path_params.get("board") or request.query_params.get("board", DEFAULT_BOARD)
    rule = rules.get(BoardId(name))
    if rule is None:
        raise NotFound("There is no such board.")
    label = request.query_params.get("period")
    period = None if label is None else periods.named(rule, label)
    if label is not None and period is None:
        raise NotFound("This board has no such period.")
    return Which(rule, period)
