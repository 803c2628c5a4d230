"""SQL on `actions`. Functions take lists, run in the caller's transaction and never commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from app.domain.actions import Action, End, Start
from app.domain.ids import ActionId, UserId
from db.driver import fetch, note_transaction_id, send_with_next
from db.partitions import BETWEEN, bounds
from db.prepared import prepared
from db.users import LockedUser

_COLUMNS = "id::text, user_id::text, type, status, start_at, end_at, score, metadata::text, settlement, value"


PAGE_BYTES = 256 * 1024
"""Metadata that one page of actions carries at most, beyond its first action."""


def page_of(query: sa.TextClause) -> sa.TextClause:
    """Bound a query for actions, newest first, by `:bytes` of metadata; `found` counts all that it gives."""
    return sa.text(f"""
        SELECT * FROM (
            SELECT *, count(*) OVER () AS found,
                sum(octet_length(metadata)) OVER (ORDER BY id DESC) - octet_length(metadata) AS bytes_before
            FROM ({query.text}) AS actions
        ) AS page
        WHERE bytes_before < :bytes ORDER BY id DESC
    """)


@dataclass(frozen=True, slots=True)
class Started:
    """The result of one insert: the user as the statement saw it, and the action's start if it was inserted.

    `full` means that the user had too many open actions for this one.
    """

    token_version: int | None
    active: bool
    full: bool
    start_at: datetime | None
    metadata: str | None


@dataclass(frozen=True, slots=True)
class Finish:
    """How an action ends: "completed" with a score in points, or "cancelled" without; `value` if it was measured."""

    action_id: ActionId
    status: str
    score: int | None
    client_ip: str | None
    value: int | None = None


@dataclass(slots=True)
class Locked:
    """The locked rows of a batch, and the database's time; None when no action is locked."""

    now: datetime | None = None
    users: dict[UserId, LockedUser] = field(default_factory=dict)
    actions: dict[ActionId, Action] = field(default_factory=dict)


# Users are looked up by id: with a join the planner scans the table. The conflict, of ids, is not named: to find the
# index of a named one in a partition would cost PostgreSQL a tenth of it all.
_INSERT_STARTED = prepared(
    "insert_started",
    """
    WITH new AS (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY id) AS place FROM unnest(
            CAST(:ids AS uuid[]), CAST(:users AS uuid[]), CAST(:versions AS int[]), CAST(:types AS text[]),
            CAST(:ips AS inet[]), CAST(CAST(:metadata AS text[]) AS jsonb[])
        ) AS new(id, user_id, token_version, type, client_ip, metadata)
    ), owners AS MATERIALIZED (
        SELECT id, token_version, status = 'active' AS active, (
            SELECT count(*) FROM (
                SELECT 1 FROM actions WHERE user_id = users.id AND status = 'started' LIMIT :max_open
            ) AS counted
        ) AS open
        FROM users WHERE id = ANY(CAST(:users AS uuid[]))
    ), inserted AS (
        INSERT INTO actions (id, user_id, type, client_ip, metadata)
        SELECT new.id, new.user_id, new.type, new.client_ip, new.metadata
        FROM new JOIN owners ON owners.id = new.user_id
            AND coalesce(new.token_version, owners.token_version) = owners.token_version
            AND owners.active
            AND owners.open + new.place <= :max_open
        ON CONFLICT DO NOTHING
        RETURNING id, start_at, metadata::text AS metadata
    )
    SELECT new.id::text, owners.token_version, owners.active, owners.open + new.place > :max_open, inserted.start_at,
        inserted.metadata
    FROM new LEFT JOIN owners ON owners.id = new.user_id LEFT JOIN inserted ON inserted.id = new.id
""",
)


def insert_started(conn: sa.Connection, starts: Sequence[Start], *, max_open: int) -> dict[ActionId, Started]:
    """Add many actions; those whose user is missing, suspended or has newer tokens are not added.

    Nor are those that would give their user more than `max_open` open ones. What other processes are adding at the same
    moment is not counted: a user may exceed the limit by what reaches them within a few milliseconds.
    """
    values = {
        "ids": [start.action_id for start in starts],
        "users": [start.user_id for start in starts],
        "versions": [start.token_version for start in starts],
        "types": [start.type for start in starts],
        "ips": [start.client_ip for start in starts],
        "metadata": [start.metadata for start in starts],
        "max_open": max_open,
    }
    rows = fetch(conn, _INSERT_STARTED, values)
    return {
        action_id: Started(version, bool(active), bool(full), *new) for action_id, version, active, full, *new in rows
    }


