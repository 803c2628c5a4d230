"""Making and revoking service keys, in the caller's transaction, each with its audit event."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from app.domain.errors import Conflict, Malformed, NameTaken, NotFound
from app.domain.ids import new_id
from app.domain.service_keys import InvalidKey, KeyId, KeyScope, check_key, digest, new_key
from db import audit_events, service_keys
from db.service_keys import KeyRow


class TooManyKeys(Conflict):
    code, title = "too-many-keys", "Too many keys"


def make(
    conn: sa.Connection,
    *,
    name: str,
    scopes: Sequence[KeyScope],
    expires_at: datetime | None,
    actor: str,
    reason: str | None,
) -> tuple[KeyRow, str]:
    """Make a key; return what is stored of it, and the key itself, which nothing tells again.

    Raises:
        Malformed: when the name or the scopes are invalid, or the key would expire in the past.
        NameTaken: when another key that isn't revoked has the name.
        TooManyKeys: when there are a thousand.
    """
    try:
        check_key(name=name, scopes=scopes)
    except InvalidKey as error:
        raise Malformed(str(error)) from None
    if service_keys.count(conn) >= service_keys.MOST:
        raise TooManyKeys(f"There are {service_keys.MOST} service keys: revoke some first.")
    key, key_id = new_key(), KeyId(new_id())
    made = service_keys.insert(
        conn, key_id, name=name, digest=digest(key), scopes=scopes, expires_at=expires_at, actor=actor
    )
    if made is None:
        raise NameTaken(f"Another service key is named {name}.", field="name")
    row, in_future = made
    if not in_future:
        raise Malformed("expiresAt: must be in the future.")
    until = expires_at and expires_at.astimezone(UTC).isoformat()
    audit_events.record(
        conn, "key_created", actor=actor, reason=reason, keyId=key_id, name=name, scopes=list(scopes), expiresAt=until
    )
    return row, key


def revoke(
    conn: sa.Connection, *, actor: str, reason: str | None, key_id: str | None = None, name: str | None = None
) -> KeyId:
    """Revoke the key with an id or a name, and return its id.

    Raises:
        NotFound: when there is no such key, or it was revoked before.
    """
    found = service_keys.revoke(conn, key_id=key_id, name=name)
    if found is None:
        raise NotFound("There is no such service key.")
    revoked, its_name = found
    audit_events.record(conn, "key_revoked", actor=actor, reason=reason, keyId=revoked, name=its_name)
    return revoked
