"""Roles: makes players admins and admins players, but never removes the last admin.

Lock order: users.
"""

import sqlalchemy as sa

from app.domain.errors import Conflict, NotFound
from app.domain.ids import UserId
from db import audit_events, persons, users


class LastAdmin(Conflict):
    code, title = "last-admin", "The last admin"


def set_role(conn: sa.Connection, user_id: UserId, role: str, *, actor: str, reason: str | None = None) -> bool:
    """Make a user a "player" or an "admin", and record it.

    Returns:
        False when the user had that role already.

    Raises:
        NotFound: when there is no such user, or the person was erased.
        LastAdmin: when no active admin would be left.
    """
    person = persons.lock(conn, user_id)
    if person is None or person.status == "erased":
        raise NotFound("There is no such user.")
    if person.role == role:
        return False
    if role != "admin":
        keep_one_admin(person)
    users.set_role(conn, user_id, role)
    audit_events.record(conn, "role_changed", actor=actor, user_id=user_id, reason=reason, role=role)
    return True


def keep_one_admin(person: persons.LockedPerson) -> None:
    """Check that another active admin is left; all admins are locked together with the person.

    Raises:
        LastAdmin: when this is the last one.
    """
    if person.role == "admin" and person.status == "active" and not person.other_admins:
        raise LastAdmin("This is the last active admin: make another admin first.")
