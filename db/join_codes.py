"""SQL on `join_codes`. Lock order: a join code is locked before any user."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.ids import JoinCodeId
from db import audit_events


@dataclass(frozen=True, slots=True)
class JoinCode:
    """What is known of a join code; the code itself is not."""

    id: JoinCodeId
    uses: int
    used: int
    expires_at: datetime | None
    note: str | None
    created_by: str
    created_at: datetime


_COLUMNS = "id::text, uses, used, expires_at, note, created_by, created_at"

_INSERT = sa.text(f"""
    INSERT INTO join_codes (id, code_hash, uses, expires_at, note, created_by)
    SELECT :id, :code_hash, :uses, CAST(:expires_at AS timestamptz), :note, :created_by
    WHERE CAST(:expires_at AS timestamptz) IS NULL
        OR CAST(:expires_at AS timestamptz) BETWEEN now() AND now() + interval '10 years'
    RETURNING {_COLUMNS}
""")


def insert(
    conn: sa.Connection,
    code_id: JoinCodeId,
    *,
    code_hash: bytes,
    uses: int,
    expires_at: datetime | None,
    note: str | None,
    created_by: str,
) -> JoinCode | None:
    """Add a code; None when it would have expired already, or in over ten years."""
    values = {
        "id": code_id,
        "code_hash": code_hash,
        "uses": uses,
        "expires_at": expires_at,
        "note": note,
        "created_by": created_by,
    }
    row = conn.execute(_INSERT, values).one_or_none()
    return JoinCode(*row) if row else None


_PAGE = sa.text(f"""
    SELECT {_COLUMNS} FROM join_codes WHERE CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)
    ORDER BY join_codes.id DESC LIMIT :limit + 1
""")


def page(conn: sa.Connection, *, before: str | None, limit: int) -> tuple[list[JoinCode], JoinCodeId | None]:
    """Read the newest codes, and the `before` of the next page if there are more."""
    rows = [JoinCode(*row) for row in conn.execute(_PAGE, {"before": before, "limit": limit})]
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


_DELETE = sa.text("DELETE FROM join_codes WHERE id = :id")


def delete(conn: sa.Connection, code_id: JoinCodeId) -> bool:
    """Delete a code; False when there is none."""
    return conn.execute(_DELETE, {"id": code_id}).rowcount == 1


_HASHES = "ARRAY(SELECT decode(it, 'hex') FROM unnest(CAST(:hashes AS text[])) AS it)"
_GOOD = f"code_hash = ANY({_HASHES}) AND used < uses AND (expires_at IS NULL OR expires_at > now())"
_IS_GOOD = sa.text(f"SELECT EXISTS (SELECT FROM join_codes WHERE {_GOOD})")
# Whoever waits for the row's lock looks at the condition again: of two who come for the last use one gets it.
_USE = sa.text(f"UPDATE join_codes SET used = used + 1 WHERE {_GOOD} RETURNING id::text")


def is_good(conn: sa.Connection, hashes: list[bytes]) -> bool:
    """Return whether one of the hashes is that of a code that may be used at this moment."""
    found: bool = conn.execute(_IS_GOOD, {"hashes": [it.hex() for it in hashes]}).scalar_one()
    return found


def use(conn: sa.Connection, hashes: list[bytes]) -> JoinCodeId | None:
    """Count a use of a code and return its id; None when no hash is that of a code that may be used."""
    return conn.execute(_USE, {"hashes": [it.hex() for it in hashes]}).scalar()


# Whoever uses a code holds its row before a user's, and here it is after one. They meet only when somebody registers
# under the name that is being erased; then one of the two transactions is begun again.
_FORGET = sa.text("""
    UPDATE join_codes SET note = regexp_replace(note, :words, :instead, 'gi') WHERE note ~* :words
""")


def forget(conn: sa.Connection, names: Sequence[str]) -> None:
    """Take an erased person's names out of the notes of codes, of which there are few."""
    conn.execute(_FORGET, {"words": audit_events.words_of(names), "instead": audit_events.INSTEAD})
