"""The partitions of `actions`: a year each, or less, made ahead, by the ids that are made in it.

Ids are UUIDv7, so that those of some months are a range. What fits nowhere, for nobody has made the partition or a
host's clock is wrong, goes to `actions_other`, and is moved once its partition is made: no write fails for want of one.

Whoever looks by user looks into each partition, so few are best; only months can be archived one by one.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from app.domain.ids import ActionId

OTHER = "actions_other"
"""The partition of what belongs to no other."""

LOCK_WITHIN = "300ms"
"""How long a lock on `actions` is waited for: everybody else queues up behind it."""

BETWEEN = "actions.id BETWEEN CAST(:least AS uuid) AND CAST(:greatest AS uuid)"
"""What follows from `actions.id = ANY(…)`, or from a join with ids. PostgreSQL looks only into the partitions that lie
within when it begins a statement; a list of ids alone would have it look into all."""

_NIL = ActionId("00000000-0000-0000-0000-000000000000")


def bounds(ids: Collection[ActionId]) -> dict[str, ActionId]:
    """Return the values of `BETWEEN` for ids in their canonical form."""
    return {"least": min(ids, default=_NIL), "greatest": max(ids, default=_NIL)}


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, and its bounds as ids: None where it begins with the first id of all."""

    table: str
    starts: ActionId | None
    ends: ActionId


def id_at(moment: datetime) -> ActionId:
    """Return the least id that is made at a moment."""
    number = f"{int(moment.timestamp() * 1000):012x}"
    return ActionId(f"{number[:8]}-{number[8:]}-0000-0000-000000000000")


def moment_of(action_id: ActionId) -> datetime:
    """Return when an id was made."""
    return datetime.fromtimestamp(int(action_id.replace("-", "")[:12], 16) / 1000, UTC)


def month_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's month, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(month: datetime) -> datetime:
    """Return the beginning of the month after one."""
    return month_of(month + timedelta(days=32))


_ALL = sa.text("""
    SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class JOIN pg_inherits ON inhrelid = oid
    WHERE inhparent = to_regclass('actions') AND relispartition
""")
_BOUNDS = re.compile(r"FOR VALUES FROM \((MINVALUE|'([0-9a-f-]{36})')\) TO \('([0-9a-f-]{36})'\)")


def of_actions(conn: sa.Connection) -> list[Partition]:
    """Read the partitions that have bounds, in their order."""
    found = [
        Partition(table, ActionId(bounds[2]) if bounds[2] else None, ActionId(bounds[3]))
        for table, expression in conn.execute(_ALL)
        if (bounds := _BOUNDS.fullmatch(expression))
    ]
    return sorted(found, key=lambda it: it.ends)


def after(month: datetime, months: int) -> datetime:
    """Return where the partition ends that begins with a month: as a year's twelfth, quarter, half or whole does."""
    number = (month.year * 12 + month.month - 1) // months * months + months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def missing(partitions: list[Partition], now: datetime, months: int) -> list[Partition]:
    """Return the partitions of so many months each that are to be made: so that the next month has one, too."""
    if not partitions:
        return []
    wanted, found = id_at(next_month(next_month(month_of(now)))), []
    month = moment_of(partitions[-1].ends)
    while id_at(month) < wanted:
        ends = after(month, months)
        found.append(Partition(f"actions_{month:%Y_%m}", id_at(month), id_at(ends)))
        month = ends
    return found


# Users before actions, as everywhere. The new table takes part in the reference to users.
_LOCK = f"""
    SET LOCAL lock_timeout = '{LOCK_WITHIN}';
    LOCK TABLE users IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY actions IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE {OTHER} IN ACCESS EXCLUSIVE MODE;
"""
_MAKE = f"""
    CREATE TABLE {{table}} (LIKE actions INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    WITH moved AS (DELETE FROM {OTHER} WHERE id >= '{{starts}}' AND id < '{{ends}}' RETURNING *)
    INSERT INTO {{table}} SELECT * FROM moved;
    ALTER TABLE actions ATTACH PARTITION {{table}} FOR VALUES FROM ('{{starts}}') TO ('{{ends}}');
"""


def make_missing(conn: sa.Connection, *, months: int) -> list[str]:
    """Make the partitions that are missing, of so many months each, in this transaction, and return their names.

    Others may make them at the same moment: they are looked at again under the lock.
    """
    if not missing(of_actions(conn), conn.execute(_NOW).scalar_one(), months):
        return []
    conn.exec_driver_sql(_LOCK)
    made = missing(of_actions(conn), conn.execute(_NOW).scalar_one(), months)
    for it in made:
        conn.exec_driver_sql(_MAKE.format(table=it.table, starts=it.starts, ends=it.ends))
    return [it.table for it in made]


def hold(conn: sa.Connection) -> None:
    """Keep the partitions as they are until the transaction ends; others read and write on."""
    conn.execute(sa.text("LOCK TABLE actions IN ACCESS SHARE MODE"))


_NOW = sa.text("SELECT clock_timestamp()")
_IN_OTHER = sa.text(f"SELECT count(*) FROM (SELECT FROM {OTHER} LIMIT 1000) AS first")


def in_other(conn: sa.Connection) -> int:
    """Count the actions that are in no month's partition, up to a thousand."""
    return int(conn.execute(_IN_OTHER).scalar_one())
