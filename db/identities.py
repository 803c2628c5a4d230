"""SQL on `identities`: which of our users somebody is to another issuer of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.domain.ids import UserId
from db.users import UserState


@dataclass(frozen=True, slots=True)
class Found:
    """The user whom an issuer means, and since which token's time (seconds since 1970) its claims have decided."""

    user_id: UserId
    claims_at: float | None
    state: UserState


_FIND = sa.text("""
    SELECT wanted.number, users.id::text, CAST(extract(epoch FROM claims_at) AS float8), token_version,
        status = 'active', role, tokens_since
    FROM unnest(CAST(:issuers AS text[]), CAST(:subjects AS text[])) WITH ORDINALITY AS wanted(issuer, subject, number)
    JOIN identities USING (issuer, subject) JOIN users ON users.id = identities.user_id
""")


def find(conn: sa.Connection, wanted: Sequence[tuple[str, str]]) -> list[Found | None]:
    """Find the users of many pairs of issuer and subject, in their order."""
    values = {"issuers": [issuer for issuer, _ in wanted], "subjects": [subject for _, subject in wanted]}
    rows = {
        number: Found(user_id, claims_at, UserState(*state))
        for number, user_id, claims_at, *state in conn.execute(_FIND, values)
    }
    return [rows.get(number) for number in range(1, len(wanted) + 1)]


_INSERT = sa.text("""
    INSERT INTO identities (issuer, subject, user_id, claims_at)
    VALUES (:issuer, :subject, :user_id, to_timestamp(CAST(:claims_at AS float8)))
    ON CONFLICT DO NOTHING RETURNING 1
""")


def insert(conn: sa.Connection, issuer: str, subject: str, user_id: UserId, *, claims_at: float) -> bool:
    """Say whose identity it is; False when it is somebody's already, or another transaction was the first."""
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "claims_at": claims_at}
    return conn.execute(_INSERT, values).scalar() is not None


_TAKE_CLAIMS = sa.text("""
    UPDATE identities SET claims_at = to_timestamp(CAST(:claims_at AS float8))
    WHERE issuer = :issuer AND subject = :subject AND user_id = :user_id
        AND (claims_at IS NULL OR claims_at < to_timestamp(CAST(:claims_at AS float8)))
""")


def take_claims(conn: sa.Connection, issuer: str, subject: str, user_id: UserId, *, claims_at: float) -> bool:
    """Note that the claims of a token decide from here on; False when those of a newer one, or of it, do already.

    The user is locked before, as everywhere.
    """
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "claims_at": claims_at}
    return conn.execute(_TAKE_CLAIMS, values).rowcount == 1


# Without the hash a token from before the erasure would make the person a new user.
_HASH = "'erased:' || encode(sha256(convert_to({issuer} || ' ' || {subject}, 'UTF8')), 'hex')"
_FORGET = sa.text(f"""
    UPDATE identities SET subject = {_HASH.format(issuer="issuer", subject="subject")}, erased_at = clock_timestamp()
    WHERE user_id = :user_id
""")
_ERASED = sa.text(f"""
    SELECT CAST(extract(epoch FROM erased_at) AS float8) FROM identities WHERE issuer = :issuer
        AND subject = {_HASH.format(issuer="CAST(:issuer AS text)", subject="CAST(:subject AS text)")}
""")
_RETURN = sa.text(f"""
    DELETE FROM identities WHERE issuer = :issuer
        AND subject = {_HASH.format(issuer="CAST(:issuer AS text)", subject="CAST(:subject AS text)")}
""")


def forget(conn: sa.Connection, user_id: UserId) -> None:
    """Take out of the identities of an erased user by what the issuer knew the person."""
    conn.execute(_FORGET, {"user_id": user_id})


def erased_at(conn: sa.Connection, issuer: str, subject: str) -> float | None:
    """Return when (seconds since 1970) the person was erased whom the issuer means; None when nobody was."""
    return conn.execute(_ERASED, {"issuer": issuer, "subject": subject}).scalar()


def come_back(conn: sa.Connection, issuer: str, subject: str) -> None:
    """Forget that the person was erased."""
    conn.execute(_RETURN, {"issuer": issuer, "subject": subject})


_FORGET_ERASED = sa.text("""
    DELETE FROM identities WHERE (issuer, subject) IN (
        SELECT issuer, subject FROM identities WHERE erased_at < now() - make_interval(days => :days)
        ORDER BY erased_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
""")


def forget_erased(conn: sa.Connection, *, days: int, limit: int) -> int:
    """Forget the identities of persons who were erased over `days` days ago; return how many, at most `limit`."""
    return conn.execute(_FORGET_ERASED, {"days": days, "limit": limit}).rowcount
