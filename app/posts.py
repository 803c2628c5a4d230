"""Records a batch of posted actions, in one transaction on the caller's connection.

An idempotency key is claimed in the transaction that records its action, so that it never stands for another, nor for
none. Lock order: users, idempotency keys, actions; each by id.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from app.domain import periods, scoring
from app.domain.actions import Action, CompletedAction
from app.domain.errors import (
    Archived,
    DatabaseUnavailable,
    IdempotencyMismatch,
    NotFound,
    ScoreboardError,
    ScoreOutOfRange,
    Suspended,
    TooManyOpenActions,
    Unauthorized,
    WrongEnd,
)
from app.domain.idempotency import Idempotency
from app.domain.ids import ActionId, UserId
from app.domain.posts import Post, Recorded
from app.domain.scoring import ActionType, ScoringRules
from app.domain.values import LARGEST
from db import posts as rows
from db.posts import Begun, Day, Earlier, Key, New
from db.transaction import TimedOut, in_transaction

OLDEST_END = periods.FINAL_AFTER
"""How far back the end of a report may lie."""


def record(
    conn: sa.Connection, posts: Sequence[Post], rules: ScoringRules, *, skip_locked: bool = False
) -> list[Recorded | ScoreboardError]:
    """Record posted actions; return for each the action, or the error.

    `posts` is in the order of arrival: of several with one idempotency key the first is recorded.

    Args:
        skip_locked: skip users that are locked elsewhere; their posts get DatabaseUnavailable.
    """
    firsts: dict[Key, ActionId] = {}
    for post in posts:
        if post.idempotency and post.refusal is None:
            firsts.setdefault(_key(post.idempotency), post.action_id)
    begun = rows.begin(conn, posts, set(firsts.values()), skip_locked=skip_locked)
    known = [it.idempotency for it in posts if it.idempotency and firsts.get(_key(it.idempotency)) not in begun.claimed]
    batch = _Batch(rules, begun, rows.earlier(conn, known), skip_locked=skip_locked)
    batch.count(conn, posts)
    results = [batch.record(post) for post in posts]
    if batch.refused:
        rows.release_with_next(conn, batch.refused)
    if batch.new:
        rows.insert_with_next(conn, batch.new, begun.now)
    return results


class _Batch:
    """The state that is carried from one item of a batch to the next."""

    def __init__(self, rules: ScoringRules, begun: Begun, earlier: dict[Key, Earlier], *, skip_locked: bool) -> None:
        self.rules = rules
        self.begun = begun
        self.now = begun.now.astimezone(UTC)
        self.totals = {user_id: user.total_score for user_id, user in begun.users.items()}
        self.earlier = earlier
        self.skip_locked = skip_locked
        self.completed: Counter[Day] = Counter()
        self.open: Counter[UserId] = Counter()
        self.new: list[New] = []
        self.refused: list[Idempotency] = []

    def count(self, conn: sa.Connection, posts: Sequence[Post]) -> None:
        """Count what there is already of what the rules limit: a day's completions, and open actions."""
        limits = {
            self._day(post): limit
            for post in posts
            if post.status == "completed" and (limit := self._rule(post).per_day) is not None
        }
        starts = {post.user_id for post in posts if post.status == "started"}
        self.completed.update(rows.completed(conn, limits))
        self.open.update(rows.open_actions(conn, starts, at_most=self.rules.max_open_actions))

    def record(self, post: Post) -> Recorded | ScoreboardError:
        """Return the answer to one post; the key that it has claimed for nothing is given back."""
        result = self._player_refusal(post) or self._replay(post) or self._refusal(post) or self._insert(post)
        if isinstance(result, ScoreboardError) and post.idempotency and post.action_id in self.begun.claimed:
            self.refused.append(post.idempotency)
        return result

    def _player_refusal(self, post: Post) -> ScoreboardError | None:
        """Return what comes before everything else: the user can't be looked at, or the token doesn't count."""
        user = self.begun.users.get(post.user_id)
        if user is None and self.skip_locked:
            return DatabaseUnavailable("The player is in use elsewhere.")
        if post.token_version is None:
            return None
        if user is None or user.token_version != post.token_version:
            return Unauthorized("The token is no longer valid.")
        return None if user.active else Suspended("This account is suspended.")

    def _replay(self, post: Post) -> Recorded | ScoreboardError | None:
        """Return the answer to a post whose key has been used; None when there is none, or it is new."""
        before = self.earlier.get(_key(post.idempotency)) if post.idempotency else None
        if post.idempotency is None or before is None:
            return None
        if post.idempotency.body_hash != before.body_hash:
            return IdempotencyMismatch("This Idempotency-Key was used for another request.")
        action = before.action
        if action is None:
            return Archived("The action of this Idempotency-Key was recorded, and has been archived since.")
        return Recorded(self._completed(action) if action.status == "completed" else action, replayed=True)

    def _refusal(self, post: Post) -> ScoreboardError | None:
        user = self.begun.users.get(post.user_id)
        if post.refusal is not None:
            return post.refusal
        if user is None or user.erased:
            return NotFound("There is no such player.")
        if not user.active:
            return Suspended("This account is suspended.")
        if post.end_at is not None and post.end_at > self.now:
            return WrongEnd(f"endAt: lies ahead; it is {_written(self.now)}.")
        if post.end_at is not None and post.end_at < self.now - OLDEST_END:
            return WrongEnd(f"endAt: lies over an hour back; it is {_written(self.now)}.")
        if post.idempotency and post.action_id not in self.begun.claimed:
            # Another request of this batch has claimed it, and was refused.
            return DatabaseUnavailable("Another request with this Idempotency-Key was just refused.")
        if post.status == "started" and self.open[post.user_id] >= self.rules.max_open_actions:
            limit = self.rules.max_open_actions
            return TooManyOpenActions(f"There are {limit} open actions: complete or cancel some first.")
        return None

    def _insert(self, post: Post) -> Recorded | ScoreboardError:
        metadata = self.begun.metadata[post.action_id]
        # What is reported as completed says nothing of when it was begun.
        start_at = post.end_at or self.now
        end_at = score = None
        if post.status == "completed":
            end_at, day = start_at, self._day(post)
            score = scoring.points(self._rule(post), value=post.value, completed_today=self.completed[day])
            if self.totals[post.user_id] + score > LARGEST:
                return ScoreOutOfRange()
            self.completed[day] += 1
            self.totals[post.user_id] += score
        else:
            self.open[post.user_id] += 1
        self.new.append(New(post, metadata, start_at, end_at, score, recorded_at=self.now if post.end_at else None))
        action = Action.of(
            post.action_id,
            post.user_id,
            post.type,
            post.status,
            start_at,
            end_at,
            score,
            metadata,
            "pending" if end_at else None,
            post.value,
        )
        if post.idempotency:
            self.earlier[_key(post.idempotency)] = Earlier(post.idempotency.body_hash, action)
        return Recorded(self._completed(action) if end_at else action)

    def _completed(self, action: Action) -> CompletedAction:
        fields = msgspec.structs.asdict(action)
        return CompletedAction(**fields, awarded_points=action.score or 0, total_score=self.totals[action.user_id])

    def _rule(self, post: Post) -> ActionType:
        # A type that is unknown has a refusal, and is never scored.
        return self.rules.get(post.type) or self.rules[scoring.DEFAULT_TYPE]

    def _day(self, post: Post) -> Day:
        end_at = post.end_at or self.now
        return post.user_id, post.type, end_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _key(idempotency: Idempotency) -> Key:
    return idempotency.owner_id, idempotency.key


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def run_posts(engine: sa.Engine, rules: ScoringRules, posts: Sequence[Post]) -> Sequence[Recorded | BaseException]:
    """Record many posts in one transaction: what the batcher of posts runs.

    When another transaction holds a lock for too long, what is not locked is done, and the others are asked to come
    again.
    """
    try:
        return in_transaction(engine, lambda conn: record(conn, posts, rules))
    except TimedOut:
        return in_transaction(engine, lambda conn: record(conn, posts, rules, skip_locked=True))
