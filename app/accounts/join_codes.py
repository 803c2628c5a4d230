"""Join codes: made and deleted by operators, used by those who register.

Lock order: the code, then users.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from app.domain import join_codes
from app.domain.errors import Malformed, NotFound, WrongJoinCode
from app.domain.ids import JoinCodeId, new_id
from db import audit_events
from db import join_codes as stored
from db.join_codes import JoinCode

MOST_USES = 1_000_000
LONGEST_NOTE = 200


def create(
    conn: sa.Connection, secret_key: str, *, uses: int, expires_at: datetime | None, note: str | None, actor: str
) -> tuple[str, JoinCode]:
    """Make a code, and return it with what is known of it from then on.

    Raises:
        Malformed: when it would have expired already, or in over ten years.
    """
    code = join_codes.new_code()
    made = stored.insert(
        conn,
        JoinCodeId(new_id()),
        code_hash=join_codes.digest(code, secret_key),
        uses=uses,
        expires_at=expires_at,
        note=note,
        created_by=actor,
    )
    if made is None:
        raise Malformed("expiresAt: must be within the next ten years.")
    audit_events.record(conn, "join_code_created", actor=actor, joinCode=made.id, uses=uses, note=note)
    return code, made


def delete(conn: sa.Connection, code_id: JoinCodeId, *, actor: str, reason: str | None) -> None:
    """Delete a code: nobody joins by it from then on; who has joined stays.

    Raises:
        NotFound: when there is none.
    """
    if not stored.delete(conn, code_id):
        raise NotFound("There is no such join code.")
    audit_events.record(conn, "join_code_deleted", actor=actor, reason=reason, joinCode=code_id)


def check(conn: sa.Connection, secret_keys: Iterable[str], typed: str | None) -> None:
    """Check that a code is good at this moment, before any work is done for who sends it.

    Raises:
        WrongJoinCode: when it is wrong, expired or used up: nobody is told which.
    """
    if not stored.is_good(conn, _digests(secret_keys, typed)):
        raise _refusal()


def use(conn: sa.Connection, secret_keys: Iterable[str], typed: str | None) -> JoinCodeId:
    """Count a use of a code, in the transaction that adds a user: without the user it is not used.

    Raises:
        WrongJoinCode: like `check`.
    """
    code_id = stored.use(conn, _digests(secret_keys, typed))
    if code_id is None:
        raise _refusal()
    return code_id


def link(page_url: str, code: str) -> str:
    """Return the address that opens the page with the code filled in."""
    return f"{page_url}/?join={code}"


def _digests(secret_keys: Iterable[str], typed: str | None) -> list[bytes]:
    code = join_codes.normalized(typed) if typed is not None else None
    return [] if code is None else [join_codes.digest(code, it) for it in secret_keys]


def _refusal() -> WrongJoinCode:
    return WrongJoinCode("This join code is wrong, has expired, or is used up. Ask who gave it to you for another.")
