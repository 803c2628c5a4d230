"""A way back in for who forgot the password: a link that an operator hands over, good for once and for a day.

Lock order: users, then the user's link.
"""

import hashlib
import secrets
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from app.board.correct import WrongState
from app.domain.errors import InvalidLink, NotFound, Suspended
from app.domain.ids import UserId
from db import audit_events, password_resets, persons, users

LINK_LIVES = 24 * 3600
"""Seconds."""


class Link(NamedTuple):
    """What the link holds, which nothing else does, and until when it is good."""

    token: str
    expires_at: datetime


def page_with(address: str, token: str) -> str:
    """Return the link. The token is in the fragment, which browsers send nowhere: no log and no Referer has it."""
    return f"{address}/#reset={token}"


def create_link(conn: sa.Connection, user_id: UserId, *, actor: str, reason: str | None = None) -> Link:
    """Make a user's link, and void an older one.

    Raises:
        NotFound, WrongState: when there is no such user, or the user is suspended or erased.
    """
    user = users.lock(conn, [user_id]).get(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    if not user.active:
        raise WrongState(
            "This user was erased." if user.erased else "This user is suspended: reinstate the user first."
        )
    token = secrets.token_urlsafe(32)
    expires_at = password_resets.replace(conn, user_id, hash_of(token), life=LINK_LIVES, created_by=actor)
    audit_events.record(conn, "reset_created", actor=actor, user_id=user_id, reason=reason)
    return Link(token, expires_at)


def check_link(conn: sa.Connection, token: str) -> None:
    """Check that a link is good, before the new password is hashed for it.

    Raises:
        InvalidLink: when there is no such link, or it was used or replaced, or has expired.
    """
    if password_resets.find(conn, hash_of(token)) is None:
        raise _no_link()


def use_link(conn: sa.Connection, token: str, password_hash: str) -> tuple[UserId, int]:
    """Set the password of a link's user, use the link up, and end every token that the user has.

    Returns:
        The user, and the version of the tokens from now on.

    Raises:
        InvalidLink: like check_link.
        Suspended: when the user is; the link stays as it is.
    """
    token_hash = hash_of(token)
    user_id = password_resets.find(conn, token_hash)
    user = users.lock(conn, [user_id]).get(user_id) if user_id is not None else None
    if user_id is None or user is None:
        raise _no_link()
    if not user.active and not user.erased:
        raise Suspended("This account is suspended.")
    if not password_resets.use(conn, token_hash):
        raise _no_link()
    version = persons.reset_password(conn, user_id, password_hash)
    audit_events.record(conn, "password_reset", actor=user_id, user_id=user_id)
    audit_events.record(conn, "logged_out", actor=user_id, user_id=user_id, reason="the password was reset")
    return user_id, version


def hash_of(token: str) -> bytes:
    """Return what is kept of a link's token: it has 256 random bits, so that no salt is needed."""
    return hashlib.sha256(token.encode()).digest()


def _no_link() -> InvalidLink:
    return InvalidLink("This link is not valid: it was used, replaced by a newer one, or is older than a day.")
