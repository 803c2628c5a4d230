"""SQL that operators read the audit events by, the newest first."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain.ids import UserId, is_id
from app.domain.undo import ABOUT_USERS, NAMED_BY

# Of each of the conditions there is an index that ends in the id, and no more is read of it than is asked for. With
# `kind = :kind ORDER BY id` PostgreSQL may rather look through the newest events for those of the kind, which is all of
# them when the last one was long ago: so the rows are ordered by all columns of the index. Of a column that is equal
# to something it would know that this needs no order; of one that is equal to any of an array it doesn't.
# Names are looked up one by one: a join may read all users where it takes them for few.
_PAGE = """
    SELECT events.id, kind, user_id::text, (SELECT username FROM users WHERE users.id = user_id), action_id::text,
        points, reason, actor, (
            SELECT username FROM users
            WHERE users.id = CASE WHEN actor ~ '^[0-9a-f-]{{36}}$' THEN CAST(actor AS uuid) END
        ) AS actor_name, details::text, at
    FROM (SELECT * FROM audit_events WHERE id < :before {of_these} ORDER BY {newest_first} LIMIT :limit) AS events
    ORDER BY events.id DESC
"""
_OF_THESE = {
    "user_id": "AND user_id = ANY (ARRAY[CAST(:user_id AS uuid)])",
    "kind": "AND kind = ANY (ARRAY[CAST(:kind AS text)])",
}
_AFTER_ALL = 2**63 - 1
_BY_NAME = sa.text("SELECT id::text FROM users WHERE username_key = :key")


def page(
    conn: sa.Connection, *, user_id: UserId | None, kind: str | None, before: int | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Read the newest `limit` events, those of one user or kind or both if given, from before an event's id."""
    return conn.execute(*page_query(user_id, kind, before, limit)).all()


def page_query(
    user_id: UserId | None, kind: str | None, before: int | None, limit: int
) -> tuple[sa.TextClause, dict[str, Any]]:
    """Return the statement of `page`, and its parameters."""
    given = {name: value for name, value in (("user_id", user_id), ("kind", kind)) if value is not None}
    statement = _PAGE.format(
        of_these=" ".join(_OF_THESE[name] for name in given),
        newest_first=", ".join(f"{name} DESC" for name in (*given, "id")),
    )
    return sa.text(statement), {**given, "before": _AFTER_ALL if before is None else before, "limit": limit}


def user_named(conn: sa.Connection, name_or_id: str) -> UserId | None:
    """Find a user by username or id; an id needs no user."""
    if is_id(name_or_id):
        return UserId(name_or_id)
    return conn.execute(_BY_NAME, {"key": name_or_id.lower()}).scalar()


NEWEST_NAMED = 1000
"""Events about what is neither a user nor an action, of which the newest are looked at."""

# Nothing changes an action any more that is archived. A subselect, not EXISTS: for that all actions might be read.
_OF_ACTIONS = sa.text("""
    SELECT action_id::text, max(id) FROM audit_events
    WHERE action_id = ANY(CAST(:ids AS uuid[])) AND (SELECT id FROM actions WHERE actions.id = action_id) IS NOT NULL
    GROUP BY action_id
""")
_OF_USERS = sa.text("""
    SELECT user_id::text, kind, max(id) FROM audit_events
    WHERE user_id = ANY(CAST(:ids AS uuid[])) AND kind = ANY(:kinds) GROUP BY user_id, kind
""")
_NAMED = sa.text(
    "SELECT id, kind, details::text FROM audit_events WHERE kind = ANY(:kinds) ORDER BY id DESC LIMIT :limit"
)


def newest(conn: sa.Connection, events: Sequence[sa.Row[Any]]) -> set[int]:
    """Return the ids of those events after which nothing has changed the same thing: those that can be undone."""
    about_actions = [it for it in events if it.action_id is not None]
    about_users = [it for it in events if it.action_id is None and it.kind in ABOUT_USERS]
    named = [it for it in events if it.action_id is None and it.kind in NAMED_BY]
    return {
        *_newest_of_actions(conn, about_actions),
        *_newest_of_users(conn, about_users),
        *_newest_of_named(conn, named),
    }


def _newest_of_actions(conn: sa.Connection, events: Sequence[sa.Row[Any]]) -> set[int]:
    if not events:
        return set()
    last = {action: at for action, at in conn.execute(_OF_ACTIONS, {"ids": [it.action_id for it in events]})}
    return {it.id for it in events if last.get(it.action_id) == it.id}


def _newest_of_users(conn: sa.Connection, events: Sequence[sa.Row[Any]]) -> set[int]:
    if not events:
        return set()
    values = {"ids": [it.user_id for it in events], "kinds": [*ABOUT_USERS, "erased"]}
    last: dict[tuple[str, str], int] = {}
    for user_id, kind, at in conn.execute(_OF_USERS, values):
        for what in {ABOUT_USERS[kind]} if kind in ABOUT_USERS else set(ABOUT_USERS.values()):
            last[user_id, what] = max(at, last.get((user_id, what), 0))
    return {it.id for it in events if last[it.user_id, ABOUT_USERS[it.kind]] == it.id}


def _newest_of_named(conn: sa.Connection, events: Sequence[sa.Row[Any]]) -> set[int]:
    if not events:
        return set()
    last: dict[tuple[str, str | None], int] = {}
    for at, kind, details in conn.execute(_NAMED, {"kinds": list(NAMED_BY), "limit": NEWEST_NAMED}):
        member = NAMED_BY[kind]
        last.setdefault((member, msgspec.json.decode(details).get(member)), at)
    return {it.id for it in events if it.id in last.values()}
