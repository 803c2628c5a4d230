"""SQL that records actions as they are posted, each at most once for an idempotency key.

Functions run in the caller's transaction and never commit. Lock order: users, idempotency keys, actions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.domain.actions import Action
from app.domain.idempotency import Idempotency
from app.domain.ids import ActionId, UserId
from app.domain.posts import Post
from db.driver import fetch, note_transaction_id, send_with_next
from db.prepared import prepared
from db.users import LockedUser

Key = tuple[str, str]
"""An idempotency key: whose it is, and its text."""


@dataclass(slots=True)
class Begun:
    """A batch whose users are locked.

    Args:
        now: the database's time.
        metadata: of each post as PostgreSQL writes it.
        claimed: the posts whose idempotency keys are new, and theirs.
    """

    now: datetime
    users: dict[UserId, LockedUser] = field(default_factory=dict)
    metadata: dict[ActionId, str] = field(default_factory=dict)
    claimed: set[ActionId] = field(default_factory=set)


# The users first, all of them; then the keys, in their order. A key that another transaction is inserting is waited
# for; ON CONFLICT also sees what was committed after this statement began.
_BEGIN = """
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:users AS uuid[]), CAST(:metadata AS text[]),
            CAST(:owners AS uuid[]), CAST(:keys AS text[]), CAST(:hashes AS text[])
        ) AS asked(id, user_id, metadata, owner_id, key, body_hash)
    ), locked_users AS MATERIALIZED (
        SELECT id, token_version, status = 'active' AS active, total_score, status = 'erased' AS erased FROM users
        WHERE id = ANY(CAST(:users AS uuid[])) ORDER BY id FOR NO KEY UPDATE {how}
    ), claimed AS (
        INSERT INTO idempotency_keys (owner_id, key, body_hash, action_id)
        SELECT asked.owner_id, asked.key, decode(asked.body_hash, 'hex'), asked.id
        FROM asked JOIN locked_users ON locked_users.id = asked.user_id
        WHERE asked.key IS NOT NULL AND (SELECT count(*) FROM locked_users) >= 0
        ORDER BY asked.owner_id, asked.key
        ON CONFLICT DO NOTHING RETURNING action_id
    )
    SELECT pg_current_xact_id()::text, clock_timestamp(), asked.id::text, asked.user_id::text,
        CAST(asked.metadata AS jsonb)::text, token_version, active, total_score, erased, claimed.action_id IS NOT NULL
    FROM asked LEFT JOIN locked_users ON locked_users.id = asked.user_id
    LEFT JOIN claimed ON claimed.action_id = asked.id
"""
_BEGIN_WAITING = prepared("begin_posts", _BEGIN.format(how=""))
_BEGIN_SKIPPING = prepared("begin_free_posts", _BEGIN.format(how="SKIP LOCKED"))


def begin(conn: sa.Connection, posts: Sequence[Post], claims: Collection[ActionId], *, skip_locked: bool) -> Begun:
    """Lock the users of posts in the order of their ids, then claim idempotency keys for those posts in `claims`.

    Args:
        claims: at most one post for each key. A key is not claimed whose post's user is missing or skipped.
        skip_locked: leave out users that are locked.
    """
    keys = [post.idempotency if post.action_id in claims else None for post in posts]
    values = {
        "ids": [post.action_id for post in posts],
        "users": [post.user_id for post in posts],
        "metadata": [post.metadata for post in posts],
        "owners": [key and key.owner_id for key in keys],
        "keys": [key and key.key for key in keys],
        "hashes": [key and key.body_hash for key in keys],
    }
    rows = fetch(conn, _BEGIN_SKIPPING if skip_locked else _BEGIN_WAITING, values)
    begun = Begun(now=max(row[1] for row in rows))
    for xid, _, action_id, user_id, metadata, version, *user, claimed in rows:
        note_transaction_id(conn, xid)
        begun.metadata[action_id] = metadata
        if version is not None:
            begun.users[user_id] = LockedUser(version, *user)
        if claimed:
            begun.claimed.add(action_id)
    return begun


class Earlier(NamedTuple):
    """What an earlier request with a key asked for (the hash of it), and the action that it was answered with.

    The action is None when it was archived since.
    """

    body_hash: str
    action: Action | None


# Each by itself: with joins the planner may come to read all keys there are.
_EARLIER = prepared(
    "earlier_posts",
    """
    SELECT asked.owner_id::text, asked.key, encode(used.body_hash, 'hex'),
        action.id::text, user_id::text, type, status, start_at, end_at, score, metadata::text, settlement, value
    FROM unnest(CAST(:owners AS uuid[]), CAST(:keys AS text[])) AS asked(owner_id, key)
    CROSS JOIN LATERAL (
        SELECT * FROM idempotency_keys WHERE owner_id = asked.owner_id AND key = asked.key LIMIT 1
    ) AS used
    LEFT JOIN LATERAL (SELECT * FROM actions WHERE id = used.action_id LIMIT 1) AS action ON true
