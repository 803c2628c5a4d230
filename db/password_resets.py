"""SQL on `password_resets`: at most one link of a user, known by its hash. Its user is locked before it."""

from datetime import datetime

import sqlalchemy as sa

from app.domain.ids import UserId

_FORGET = sa.text("DELETE FROM password_resets WHERE user_id = :user")
# The transaction may have waited for the user's lock.
_ADD = sa.text("""
    INSERT INTO password_resets (token_hash, user_id, expires_at, created_by)
    VALUES (:token_hash, :user, clock_timestamp() + make_interval(secs => :life), :created_by) RETURNING expires_at
""")


def forget(conn: sa.Connection, user_id: UserId) -> None:
    """Void the link of a locked user."""
    conn.execute(_FORGET, {"user": user_id})


def replace(conn: sa.Connection, user_id: UserId, token_hash: bytes, *, life: float, created_by: str) -> datetime:
    """Add a link of a locked user, in place of an older one.

    Args:
        life: seconds.

    Returns:
        When it expires.
    """
    forget(conn, user_id)
    values = {"token_hash": token_hash, "user": user_id, "life": life, "created_by": created_by}
    expires_at: datetime = conn.execute(_ADD, values).scalar_one()
    return expires_at


_FIND = sa.text("""
    SELECT user_id::text FROM password_resets WHERE token_hash = :token_hash AND expires_at > clock_timestamp()
""")


def find(conn: sa.Connection, token_hash: bytes) -> UserId | None:
    """Return whose link it is; None when there is no such link, or it has expired."""
    return conn.execute(_FIND, {"token_hash": token_hash}).scalar()


_USE = sa.text("DELETE FROM password_resets WHERE token_hash = :token_hash AND expires_at > clock_timestamp()")


def use(conn: sa.Connection, token_hash: bytes) -> bool:
    """Use up a link whose user is locked; False when it was used, replaced or has expired meanwhile."""
    return conn.execute(_USE, {"token_hash": token_hash}).rowcount == 1


_FORGET_EXPIRED = sa.text("""
    DELETE FROM password_resets WHERE token_hash = ANY(ARRAY(
        SELECT token_hash FROM password_resets WHERE expires_at < now()
        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")


def forget_expired(conn: sa.Connection, *, limit: int) -> int:
    """Delete the links that expired first, at most `limit`; return their number."""
    return conn.execute(_FORGET_EXPIRED, {"limit": limit}).rowcount
