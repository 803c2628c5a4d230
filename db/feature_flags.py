"""SQL on `feature_flags`. A flag that has no row is on."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

BROADCAST = "broadcast"
NAMES = (BROADCAST,)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag and who set it last, if anybody has."""

    name: str
    enabled: bool
    updated_at: datetime | None = None
    updated_by: str | None = None


_READ = sa.text("SELECT name, enabled, updated_at, updated_by FROM feature_flags WHERE name = ANY(:names)")


def read(conn: sa.Connection) -> list[Flag]:
    """Read all flags."""
    found = {row[0]: Flag(*row) for row in conn.execute(_READ, {"names": list(NAMES)})}
    return [found.get(name, Flag(name, enabled=True)) for name in NAMES]


_WRITE = sa.text("""
    INSERT INTO feature_flags (name, enabled, updated_at, updated_by) VALUES (:name, :enabled, now(), :actor)
    ON CONFLICT (name) DO UPDATE SET
        enabled = excluded.enabled, updated_at = excluded.updated_at, updated_by = excluded.updated_by
    RETURNING name, enabled, updated_at, updated_by
""")


def write(conn: sa.Connection, name: str, *, enabled: bool, actor: str) -> Flag:
    """Switch a flag."""
    return Flag(*conn.execute(_WRITE, {"name": name, "enabled": enabled, "actor": actor}).one())
