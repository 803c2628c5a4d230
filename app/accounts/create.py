"""Makes users: the one place for it, whoever asks, be it the user, an operator, a service key or another issuer."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from app.domain.errors import NameTaken
from app.domain.ids import UserId, new_id
from app.domain.users import Role, check_user
from db import audit_events, users

TRIES = 20
"""Names that are tried for a user who has chosen none; after the first they are random, so that one is free."""

_FIELDS = {"username": "username", "email": "e-mail address", "externalId": "external id"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. Without a password nobody can log in by one, and a login takes as long as any other.

    Args:
        display_name: in the form that its own rules gave it.

    Raises:
        InvalidUser: when the username or the e-mail address breaks its rule.
    """

    username: str
    email: str | None = None
    password_hash: str | None = None
    display_name: str | None = None
    external_id: str | None = None
    role: Role = "player"

    def __post_init__(self) -> None:
        check_user(username=self.username, email=self.email)


def create_user(conn: sa.Connection, new: NewUser, *, actor: str | None, reason: str | None = None) -> UserId:
    """Add a user, and record who has made it.

    Args:
        actor: a user id, "shell", "key:<name>" or "system"; None when users register themselves, which is no event.

    Raises:
        NameTaken: `field` tells whether username, email or externalId is taken; the transaction can go on.
    """
    user_id = UserId(new_id())
    added = users.insert(
        conn,
        user_id,
        username=new.username,
        email=new.email,
        password_hash=new.password_hash,
        role=new.role,
        display_name=new.display_name,
        external_id=new.external_id,
    )
    if not added:
        # Nothing is found if that user was erased in between; trying again is up to the client.
        field = users.taken(conn, username=new.username, email=new.email, external_id=new.external_id) or "username"
        raise NameTaken(f"This {_FIELDS[field]} is taken.", field=field)
    if actor is not None:
        audit_events.record(conn, "user_created", actor=actor, user_id=user_id, reason=reason, role=new.role)
    return user_id


def create_user_named_like(conn: sa.Connection, wanted: str, new: NewUser, *, actor: str) -> UserId:
    """Add a user under `wanted` or, when that is no username or is taken, under a free one that resembles it.

    Args:
        wanted: any text, also none.
        new: everything but the name, which is replaced.

    Raises:
        NameTaken: when the e-mail address or the external id is taken.
    """
    for username in names_like(wanted):
        try:
            return create_user(conn, replace(new, username=username), actor=actor)
        except NameTaken as error:
            if error.field != "username":
                raise
    raise AssertionError("no random name is free")


def names_like(wanted: str) -> Iterator[str]:
    """Yield `TRIES` usernames: the wanted one or what its letters allow, then the same with random ends."""
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    base = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-")[:32].rstrip("-")
    if len(base) >= 3:
        yield base
    for _ in range(TRIES):
        yield f"{base[:25] or 'player'}-{secrets.token_hex(3)}"
