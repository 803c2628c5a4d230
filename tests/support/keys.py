"""Service keys: how tests make and revoke them, as bin/manage does."""

from datetime import datetime

import httpx2

from app.access import issued_keys
from app.domain.service_keys import KeyScope
from db.transaction import in_transaction
from tests.support.people import unique
from tests.support.service import Process, Stores


def add_key(stores: Stores, *scopes: KeyScope, name: str = "", expires_at: datetime | None = None) -> str:
    """Make a service key with some scopes, and return it."""
    name = name or unique("key")
    _, key = in_transaction(
        stores.engine,
        lambda conn: issued_keys.make(
            conn, name=name, scopes=scopes, expires_at=expires_at, actor="shell", reason=None
        ),
    )
    return key


def revoke_key(stores: Stores, name: str) -> None:
    """Revoke a service key."""
    in_transaction(stores.engine, lambda conn: issued_keys.revoke(conn, name=name, actor="shell", reason=None))


def with_key(process: Process, key: str) -> httpx2.Client:
    """Return a client of a process that sends a service key."""
    return httpx2.Client(base_url=process.url, timeout=10, headers={"authorization": f"Bearer {key}"})
