"""Starts and ends a batch of actions, in one transaction on the caller's connection.

Lock order: users, actions; each by id.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from app.domain import scoring, values
from app.domain.actions import Action, CompletedAction, End, Start
from app.domain.errors import (
    ActionCancelled,
    ActionCompleted,
    ActionExpired,
    DatabaseUnavailable,
    Forbidden,
    FraudRule,
    NotFound,
    ScoreboardError,
    ScoreOutOfRange,
    ServiceKeyRequired,
    Suspended,
    TooManyOpenActions,
    Unauthorized,
    WrongValue,
)
from app.domain.ids import UserId
from app.domain.scoring import ActionType, ScoringRules
from db import actions
from db.transaction import TimedOut, in_statement, in_transaction

_NEVER = datetime.min.replace(tzinfo=UTC)


def start(conn: sa.Connection, starts: Sequence[Start], *, max_open: int) -> list[Action | ScoreboardError]:
    """Insert started actions; return for each the action, or the error."""
    inserted = actions.insert_started(conn, starts, max_open=max_open)
    results: list[Action | ScoreboardError] = []
    for item in starts:
        made = inserted[item.action_id]
        if refused := _refused(item, made.token_version):
            results.append(refused)
        elif not made.active:
            results.append(Suspended("This account is suspended."))
        elif made.start_at is None or made.metadata is None:
            # It may exist already: the statement is repeated when the answer to its commit was lost.
            refusal = (
                TooManyOpenActions(f"You have {max_open} open actions: complete or cancel some first.")
                if made.full
                else DatabaseUnavailable("The action was not added.")
            )
            results.append(actions.get(conn, item.action_id) or refusal)
        else:
            results.append(
                Action.of(
                    item.action_id, item.user_id, item.type, "started", made.start_at, None, None, made.metadata, None
                )
            )
    return results


def end(
    conn: sa.Connection, ends: Sequence[End], rules: ScoringRules, *, skip_locked: bool = False
) -> list[Action | ScoreboardError]:
    """Complete or cancel actions; return for each the action as it is now, or the error.

    `ends` is in the order of arrival: the first request to end an action does so, later ones for the same action get
    the conflict. Totals and the day's completions include the earlier items of the batch.

    Args:
        skip_locked: skip rows that are locked elsewhere; those items get DatabaseUnavailable.
    """
    locked = actions.lock_with_users(conn, ends, skip_locked=skip_locked)
    batch = _Batch(rules, locked.now, {user_id: user.total_score for user_id, user in locked.users.items()})
    if locked.now is not None:
        batch.completed_today = _completed_today(conn, locked.actions.values(), rules, locked.now)
    results: list[Action | ScoreboardError] = []
    for item in ends:
        user, action = locked.users.get(item.user_id), locked.actions.get(item.action_id)
        if skip_locked and (user is None or action is None):
            results.append(DatabaseUnavailable("The action is in use elsewhere."))
        elif refused := _refused(item, user.token_version if user else None):
            results.append(refused)
        elif user is None or action is None:
            results.append(NotFound("There is no such action."))
        elif action.user_id != item.user_id:
            results.append(Forbidden("This is another player's action."))
        elif not user.active:
            results.append(Suspended("This account is suspended."))
        else:
            results.append(batch.end(item, action))
    if batch.finished:
        actions.finish_with_next(conn, list(batch.finished.values()), batch.now)
    return results


def _refused(item: Start | End, token_version: int | None) -> ScoreboardError | None:
    """Return why an item's token or user is no good, or None; `token_version` is the user's, None if there is none."""
    if item.token_version is None:
        return None if token_version is not None else NotFound("There is no such user.")
    return None if item.token_version == token_version else Unauthorized("The token is no longer valid.")


class _Batch:
    """The state that is carried from one item of a batch to the next."""

    def __init__(self, rules: ScoringRules, now: datetime | None, totals: dict[UserId, int]) -> None:
        self.rules = rules
        self.now = now.astimezone(UTC) if now else _NEVER
        self.totals = totals
        self.completed_today: Counter[tuple[UserId, str]] = Counter()
        self.finished: dict[str, actions.Finish] = {}
        self.ended: dict[str, Action] = {}

    def end(self, item: End, action: Action) -> Action | ScoreboardError:
        action = self.ended.get(action.action_id, action)
        rule = _rule(self.rules, action)
        if action.status != "started":
            return _conflict(action, rule)
        if scoring.expired(rule, start_at=action.start_at, now=self.now):
            return _conflict(self._finish(item, action, "cancelled"), rule)
        if item.status == "cancelled":
            return self._finish(item, action, "cancelled")
        if rule.value is not None and not (item.trusted or rule.trust_players):
            return ServiceKeyRequired(f"An action of type {action.type!r} is completed by a service key.")
        if wrong := values.problem(action.type, rule.value, item.value):
            return WrongValue(wrong)
        today = (action.user_id, action.type)
        completed_today = self.completed_today[today]
        decision = scoring.complete(
            rule, start_at=action.start_at, now=self.now, completed_today=completed_today, value=item.value
        )
        if isinstance(decision, scoring.TooSoon):
            wait = decision.wait.total_seconds()
            return FraudRule(
                f"An action of type {action.type!r} takes at least {rule.min_seconds} s; {wait:.1f} s are missing.",
                rule="min_seconds",
            )
        assert isinstance(decision, scoring.Scored)
        if self.totals[action.user_id] + decision.points > values.LARGEST:
            return ScoreOutOfRange()
        self.completed_today[today] += 1
        self.totals[action.user_id] += decision.points
        done = self._finish(item, action, "completed", decision.points)
        return CompletedAction(
            **msgspec.structs.asdict(done),
            awarded_points=decision.points,
            total_score=self.totals[action.user_id],
        )

    def _finish(
        self, item: End, action: Action, status: Literal["completed", "cancelled"], score: int | None = None
    ) -> Action:
        value = item.value if status == "completed" else None
        self.finished[action.action_id] = actions.Finish(action.action_id, status, score, item.client_ip, value)
        ended = msgspec.structs.replace(
            action,
            status=status,
            end_at=self.now,
            score=score,
            settlement="pending" if status == "completed" else msgspec.UNSET,
            value=msgspec.UNSET if value is None else value,
        )
        self.ended[action.action_id] = ended
        return ended


def _rule(rules: ScoringRules, action: Action) -> ActionType:
    """Return the rule of an action's type, or the default rule if the type was removed after the action began."""
    return rules.get(action.type) or rules[scoring.DEFAULT_TYPE]


