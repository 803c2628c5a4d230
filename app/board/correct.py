"""Corrections by an operator or the fraud rules: each one transaction that also records an audit event.

Lock order: users, actions, standings, boards. What changes a standing or a status ends in `app.board.top`.
"""

import msgspec
import sqlalchemy as sa

from app.board import top
from app.domain import counting
from app.domain.actions import Action
from app.domain.board_rules import BoardRules
from app.domain.counting import Completion
from app.domain.errors import Conflict, NotFound, ScoreOutOfRange
from app.domain.ids import ActionId, UserId
from app.domain.trail import EventKind
from app.domain.values import LARGEST
from db import actions, audit_events, users
from db.users import LockedUser


class WrongState(Conflict):
    code, title = "wrong-state", "Not possible in this state"


class BelowZero(Conflict):
    code, title = "below-zero", "The total would fall under 0"


def release(conn: sa.Connection, rules: BoardRules, action_id: ActionId, *, actor: str, reason: str | None) -> Action:
    """Let a held or reversed action count."""
    action, user = _lock_action(conn, action_id, allowed=("held", "reversed"))
    points = _points_of(conn, action, user)
    actions.set_settlement(conn, action_id, "cleared")
    _record(conn, "released", action, points, actor, reason)
    top.add(conn, rules, counting.earned(rules, [_completion(action)]))
    return _again(conn, action_id)


def reverse(conn: sa.Connection, rules: BoardRules, action_id: ActionId, *, actor: str, reason: str) -> Action:
    """Take a cleared or held action's points away."""
    action, user = _lock_action(conn, action_id, allowed=("cleared", "held"))
    points = action.score or 0
    if user.total_score < points:
        raise BelowZero("Its points were adjusted away before; the total would fall under 0.")
    users.add_points(conn, action.user_id, -points)
    actions.set_settlement(conn, action_id, "reversed")
    _record(conn, "reversed", action, -points, actor, reason)
    if action.settlement == "cleared":
        top.recompute(conn, rules, _completion(action))
    return _again(conn, action_id)


def hold(conn: sa.Connection, rules: BoardRules, action_id: ActionId, *, actor: str, reason: str | None) -> Action:
    """Hold a cleared or reversed action until an operator decides: what undoes a decision that came too early."""
    action, user = _lock_action(conn, action_id, allowed=("cleared", "reversed"))
    points = _points_of(conn, action, user)
    actions.set_settlement(conn, action_id, "held")
    _record(conn, "held_again", action, points, actor, reason)
    if action.settlement == "cleared":
        top.recompute(conn, rules, _completion(action))
    return _again(conn, action_id)


def suspend(conn: sa.Connection, rules: BoardRules, user_id: UserId, *, actor: str, reason: str) -> None:
    """Remove a user from every board, and refuse the user's requests from now on."""
    if not _lock_person(conn, user_id).active:
        raise WrongState("This user is suspended already.")
    users.set_status(conn, user_id, "suspended")
    audit_events.record(conn, "suspended", actor=actor, user_id=user_id, reason=reason)
    top.refresh_shown(conn, rules, user_id)


def reinstate(conn: sa.Connection, rules: BoardRules, user_id: UserId, *, actor: str, reason: str | None) -> None:
    """Undo a suspension: the user returns to the boards with the standing as it is now."""
    if _lock_person(conn, user_id).active:
        raise WrongState("This user is not suspended.")
    users.set_status(conn, user_id, "active")
    audit_events.record(conn, "reinstated", actor=actor, user_id=user_id, reason=reason)
    top.refresh_shown(conn, rules, user_id)


def hide(conn: sa.Connection, rules: BoardRules, user_id: UserId, *, actor: str, reason: str | None) -> None:
    """Take a user off every board and out of all ranks; the user plays on."""
    _set_hidden(conn, rules, user_id, hidden=True, actor=actor, reason=reason)


def show(conn: sa.Connection, rules: BoardRules, user_id: UserId, *, actor: str, reason: str | None) -> None:
    """Undo `hide`: the user returns to the boards with the standing as it is now."""
    _set_hidden(conn, rules, user_id, hidden=False, actor=actor, reason=reason)


def _set_hidden(
    conn: sa.Connection, rules: BoardRules, user_id: UserId, *, hidden: bool, actor: str, reason: str | None
) -> None:
    if _lock_person(conn, user_id).hidden is hidden:
        raise WrongState("This user is hidden already." if hidden else "This user is not hidden.")
    users.set_hidden(conn, user_id, hidden=hidden)
    audit_events.record(conn, "hidden" if hidden else "shown", actor=actor, user_id=user_id, reason=reason)
    top.refresh_shown(conn, rules, user_id)


def adjust(conn: sa.Connection, rules: BoardRules, user_id: UserId, points: int, *, actor: str, reason: str) -> None:
    """Give a user points, or take some."""
    total = _lock_person(conn, user_id).total_score + points
    if total < 0:
        raise BelowZero("The user does not have that many points.")
    _check_range(total)
    users.add_points(conn, user_id, points)
    at = audit_events.record(conn, "adjusted", actor=actor, user_id=user_id, points=points, reason=reason)
    top.add(conn, rules, counting.adjusted(rules, user_id, points, at))


def _record(conn: sa.Connection, kind: EventKind, action: Action, points: int, actor: str, reason: str | None) -> None:
    audit_events.record(
        conn,
        kind,
        actor=actor,
        user_id=action.user_id,
        action_id=action.action_id,
        points=points,
        reason=reason,
        was=action.settlement,
    )


def _points_of(conn: sa.Connection, action: Action, user: LockedUser) -> int:
    """Return an action's points, given back to the user's total if they were taken away before."""
    points = action.score or 0
    if action.settlement == "reversed":
        _check_range(user.total_score + points)
        users.add_points(conn, action.user_id, points)
    return points


def _check_range(total: int) -> None:
    if total > LARGEST:
        raise ScoreOutOfRange


def _lock_user(conn: sa.Connection, user_id: UserId) -> LockedUser:
    user = users.lock(conn, [user_id]).get(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _lock_person(conn: sa.Connection, user_id: UserId) -> LockedUser:
    user = _lock_user(conn, user_id)
    if user.erased:
        raise WrongState("This user was erased.")
    return user


def _lock_action(conn: sa.Connection, action_id: ActionId, *, allowed: tuple[str, ...]) -> tuple[Action, LockedUser]:
    """Lock an action after its user, and check that it is in one of the allowed states."""
    found = actions.get(conn, action_id)
    if found is None:
        raise NotFound("There is no such action.")
    user = _lock_user(conn, found.user_id)
    action = actions.lock(conn, action_id)
    assert action is not None
    if action.settlement not in allowed:
        state = action.settlement if action.status == "completed" else action.status
        raise WrongState(f"The action is {state}; it must be {' or '.join(allowed)}.", action=action)
    return action, user


def _completion(action: Action) -> Completion:
    """Return a completed action as boards look at it."""
    assert action.end_at is not None
    value = None if action.value is msgspec.UNSET else action.value
    return Completion(action.user_id, action.type, action.score or 0, value, action.end_at)


def _again(conn: sa.Connection, action_id: ActionId) -> Action:
    action = actions.get(conn, action_id)
    assert action is not None
    return action
