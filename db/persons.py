"""SQL on a user's personal data: the password, and erasing everything.

An erased person's traces in actions are removed batch by batch; `erasures` holds those who are not done yet.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from app.domain.actions import STATUSES
from app.domain.ids import ActionId, UserId
from db import audit_events


@dataclass(frozen=True, slots=True)
class Account:
    """The name and password hash by which a user is authenticated again."""

    username: str
    password_hash: str | None
    token_version: int
    active: bool


_ACCOUNT = sa.text("""
    SELECT username, password_hash, token_version, status = 'active' FROM users WHERE id = :id AND status <> 'erased'
""")


def account(conn: sa.Connection, user_id: UserId) -> Account | None:
    """Read a user's account; None when there is no such user, or not any more."""
    row = conn.execute(_ACCOUNT, {"id": user_id}).one_or_none()
    return Account(*row) if row else None


_CHANGE_PASSWORD = sa.text("""
    UPDATE users SET password_hash = :password_hash, token_version = token_version + 1,
        tokens_since = clock_timestamp(), updated_at = now()
    WHERE id = :id AND token_version = :version AND status = 'active' RETURNING token_version
""")


def change_password(conn: sa.Connection, user_id: UserId, token_version: int, password_hash: str) -> int | None:
    """Set an active user's password and make every token void.

    Returns:
        The new tokens' version; None when tokens of `token_version` are void already, or the user is suspended.
    """
    values = {"id": user_id, "version": token_version, "password_hash": password_hash}
    return conn.execute(_CHANGE_PASSWORD, values).scalar()


_RESET_PASSWORD = sa.text("""
    UPDATE users SET password_hash = :password_hash, token_version = token_version + 1,
        tokens_since = clock_timestamp(), updated_at = now()
    WHERE id = :id RETURNING token_version
""")


def reset_password(conn: sa.Connection, user_id: UserId, password_hash: str) -> int:
    """Set a locked user's password and make every token void; return the new tokens' version."""
    version: int = conn.execute(_RESET_PASSWORD, {"id": user_id, "password_hash": password_hash}).scalar_one()
    return version


@dataclass(frozen=True, slots=True)
class LockedPerson:
    """A user's row under lock, those of all admins with it; name and address are None once erased."""

    token_version: int
    status: str
    role: str
    username: str | None
    email: str | None
    display_name: str | None
    other_admins: bool


# All admins at once, in the order of ids: two admins who leave at the same time must not each count on the other.
_LOCK = sa.text("""
    SELECT id::text, token_version, status, role, username, email, display_name FROM users
    WHERE id = :id OR role = 'admin' ORDER BY id FOR NO KEY UPDATE
""")


def lock(conn: sa.Connection, user_id: UserId) -> LockedPerson | None:
    """Lock a user, and every admin; `other_admins` tells whether another one is active."""
    rows = {row.id: row for row in conn.execute(_LOCK, {"id": user_id})}
    mine = rows.pop(user_id, None)
    if mine is None:
        return None
    others = any(row.status == "active" for row in rows.values())
    return LockedPerson(
        mine.token_version, mine.status, mine.role, mine.username, mine.email, mine.display_name, others
    )


_ERASE = sa.text("""
    WITH pending AS (INSERT INTO erasures (user_id) VALUES (:id))
    UPDATE users SET username = NULL, username_key = NULL, email = NULL, password_hash = NULL, display_name = NULL,
        external_id = NULL, status = 'erased', role = 'player', token_version = token_version + 1,
        tokens_since = clock_timestamp(), updated_at = now()
    WHERE id = :id
""")


def erase(conn: sa.Connection, user_id: UserId) -> None:
    """Empty a locked user's row; the id and the score stay."""
    conn.execute(_ERASE, {"id": user_id})


_FORGET_TRACES = sa.text("""
    UPDATE actions SET client_ip = NULL, metadata = '{}' WHERE id = ANY(ARRAY(
        SELECT id FROM actions WHERE user_id = :user AND (client_ip IS NOT NULL OR metadata <> '{}')
        LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    ))
""")


def forget_traces(conn: sa.Connection, user_id: UserId, *, limit: int) -> None:
    """Take addresses and metadata out of some actions of an erased user; the sweep finds those that are left."""
    conn.execute(_FORGET_TRACES, {"user": user_id, "limit": limit})