_GET = sa.text(f"SELECT {_COLUMNS} FROM actions WHERE id = :id")


def get(conn: sa.Connection, action_id: ActionId) -> Action | None:
    """Read one action."""
    row = conn.execute(_GET, {"id": action_id}).one_or_none()
    return Action.of(*row) if row else None


# Of each state as many as are asked for, so that the index gives them, however many there are of the others.
_OF_USER = sa.text(f"""
    SELECT {_COLUMNS} FROM unnest(CAST(:statuses AS text[])) AS wanted(state)
    CROSS JOIN LATERAL (
        SELECT * FROM actions
        WHERE user_id = :user AND status = wanted.state
            AND id < coalesce(CAST(:before AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT :limit + 1
    ) AS newest
    ORDER BY newest.id DESC LIMIT :limit + 1
""")
_PAGE_OF_USER = page_of(_OF_USER)


def of_user(
    conn: sa.Connection, user_id: UserId, *, statuses: Sequence[str], before: ActionId | None, limit: int
) -> tuple[list[Action], bool]:
    """Read a user's newest actions in any of some states, from before another action if one is given.

    Returns:
        `limit` actions at most, fewer where their metadata would exceed `PAGE_BYTES`; and whether there are more.
    """
    values = {"user": user_id, "statuses": list(statuses), "before": before, "limit": limit, "bytes": PAGE_BYTES}
    rows = conn.execute(_PAGE_OF_USER, values).all()
    return [Action.of(*row[:10]) for row in rows[:limit]], bool(rows) and rows[0].found > len(rows[:limit])


_LOCK = sa.text(f"SELECT {_COLUMNS} FROM actions WHERE id = :id FOR NO KEY UPDATE")


def lock(conn: sa.Connection, action_id: ActionId) -> Action | None:
    """Lock an action; its user is locked before."""
    row = conn.execute(_LOCK, {"id": action_id}).one_or_none()
    return Action.of(*row) if row else None


# The users first, all of them: the actions are not looked at before the users are counted.
_LOCK_WITH_USERS = f"""
    WITH locked_users AS MATERIALIZED (
        SELECT id, token_version, status = 'active' AS active, total_score FROM users
        WHERE id = ANY(CAST(:users AS uuid[])) ORDER BY id FOR NO KEY UPDATE {{how}}
    ), locked_actions AS MATERIALIZED (
        SELECT id AS action_id, clock_timestamp() AS now, {_COLUMNS} FROM actions
        WHERE id = ANY(CAST(:actions AS uuid[])) AND {BETWEEN} AND (SELECT count(*) FROM locked_users) >= 0
        ORDER BY actions.id FOR NO KEY UPDATE {{how}}
    )
    SELECT pg_current_xact_id()::text, asked.user_id::text, token_version, active, total_score, now,
        locked_actions.id, locked_actions.user_id, type, status, start_at, end_at, score, metadata, settlement, value
    FROM unnest(CAST(:users AS uuid[]), CAST(:actions AS uuid[])) AS asked(user_id, action_id)
    LEFT JOIN locked_users ON locked_users.id = asked.user_id
    LEFT JOIN locked_actions ON locked_actions.action_id = asked.action_id
"""
_LOCK_WAITING = prepared("lock_actions", _LOCK_WITH_USERS.format(how=""))
_LOCK_SKIPPING = prepared("lock_free_actions", _LOCK_WITH_USERS.format(how="SKIP LOCKED"))


def lock_with_users(conn: sa.Connection, ends: Sequence[End], *, skip_locked: bool) -> Locked:
    """Lock users, then actions, each in the order of their ids; `skip_locked` leaves out those that are locked."""
    locked = Locked()
    _lock(conn, _LOCK_SKIPPING if skip_locked else _LOCK_WAITING, ends, locked)
    missing = [it for it in ends if it.user_id not in locked.users or it.action_id not in locked.actions]
    if missing and not skip_locked:
        # The first look may have waited for a restoration, whose rows it doesn't see: see db/prepared.py.
        _lock(conn, _LOCK_WAITING, missing, locked)
    return locked


