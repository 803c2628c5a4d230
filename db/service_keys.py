"""SQL on `service_keys`. Functions run in the caller's transaction and never commit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.service_keys import KeyId, KeyScope


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that is neither revoked nor expired; `seconds_left` is None for one that never expires."""

    digest: str
    key_id: KeyId
    name: str
    scopes: Sequence[KeyScope]
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key that isn't revoked; `created_by` is a user id or "shell"."""

    key_id: KeyId
    name: str
    scopes: Sequence[KeyScope]
    expires_at: datetime | None
    created_by: str
    created_at: datetime
    last_used_at: datetime | None


MOST = 1000
"""Keys that may be in use at once: every process keeps all of them."""

_COLUMNS = "id::text, name, scopes, expires_at, created_by, created_at, last_used_at"
_IS_LIVE = "revoked_at IS NULL AND coalesce(expires_at > now(), true)"
_SELECT_LIVE = f"""
    SELECT encode(key_hash, 'hex'), id::text, name, scopes,
        CAST(extract(epoch FROM expires_at - clock_timestamp()) AS double precision)
    FROM service_keys WHERE {_IS_LIVE}
"""
_LIVE = sa.text(f"{_SELECT_LIVE} ORDER BY name LIMIT {MOST}")
_FIND = sa.text(f"""
    {_SELECT_LIVE} AND key_hash = ANY(ARRAY(SELECT decode(it, 'hex') FROM unnest(CAST(:digests AS text[])) AS it))
""")
_MAY_OPERATE = sa.text(f"SELECT 1 FROM service_keys WHERE id = :id AND {_IS_LIVE} AND 'admin' = ANY(scopes)")
# Two processes may write at once: the one that comes second leaves it to the first.
_USED = sa.text("""
    UPDATE service_keys SET last_used_at = now() WHERE id = ANY(ARRAY(
        SELECT id FROM service_keys WHERE id = ANY(CAST(:ids AS uuid[])) FOR NO KEY UPDATE SKIP LOCKED
    ))
""")


def live(conn: sa.Connection) -> list[LiveKey]:
    """Read all keys that are neither revoked nor expired."""
    return [LiveKey(*row) for row in conn.execute(_LIVE)]


def find(conn: sa.Connection, digests: Sequence[str]) -> list[LiveKey]:
    """Read those of some keys that are neither revoked nor expired."""
    return [LiveKey(*row) for row in conn.execute(_FIND, {"digests": list(digests)})]


def may_operate(conn: sa.Connection, key_id: KeyId) -> bool:
    """Return whether a key still is good for what operators do."""
    return conn.execute(_MAY_OPERATE, {"id": key_id}).scalar() is not None


def used(conn: sa.Connection, key_ids: Collection[KeyId]) -> None:
    """Write that keys were used just now."""
    conn.execute(_USED, {"ids": list(key_ids)})


_INSERT = sa.text(f"""
    INSERT INTO service_keys (id, name, key_hash, scopes, expires_at, created_by)
    VALUES (:id, :name, decode(:digest, 'hex'), CAST(:scopes AS text[]), :expires_at, :actor)
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
    RETURNING {_COLUMNS}, coalesce(expires_at > now(), true)
""")


def insert(
    conn: sa.Connection,
    key_id: KeyId,
    *,
    name: str,
    digest: str,
    scopes: Sequence[KeyScope],
    expires_at: datetime | None,
    actor: str,
) -> tuple[KeyRow, bool] | None:
    """Add a key; return it, and whether it expires in the future. None when another key has the name."""
    values = {"id": key_id, "name": name, "digest": digest, "scopes": list(scopes), "expires_at": expires_at}
    row = conn.execute(_INSERT, {**values, "actor": actor}).one_or_none()
    return (KeyRow(*row[:-1]), row[-1]) if row else None


_COUNT = sa.text("SELECT count(*) FROM service_keys WHERE revoked_at IS NULL")


def count(conn: sa.Connection) -> int:
    """Count the keys that aren't revoked."""
    number: int = conn.execute(_COUNT).scalar_one()
    return number


_PAGE = sa.text(f"""
    SELECT {_COLUMNS} FROM service_keys
    WHERE revoked_at IS NULL AND id < coalesce(CAST(:before AS uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT :limit + 1
""")


def page(conn: sa.Connection, *, before: str | None, limit: int) -> tuple[list[KeyRow], bool]:
    """Read keys that aren't revoked, the newest first, from before another one; and whether there are more."""
    rows = [KeyRow(*row) for row in conn.execute(_PAGE, {"before": before, "limit": limit})]
    return rows[:limit], len(rows) > limit


_REVOKE = sa.text("""
    UPDATE service_keys SET revoked_at = now()
    WHERE revoked_at IS NULL AND (id = CAST(:id AS uuid) OR name = :name) RETURNING id::text, name
""")


def revoke(conn: sa.Connection, *, key_id: str | None = None, name: str | None = None) -> tuple[KeyId, str] | None:
    """Revoke a key by its id or its name, and return both; None when there is no such key, or not any more."""
    row = conn.execute(_REVOKE, {"id": key_id, "name": name}).one_or_none()
    return (row[0], row[1]) if row else None
