"""SQL on `users`. Functions run in the caller's transaction and never commit."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.ids import BoardId, UserId
from app.domain.users import Role
from db.ranks import OWN_PLACE, NotCounted


@dataclass(frozen=True, slots=True)
class UserState:
    """What decides whether a user's token is good: its version, and the user's status and role.

    Tokens of other issuers have no version: those issued until `tokens_since` (UTC) are over.
    """

    token_version: int
    active: bool
    role: str
    tokens_since: datetime | None = None
    erased: bool = False


@dataclass(frozen=True, slots=True)
class LockedUser:
    """A user's row under lock; `total_score` in points."""

    token_version: int
    active: bool
    total_score: int
    erased: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login needs to know of a user."""

    user_id: UserId
    password_hash: str | None
    token_version: int
    active: bool


_INSERT = sa.text("""
    INSERT INTO users (id, username, username_key, email, password_hash, role, display_name, external_id)
    VALUES (:id, :username, lower(:username), lower(:email), :password_hash, :role, :display_name, :external_id)
    ON CONFLICT DO NOTHING RETURNING 1
""")


def insert(
    conn: sa.Connection,
    user_id: UserId,
    *,
    username: str,
    email: str | None = None,
    password_hash: str | None = None,
    role: str = "player",
    display_name: str | None = None,
    external_id: str | None = None,
) -> bool:
    """Add a user; False when the name, the e-mail address or the external id is taken. See app/accounts/create.py."""
    values = {
        "id": user_id,
        "username": username,
        "email": email,
        "password_hash": password_hash,
        "role": role,
        "display_name": display_name,
        "external_id": external_id,
    }
    return conn.execute(_INSERT, values).scalar() is not None


# The external id first: a caller that finds it taken looks that user up instead.
_TAKEN = sa.text("""
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM users WHERE external_id = :external_id) THEN 'externalId'
        WHEN EXISTS (SELECT 1 FROM users WHERE username_key = lower(:username)) THEN 'username'
        WHEN EXISTS (SELECT 1 FROM users WHERE email = lower(:email)) THEN 'email'
    END
""")


def taken(conn: sa.Connection, *, username: str, email: str | None, external_id: str | None) -> str | None:
    """Return which of these another user has: "externalId", "username" or "email", the first of them; or None."""
    values = {"username": username, "email": email, "external_id": external_id}
    found: str | None = conn.execute(_TAKEN, values).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Named:
    """Who has a name or an e-mail address that somebody else is to get."""

    username: str
    email: str | None
    display_name: str | None


_ALIKE = sa.text("""
    SELECT username, email, display_name FROM users WHERE username_key = ANY(CAST(:names AS text[]))
    UNION
    SELECT username, email, display_name FROM users WHERE email = ANY(CAST(:emails AS text[]))
""")


def alike(conn: sa.Connection, usernames: Iterable[str], emails: Iterable[str]) -> list[Named]:
    """Find the users who have one of these names or e-mail addresses, whatever its case."""
    values = {"names": [it.lower() for it in usernames], "emails": [it.lower() for it in emails]}
    return [Named(*row) for row in conn.execute(_ALIKE, values)]


_CREDENTIALS = sa.text("""
    SELECT id::text, password_hash, token_version, status = 'active' FROM users WHERE username_key = :key
""")


def credentials(conn: sa.Connection, username: str) -> Credentials | None:
    """Find what is needed to check a login."""
    # In lower case by Python's rules, as its rate limit is: those of the database depend on its locale.
    row = conn.execute(_CREDENTIALS, {"key": username.lower()}).one_or_none()
    return Credentials(*row) if row else None


_STATES = sa.text("""
    SELECT id::text, token_version, status = 'active', role, tokens_since, status = 'erased' FROM users
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")


def states(conn: sa.Connection, user_ids: Iterable[UserId]) -> dict[UserId, UserState]:
    """Read the states of many users; those that don't exist are left out."""
    rows = conn.execute(_STATES, {"ids": list(user_ids)})
    return {user_id: UserState(*rest) for user_id, *rest in rows}


