"""Erases persons: the name goes at once, the actions stay without it; then forgets their traces, batch by batch.

Lock order: users, actions, standings (by the trigger on users), boards.
Source: docs/decisions/0006-erase-the-person-and-keep-the-actions.md.
"""

import time

import sqlalchemy as sa

from app.board import top
from app.board.roles import keep_one_admin
from app.domain.board_rules import BoardRules
from app.domain.errors import NotFound, Unauthorized
from app.domain.ids import UserId
from config import queues
from db import audit_events, identities, join_codes, networks, password_resets, persons, webhook_outbox
from db.transaction import in_transaction

AT_ONCE = 1000
"""Actions whose traces are removed by the erasure itself; few users have more, and the sweep removes the rest."""

EVENTS_AT_ONCE = 5000
"""Events with free text that are searched for the name by the erasure itself; the sweep searches the rest."""

IN_FLIGHT = 60.0
"""Seconds after an erasure within which an action that was started before it may still be inserted."""

REMEMBER_ERASED = 31
"""Days for which the hash of an erased person's identity is kept: longer than any token from before it is valid."""

FORGET_FOR = 0.2
"""Seconds during which one sweep begins further batches of addresses, and of erased persons' traces."""


def erase(
    conn: sa.Connection,
    rules: BoardRules,
    user_id: UserId,
    *,
    actor: str,
    reason: str | None,
    token_version: int | None = None,
) -> bool:
    """Erase a user for good: remove names, e-mail address and password, and take the user off every board.

    Args:
        token_version: the version that the user's tokens must still have, when one of them asks for it.

    Returns:
        False when the user was erased before.
    """
    person = persons.lock(conn, user_id)
    if person is None:
        raise NotFound("There is no such user.")
    if token_version is not None and person.token_version != token_version:
        raise Unauthorized("The token is no longer valid.")
    if person.username is None:
        return False
    names = _names(person.username, person.email, person.display_name, *audit_events.earlier_names(conn, user_id))
    keep_one_admin(person)
    persons.forget_traces(conn, user_id, limit=AT_ONCE)
    persons.erase(conn, user_id)
    password_resets.forget(conn, user_id)
    identities.forget(conn, user_id)
    audit_events.record(conn, "erased", actor=actor, user_id=user_id, reason=reason)
    audit_events.forget_own(conn, user_id, names)
    last = audit_events.forget_next(conn, names, after=0, limit=EVENTS_AT_ONCE)
    if last is not None:
        persons.keep_names(conn, user_id, names, events_done_to=last)
    webhook_outbox.forget_user(conn, user_id)
    join_codes.forget(conn, names)
    networks.forget(conn, names)
    top.refresh_shown(conn, rules, user_id)
    return True


def _names(*names: str | None) -> list[str]:
    """Return what is looked for in the words of others. No single characters: they are words of many languages."""
    return [name for name in dict.fromkeys(names) if name is not None and len(name) > 1]


def forget(engine: sa.Engine, *, client_ip_days: int) -> None:
    """Forget addresses and links that are too old, and erased persons' traces: some batches of each."""
    deadline = time.monotonic() + FORGET_FOR

    def addresses(conn: sa.Connection) -> bool:
        return persons.forget_addresses(conn, days=client_ip_days, limit=queues.BATCH) == queues.BATCH

    def traces(conn: sa.Connection) -> bool:
        return persons.finish_erasures(conn, age=IN_FLIGHT, limit=queues.BATCH, events=EVENTS_AT_ONCE)

    def links(conn: sa.Connection) -> bool:
        return password_resets.forget_expired(conn, limit=queues.BATCH) == queues.BATCH

    def erased(conn: sa.Connection) -> bool:
        return identities.forget_erased(conn, days=REMEMBER_ERASED, limit=queues.BATCH) == queues.BATCH

    for part in (traces, links, addresses, erased):
        while in_transaction(engine, part) and time.monotonic() < deadline:
            pass