def _lock(conn: sa.Connection, statement: sa.TextClause, ends: Sequence[End], locked: Locked) -> None:
    ids = [end.action_id for end in ends]
    values = {"users": [end.user_id for end in ends], "actions": ids, **bounds(ids)}
    for xid, user_id, version, active, total, now, *action in fetch(conn, statement, values):
        note_transaction_id(conn, xid)
        if version is not None:
            locked.users[user_id] = LockedUser(version, active, total)
        if now is not None:
            locked.actions[action[0]] = Action.of(*action)
            locked.now = max(now, locked.now or now)


# For each user and type alone, or else the planner may come to read what everybody has completed since. Those that
# score are the first of the day: the count ends after them, however many were completed beyond the limit.
# coalesce() keeps the planner from expecting nearly none of them: it would read all of the day, and sort it.
_COMPLETED_TODAY = prepared(
    "completed_today",
    """
    SELECT asked.user_id::text, asked.type, own.completions
    FROM unnest(CAST(:users AS uuid[]), CAST(:types AS text[]), CAST(:limits AS bigint[]))
        AS asked(user_id, type, at_most)
    CROSS JOIN LATERAL (
        SELECT count(*) AS completions FROM (
            SELECT 1 FROM actions
            WHERE user_id = asked.user_id AND end_at >= date_trunc('day', CAST(:now AS timestamptz), 'UTC')
                AND coalesce(score > 0 AND type = asked.type AND settlement <> 'reversed', false)
            ORDER BY end_at LIMIT asked.at_most
        ) AS counted
    ) AS own
""",
)


def completed_today(
    conn: sa.Connection, limits: Mapping[tuple[UserId, str], int], now: datetime
) -> dict[tuple[UserId, str], int]:
    """Count completions by user and type on the UTC day of `now`, each up to its limit.

    Those that were reversed or that earned nothing are not counted.
    """
    users, types = zip(*limits, strict=True)
    values = {"users": list(users), "types": list(types), "limits": list(limits.values()), "now": now}
    return {(user_id, type_): count for user_id, type_, count in fetch(conn, _COMPLETED_TODAY, values)}


# The points are summed by user before they are added: UPDATE ... FROM takes one row for each user only.
_FINISH = prepared(
    "finish_actions",
    f"""
    WITH done AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:scores AS bigint[]), CAST(:ips AS inet[]),
            CAST(:values AS bigint[])
        ) AS done(id, status, score, client_ip, value)
    ), ended AS (
        UPDATE actions SET
            status = done.status, end_at = :now, score = done.score, value = done.value,
            client_ip = coalesce(done.client_ip, actions.client_ip),
            settlement = CASE WHEN done.status = 'completed' THEN 'pending' END
        FROM done WHERE actions.id = done.id AND {BETWEEN}
        RETURNING actions.user_id, done.score
    )
    UPDATE users SET total_score = users.total_score + earned.points, updated_at = :now
    FROM (SELECT user_id, sum(score) AS points FROM ended GROUP BY user_id) AS earned
    WHERE users.id = earned.user_id AND earned.points > 0
""",
)


def finish_with_next(conn: sa.Connection, finishes: Sequence[Finish], now: datetime) -> None:
    """Write how locked actions end, and add their points to the totals of their locked users."""
    ids = [finish.action_id for finish in finishes]
    values = {
        "ids": ids,
        **bounds(ids),
        "statuses": [finish.status for finish in finishes],
        "scores": [finish.score for finish in finishes],
        "ips": [finish.client_ip for finish in finishes],
        "values": [finish.value for finish in finishes],
        "now": now,
    }
    send_with_next(conn, _FINISH, values)


_SET_SETTLEMENT = sa.text("""
    UPDATE actions SET settlement = :settlement, settled_at = clock_timestamp() WHERE id = :id
""")


def set_settlement(conn: sa.Connection, action_id: ActionId, settlement: str) -> None:
    """Write another settlement to a locked action that has been settled."""
    conn.execute(_SET_SETTLEMENT, {"id": action_id, "settlement": settlement})
