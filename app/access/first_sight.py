"""Who the bearer of another issuer's token is here: makes the user at first sight, and keeps the role as it says.

Lock order: users, identities.
"""

import logging
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from app.access.foreign_tokens import ForeignTokenRefused, Identity
from app.accounts.create import NewUser, create_user_named_like
from app.board import roles
from app.domain.errors import BlockedName, NotFound, ScoreboardError
from app.domain.issuers import Issuer
from app.domain.names import BlockedNames, check_display_name
from app.domain.users import InvalidUser, Role
from db import identities, persons, users
from db.identities import Found
from db.transaction import in_transaction
from telemetry import logs

log = logging.getLogger("scoreboard.issuers")


class _OtherWasFirst(Exception):
    """Another transaction has made the user meanwhile: this one is rolled back."""


def decides_role(identity: Identity, found: Found) -> bool:
    """Return whether a token's claims are to decide its user's role: those of the newest token count."""
    return identity.admin is not None and (found.claims_at is None or identity.issued_at > found.claims_at)


def run_many(engine: sa.Engine, blocked: BlockedNames, wanted: Sequence[Identity]) -> list[Found | BaseException]:
    """Find or make the users of many tokens, each in a transaction of its own: what a batcher runs."""
    return [_run(engine, blocked, identity) for identity in wanted]


def _run(engine: sa.Engine, blocked: BlockedNames, identity: Identity) -> Found | BaseException:
    work = partial(sign_in, identity=identity, blocked=blocked)
    try:
        try:
            return in_transaction(engine, work)
        except _OtherWasFirst:
            return in_transaction(engine, work)  # which finds it
    except ScoreboardError as error:
        return error


def sign_in(conn: sa.Connection, identity: Identity, blocked: BlockedNames) -> Found:
    """Return the user of a token, made if there is none yet, with the role that its claims decide.

    Raises:
        ForeignTokenRefused: when it was issued before the person was erased.
    """
    found = _find(conn, identity)
    if found is None:
        _make(conn, identity, blocked)
    elif decides_role(identity, found):
        _decide_role(conn, identity, found)
    else:
        return found
    found = _find(conn, identity)
    assert found is not None
    return found


def _find(conn: sa.Connection, identity: Identity) -> Found | None:
    return identities.find(conn, [(identity.issuer.issuer, identity.subject)])[0]


def _make(conn: sa.Connection, identity: Identity, blocked: BlockedNames) -> None:
    issuer, subject = identity.issuer, identity.subject
    erased_at = identities.erased_at(conn, issuer.issuer, subject)
    if erased_at is not None:
        if identity.issued_at <= erased_at:
            raise ForeignTokenRefused("The token is no longer valid.", "ended", issuer.id)
        identities.come_back(conn, issuer.issuer, subject)
    display_name = _allowed_display_name(identity.display_name, blocked)
    role: Role = "admin" if identity.admin else "player"
    new = NewUser("unnamed", display_name=display_name, role=role)
    user_id = create_user_named_like(conn, _allowed_username(identity.username, blocked), new, actor=_actor(issuer))
    if not identities.insert(conn, issuer.issuer, subject, user_id, claims_at=identity.issued_at):
        raise _OtherWasFirst


def _actor(issuer: Issuer) -> str:
    return f"issuer:{issuer.id}"


def _allowed_username(wanted: str, blocked: BlockedNames) -> str:
    """Return what a username is made of: names are public, so of an e-mail address what stands before the @."""
    name = wanted.partition("@")[0]
    try:
        blocked.check(username=name)
    except BlockedName:
        return ""
    return name


def _allowed_display_name(wanted: str | None, blocked: BlockedNames) -> str | None:
    if wanted is None:
        return None
    try:
        name = check_display_name(wanted)
        blocked.check(display_name=name)
    except (InvalidUser, BlockedName):
        return None
    return name


def _decide_role(conn: sa.Connection, identity: Identity, found: Found) -> None:
    issuer, role = identity.issuer, "admin" if identity.admin else "player"
    if role == found.state.role:
        users.lock(conn, [found.user_id])
    else:
        persons.lock(conn, found.user_id)  # and all admins, as roles.set_role does
    if not identities.take_claims(conn, issuer.issuer, identity.subject, found.user_id, claims_at=identity.issued_at):
        return
    try:
        roles.set_role(conn, found.user_id, role, actor=_actor(issuer))
    except roles.LastAdmin:
        logs.event(log, logs.LAST_ADMIN_KEPT, logging.WARNING, userId=found.user_id, issuer=issuer.id)
    except NotFound:
        pass  # erased meanwhile