# Those of a process of the release before have no `names`.
_NEXT_ERASURE = sa.text("""
    SELECT user_id::text, done_to::text, events_done_to,
        CASE WHEN username IS NOT NULL THEN coalesce(names, array_remove(ARRAY[username, email], NULL)) END
    FROM erasures
    WHERE erased_at < now() - make_interval(secs => :age)
    ORDER BY erased_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_NEXT_ACTIONS = sa.text("""
    SELECT newest.id::text FROM unnest(CAST(:statuses AS text[])) AS wanted(state)
    CROSS JOIN LATERAL (
        SELECT id FROM actions
        WHERE user_id = :user AND status = wanted.state
            AND id > coalesce(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
        ORDER BY id LIMIT :limit
    ) AS newest
    ORDER BY newest.id LIMIT :limit
""")
_FORGET_THESE = sa.text("""
    UPDATE actions SET client_ip = NULL, metadata = '{}' WHERE id = ANY(ARRAY(
        SELECT id FROM actions
        WHERE id = ANY(CAST(:ids AS uuid[])) AND (client_ip IS NOT NULL OR metadata <> '{}')
        ORDER BY id FOR NO KEY UPDATE
    ))
""")
_GO_ON = sa.text("UPDATE erasures SET done_to = :last WHERE user_id = :user")
_NO_NAMES = sa.text("""
    UPDATE erasures SET username = NULL, email = NULL, names = NULL, events_done_to = NULL WHERE user_id = :user
""")
_DONE = sa.text("DELETE FROM erasures WHERE user_id = :user")


_KEEP_NAMES = sa.text("""
    UPDATE erasures SET names = :names, username = :username, events_done_to = :last WHERE user_id = :user
""")


def keep_names(conn: sa.Connection, user_id: UserId, names: list[str], *, events_done_to: int) -> None:
    """Keep the names of an erased user, the username first, until all events were looked through for them."""
    conn.execute(_KEEP_NAMES, {"user": user_id, "names": names, "username": names[0], "last": events_done_to})


def finish_erasures(conn: sa.Connection, *, age: float, limit: int, events: int) -> bool:
    """Take addresses and metadata out of the next `limit` actions of the user who was erased first.

    And the user's name out of the next `events` events, if there were too many to look through at once.

    Args:
        age: seconds ago that the erasure was, at least: what was on its way into the database then is there now.

    Returns:
        Whether there may be more to do.
    """
    found = conn.execute(_NEXT_ERASURE, {"age": age}).one_or_none()
    if found is None:
        return False
    user_id, done_to, events_done_to, names = found
    values = {"user": user_id, "after": done_to, "statuses": list(STATUSES), "limit": limit}
    ids = [ActionId(it) for it in conn.execute(_NEXT_ACTIONS, values).scalars()]
    conn.execute(_FORGET_THESE, {"ids": ids})
    last = None
    if names is not None:
        last = audit_events.forget_next(conn, names, after=events_done_to, limit=events)
    if len(ids) < limit and last is None:
        conn.execute(_DONE, {"user": user_id})
        return True
    if ids:
        conn.execute(_GO_ON, {"user": user_id, "last": ids[-1]})
    if last is not None:
        keep_names(conn, user_id, names, events_done_to=last)
    elif names is not None:
        conn.execute(_NO_NAMES, {"user": user_id})
    return True


# The condition is written like the index's, or the index isn't used; now(), not clock_timestamp(), since an index scan
# needs a bound that is constant within the statement. And an array of ids, not a join: there are mostly few, which the
# planner can't know, and for many it would read the whole table.
_FORGET_ADDRESSES = sa.text("""
    UPDATE actions SET client_ip = NULL WHERE id = ANY(ARRAY(
        SELECT id FROM actions
        WHERE (client_ip IS NULL) IS FALSE AND coalesce(end_at, start_at) < now() - make_interval(days => :days)
        ORDER BY coalesce(end_at, start_at) LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    ))
""")


def forget_addresses(conn: sa.Connection, *, days: int, limit: int) -> int:
    """Take the address out of the oldest actions that ended, or if they are open began, over `days` days ago.

    Returns:
        The number of actions, at most `limit`.
    """
    return conn.execute(_FORGET_ADDRESSES, {"days": days, "limit": limit}).rowcount
