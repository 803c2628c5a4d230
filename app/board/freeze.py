"""Freezes: from a moment on the public sees a board as it was then, until it is thawed or revealed place by place.

Lock order: boards. PostgreSQL's clock decides, under the lock on the board's row, so that a settling which has not
reached it yet changes nothing that is shown. Source: contract, section 4, "Freezes".
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.board import top
from app.board.correct import WrongState
from app.domain import periods
from app.domain.board_rules import BoardRule, BoardRules
from app.domain.errors import Malformed, NotFound
from app.domain.ids import BoardId
from app.domain.periods import Period
from app.domain.trail import EventKind
from db import audit_events, boards, clock, freezes, standings
from db.freezes import State

BY_PLAN = "the planned moment has come"
"""The reason of the event that tells when a planned freeze began."""


def period_id(conn: sa.Connection, rule: BoardRule, label: str | None) -> BoardId:
    """Return the id of a board's period, whose row is made if it is the present one; without a label that one.

    Raises:
        NotFound: when the board has no such period, or nothing has counted there.
    """
    present = periods.shown(rule, clock.now(conn))
    if label is None or label == present.label:
        boards.ensure(conn, [present])
        return present.id
    named = periods.named(rule, label)
    if named is None or not freezes.find(conn, [named.id]):
        raise NotFound("There is no such period.")
    return named.id


def find(conn: sa.Connection, rules: BoardRules) -> list[State]:
    """Read the freezes of all boards' present periods, and of all others that are frozen, or will be."""
    now = clock.now(conn)
    return freezes.find(conn, [periods.shown(rule, now).id for rule in rules.values()], planned=True)


def freeze(
    conn: sa.Connection, board_id: BoardId, *, at: datetime | None = None, actor: str, reason: str | None
) -> State:
    """Freeze a board at once, or plan it; a moment that was planned before is replaced.

    Raises:
        WrongState: when it is frozen already.
        Malformed: when the moment is over.
    """
    state = freezes.lock(conn, board_id)
    if state.frozen:
        raise WrongState("The board is frozen already.")
    if at is None:
        freezes.begin(conn, board_id)
    elif at <= state.now:
        raise Malformed("at: must lie ahead; without it the board is frozen at once.")
    else:
        freezes.plan(conn, board_id, at)
    after = freezes.read(conn, board_id)
    _record(conn, "board_frozen", board_id, actor, reason, at=_text(after.frozen_from))
    return after


def thaw(conn: sa.Connection, rule: BoardRule, board_id: BoardId, *, actor: str, reason: str | None) -> State:
    """End a freeze: the board shows the standings of now. One that was only planned is called off.

    Raises:
        WrongState: when there is none.
    """
    state = freezes.lock(conn, board_id)
    if state.frozen_from is None:
        raise WrongState("The board is not frozen.")
    if state.frozen:
        _end(conn, rule, board_id)
    else:
        freezes.plan(conn, board_id, None)
    _record(conn, "board_thawed", board_id, actor, reason, since=_text(state.frozen_from))
    return freezes.read(conn, board_id)


def reveal(
    conn: sa.Connection, rule: BoardRule, board_id: BoardId, *, places: int = 1, actor: str, reason: str | None
) -> State:
    """Show further places of a frozen board as the standings of now have them, from the last up.

    With the first of all places the freeze ends.

    Raises:
        WrongState: when the board is not frozen.
    """
    state = freezes.lock(conn, board_id)
    if not state.frozen:
        raise WrongState("The board is not frozen: there is nothing to reveal.")
    final = boards.rows_of(standings.top(conn, board_id, rule.top))
    revealed = min((state.revealed or 0) + places, len(final))
    _record(conn, "board_revealed", board_id, actor, reason, revealed=revealed, places=len(final))
    if revealed == len(final):
        _end(conn, rule, board_id)
        _record(conn, "board_thawed", board_id, actor, reason, since=_text(state.frozen_from))
    else:
        freezes.write_rows(conn, board_id, final[len(final) - revealed :], revealed=revealed, places=len(final))
    return freezes.read(conn, board_id)


def keep(conn: sa.Connection, rules: BoardRules) -> list[BoardId]:
    """Take over from the rules when boards are to freeze, and begin the freezes whose moment has come.

    Returns:
        Like begin_due.
    """
    now = clock.now(conn)
    present = [(rule, periods.shown(rule, now)) for rule in rules.values()]
    boards.ensure(conn, [period for _, period in present])
    freezes.follow_rules(conn, {period.id: _by_rule(rule, period) for rule, period in present})
    return begin_due(conn)


def begin_due(conn: sa.Connection) -> list[BoardId]:
    """Let a new version tell of each freeze whose moment has come, and return the ids of these boards' periods."""
    begun = freezes.begin_due(conn)
    for board_id, since in begun:
        _record(conn, "board_frozen", board_id, "system", BY_PLAN, at=_text(since))
    return [board_id for board_id, _ in begun]


def _by_rule(rule: BoardRule, period: Period) -> datetime | None:
    """Return the moment at which a board's rule lets one of its periods freeze; None when it lies in another one."""
    at = rule.freeze_at
    return at if at is not None and (not rule.periodic or period.covers(at)) else None


def _end(conn: sa.Connection, rule: BoardRule, board_id: BoardId) -> None:
    freezes.end(conn, board_id)
    top.refresh_whole(conn, {rule.id: rule}, [board_id])


def _record(
    conn: sa.Connection, kind: EventKind, board_id: BoardId, actor: str, reason: str | None, **details: Any
) -> None:
    audit_events.record(conn, kind, actor=actor, reason=reason, board=board_id, **details)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
