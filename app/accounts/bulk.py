"""Makes the users of a list, all of them or none; those who are there already are left as they are.

Passwords are neither compared nor changed: a user may have chosen another one meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from app.accounts.create import NewUser, create_user
from app.domain.errors import InvalidList, ListProblem, NameTaken
from app.domain.ids import UserId
from app.domain.user_list import ListedUser
from db import users


@dataclass
class Plan:
    """What is to be done with a list: whom to make, and who is there already."""

    new: list[ListedUser] = field(default_factory=list)
    there: list[ListedUser] = field(default_factory=list)


def plan(conn: sa.Connection, listed: Sequence[ListedUser]) -> Plan:
    """Compare a list with the users that are there.

    A user is there already when one has the name, and also the e-mail address and the display name of the list, as far
    as it gives them. With another address or display name it is somebody else who needs another name.

    Raises:
        InvalidList: with a problem for each who is somebody else, or whose e-mail address is taken.
    """
    found = users.alike(conn, [it.username for it in listed], [it.email for it in listed if it.email])
    by_name = {it.username.lower(): it for it in found}
    addresses = {it.email for it in found}
    planned, problems = Plan(), []
    for it in listed:
        other = by_name.get(it.username.lower())
        if other is None:
            if it.email and it.email.lower() in addresses:
                problems.append(ListProblem(it.line, f"email: {it.email} is another user's."))
            planned.new.append(it)
            continue
        planned.there.append(it)
        for name, listed_value, value in (
            ("e-mail address", it.email and it.email.lower(), other.email),
            ("display name", it.display_name, other.display_name),
        ):
            if listed_value and listed_value != value:
                said = f"another {name}, {value}" if value else f"no {name}"
                problems.append(ListProblem(it.line, f"username: {it.username} is there already, with {said}."))
    if problems:
        raise InvalidList(problems)
    return planned


def add(
    conn: sa.Connection, hashed: Iterable[tuple[ListedUser, str]], *, actor: str, reason: str | None
) -> list[UserId]:
    """Make the users of a plan, each with the hash of its password.

    Raises:
        InvalidList: when one was made by somebody else meanwhile. The transaction must be rolled back.
    """
    made, problems = [], []
    for it, password_hash in hashed:
        new = NewUser(it.username, it.email, password_hash, it.display_name)
        try:
            made.append(create_user(conn, new, actor=actor, reason=reason))
        except NameTaken as error:
            problems.append(ListProblem(it.line, f"{error.field}: {error.detail}"))
    if problems:
        raise InvalidList(problems)
    return made