def _conflict(action: Action, rule: ActionType) -> ScoreboardError:
    """Return the error for an action that has ended already, with the action as it is recorded."""
    if action.status == "completed":
        return ActionCompleted("The action was completed before.", action=action)
    if action.end_at and scoring.expired(rule, start_at=action.start_at, now=action.end_at):
        return ActionExpired(f"The action was open for over {rule.max_seconds} s and is cancelled.", action=action)
    return ActionCancelled("The action was cancelled before.", action=action)


def _completed_today(
    conn: sa.Connection, locked: Iterable[Action], rules: ScoringRules, now: datetime
) -> Counter[tuple[UserId, str]]:
    """Count the day's completions of those whose type has a daily limit, up to that limit."""
    limits = {
        (action.user_id, action.type): per_day
        for action in locked
        if action.status == "started" and (per_day := _rule(rules, action).per_day) is not None
    }
    return Counter(actions.completed_today(conn, limits, now) if limits else {})


def run_starts(engine: sa.Engine, rules: ScoringRules, starts: Sequence[Start]) -> Sequence[Action | BaseException]:
    """Start many actions in one statement: what the batcher of starts runs."""
    return in_statement(engine, lambda conn: start(conn, starts, max_open=rules.max_open_actions))


def run_ends(engine: sa.Engine, rules: ScoringRules, ends: Sequence[End]) -> Sequence[Action | BaseException]:
    """Complete and cancel many actions in one transaction: what the batcher of ends runs.

    When another transaction holds a lock for too long, what is not locked is done, and the others are asked to come
    again.
    """
    try:
        return in_transaction(engine, lambda conn: end(conn, ends, rules))
    except TimedOut:
        return in_transaction(engine, lambda conn: end(conn, ends, rules, skip_locked=True))