# Never FOR UPDATE: every insert that references a user takes KEY SHARE on it, and would deadlock with it.
_LOCK = sa.text("""
    SELECT id::text, token_version, status = 'active', total_score, status = 'erased', hidden FROM users
    WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")


def lock(conn: sa.Connection, user_ids: Collection[UserId]) -> dict[UserId, LockedUser]:
    """Lock users in the order of their ids."""
    rows = conn.execute(_LOCK, {"ids": list(user_ids)})
    return {user_id: LockedUser(*rest) for user_id, *rest in rows}


_ADD_POINTS = sa.text("""
    UPDATE users SET total_score = total_score + :points, updated_at = now() WHERE id = :id
""")


def add_points(conn: sa.Connection, user_id: UserId, points: int) -> None:
    """Add points, perhaps less than none, to a locked user's total."""
    conn.execute(_ADD_POINTS, {"id": user_id, "points": points})


_SET_STATUS = sa.text("UPDATE users SET status = :status, updated_at = now() WHERE id = :id")


def set_status(conn: sa.Connection, user_id: UserId, status: str) -> None:
    """Make a locked user "active" or "suspended"."""
    conn.execute(_SET_STATUS, {"id": user_id, "status": status})


_SET_HIDDEN = sa.text("UPDATE users SET hidden = :hidden, updated_at = now() WHERE id = :id")


def set_hidden(conn: sa.Connection, user_id: UserId, *, hidden: bool) -> None:
    """Hide a locked user from all boards, or show the user again."""
    conn.execute(_SET_HIDDEN, {"id": user_id, "hidden": hidden})


_END_TOKENS = sa.text("""
    UPDATE users SET token_version = token_version + 1, updated_at = now(),
        tokens_since = greatest(clock_timestamp(), to_timestamp(:issued_at))
    WHERE id = :id AND token_version = :version
""")


def end_tokens(conn: sa.Connection, user_id: UserId, token_version: int, *, issued_at: int = 0) -> bool:
    """Make every token of a user void; False when those of `token_version` are void already.

    Args:
        issued_at: seconds since 1970, of the token that asks for it: its issuer's clock may be ahead of ours.
    """
    values = {"id": user_id, "version": token_version, "issued_at": issued_at}
    return conn.execute(_END_TOKENS, values).rowcount == 1


_SET_PASSWORD = sa.text("""
    UPDATE users SET password_hash = :password_hash, token_version = token_version + 1,
        tokens_since = clock_timestamp(), updated_at = now()
    WHERE username_key = lower(:username) RETURNING id::text
""")


def set_password(conn: sa.Connection, username: str, password_hash: str) -> UserId | None:
    """Set a password and make every token of that user void; None when there is no such user."""
    return conn.execute(_SET_PASSWORD, {"username": username, "password_hash": password_hash}).scalar()


_SET_ROLE = sa.text("UPDATE users SET role = :role, updated_at = now() WHERE id = :id")


def set_role(conn: sa.Connection, user_id: UserId, role: str) -> None:
    """Make a locked user a "player" or an "admin"."""
    conn.execute(_SET_ROLE, {"id": user_id, "role": role})


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's own view: `total_score` of all actions, `score` and `rank` of what is settled, in points."""

    username: str
    display_name: str | None
    email: str | None
    role: Role
    total_score: int
    score: int
    rank: int | None


_PROFILE = sa.text(f"""
    SELECT users.username, users.display_name, users.email, users.role, users.total_score, coalesce(mine.score, 0),
        mine.rank, mine.placed AND mine.rank IS NULL
    FROM users LEFT JOIN LATERAL ({OWN_PLACE.format(user="users.id")}) AS mine ON true
    WHERE users.id = :id
""")


def profile(conn: sa.Connection, user_id: UserId, board_id: BoardId) -> Profile | None:
    """Read a user with the place on a board; the rank is None for who isn't on it, and while it is frozen.

    Raises:
        NotCounted: while the place is not known.
    """
    row = conn.execute(_PROFILE, {"id": user_id, "board": board_id}).one_or_none()
    if row is None:
        return None
    *values, unknown = row
    if unknown:
        raise NotCounted
    return Profile(*values)