""",
)


def earlier(conn: sa.Connection, keys: Collection[Idempotency]) -> dict[Key, Earlier]:
    """Find what was recorded for idempotency keys before; those that are new are left out."""
    if not keys:
        return {}
    values = {"owners": [key.owner_id for key in keys], "keys": [key.key for key in keys]}
    rows = fetch(conn, _EARLIER, values)
    return {
        (owner, key): Earlier(body_hash, Action.of(*action) if action[0] else None)
        for owner, key, body_hash, *action in rows
    }


_RELEASE = sa.text("""
    DELETE FROM idempotency_keys USING unnest(CAST(:owners AS uuid[]), CAST(:keys AS text[])) AS refused(owner_id, key)
    WHERE idempotency_keys.owner_id = refused.owner_id AND idempotency_keys.key = refused.key
""")


def release_with_next(conn: sa.Connection, keys: Collection[Idempotency]) -> None:
    """Give back keys that this transaction has claimed and has no action for."""
    values = {"owners": [key.owner_id for key in keys], "keys": [key.key for key in keys]}
    send_with_next(conn, _RELEASE, values)


_OPEN = prepared(
    "open_actions",
    """
    SELECT asked.id::text, own.open FROM unnest(CAST(:users AS uuid[])) AS asked(id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS open FROM (
            SELECT 1 FROM actions WHERE user_id = asked.id AND status = 'started' LIMIT :at_most
        ) AS counted
    ) AS own
""",
)


def open_actions(conn: sa.Connection, user_ids: Collection[UserId], *, at_most: int) -> dict[UserId, int]:
    """Count users' open actions, up to a number."""
    if not user_ids:
        return {}
    rows = fetch(conn, _OPEN, {"users": list(user_ids), "at_most": at_most})
    return {user_id: count for user_id, count in rows}


Day = tuple[UserId, str, datetime]
"""A user's completions of one type on one day: the user, the type, and the day's beginning (UTC)."""

# Like db.actions.completed_today, but with an end: a report of yesterday comes after the first completions of today.
_COMPLETED = prepared(
    "completed_on_days",
    """
    SELECT asked.n, own.completions FROM unnest(
        CAST(:users AS uuid[]), CAST(:types AS text[]), CAST(:days AS timestamptz[]), CAST(:limits AS bigint[])
    ) WITH ORDINALITY AS asked(user_id, type, day, at_most, n)
    CROSS JOIN LATERAL (
        SELECT count(*) AS completions FROM (
            SELECT 1 FROM actions
            WHERE user_id = asked.user_id AND end_at >= asked.day AND end_at < asked.day + interval '24 hours'
                AND coalesce(score > 0 AND type = asked.type AND settlement <> 'reversed', false)
            ORDER BY end_at LIMIT asked.at_most
        ) AS counted
    ) AS own
""",
)


def completed(conn: sa.Connection, limits: dict[Day, int]) -> dict[Day, int]:
    """Count completions that scored and were not reversed, by user, type and day, each up to its limit."""
    if not limits:
        return {}
    days = list(limits)
    values = {
        "users": [user_id for user_id, _, _ in days],
        "types": [type_ for _, type_, _ in days],
        "days": [day for _, _, day in days],
        "limits": list(limits.values()),
    }
    return {days[n - 1]: count for n, count in fetch(conn, _COMPLETED, values)}


@dataclass(frozen=True, slots=True)
class New:
    """An action that is to be inserted, and when it is recorded, if it ended before that."""

    post: Post
    metadata: str
    start_at: datetime
    end_at: datetime | None
    score: int | None
    recorded_at: datetime | None


_INSERT = prepared(
    "insert_posts",
    """
    WITH new AS (
        INSERT INTO actions (
            id, user_id, type, status, start_at, end_at, score, client_ip, metadata, settlement, value, reported_by,
            recorded_at
        )
        SELECT id, user_id, type, CASE WHEN end_at IS NULL THEN 'started' ELSE 'completed' END, start_at, end_at, score,
            client_ip, metadata, CASE WHEN end_at IS NOT NULL THEN 'pending' END, value, reported_by, recorded_at
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:users AS uuid[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]),
            CAST(:ends AS timestamptz[]), CAST(:scores AS bigint[]), CAST(:ips AS inet[]),
            CAST(CAST(:metadata AS text[]) AS jsonb[]), CAST(:values AS bigint[]), CAST(:reporters AS uuid[]),
            CAST(:recorded AS timestamptz[])
        ) AS new(
            id, user_id, type, start_at, end_at, score, client_ip, metadata, value, reported_by, recorded_at
        )
        RETURNING user_id, score
    )
    UPDATE users SET total_score = users.total_score + earned.points, updated_at = :now
    FROM (SELECT user_id, sum(score) AS points FROM new GROUP BY user_id) AS earned
    WHERE users.id = earned.user_id AND earned.points > 0
""",
)


def insert_with_next(conn: sa.Connection, new: Sequence[New], now: datetime) -> None:
    """Insert actions of locked users, and add their points to the totals."""
    values = {
        "ids": [it.post.action_id for it in new],
        "users": [it.post.user_id for it in new],
        "types": [it.post.type for it in new],
        "starts": [it.start_at for it in new],
        "ends": [it.end_at for it in new],
        "scores": [it.score for it in new],
        "ips": [it.post.client_ip for it in new],
        "metadata": [it.metadata for it in new],
        "values": [it.post.value for it in new],
        "reporters": [it.post.reported_by for it in new],
        "recorded": [it.recorded_at for it in new],
        "now": now,
    }
    send_with_next(conn, _INSERT, values)
