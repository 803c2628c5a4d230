"""SQL that takes a month of actions out of the table, and keeps what they count for.

What they count for and the detaching are one transaction: there is no moment at which points count twice, or not at
all. While it is made, a trigger refuses whatever would change it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from app.domain.board_rules import BoardRule, BoardRules
from app.domain.ids import ActionId
from db import counted, partitions
from db.partitions import Partition

_SEAL = """
    SET LOCAL lock_timeout = '300ms';
    CREATE OR REPLACE TRIGGER {table}_sealed BEFORE INSERT OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION keep_what_counts();
    CREATE OR REPLACE TRIGGER {table}_sealed_rows BEFORE UPDATE ON {table} FOR EACH ROW
        WHEN ((OLD.id, OLD.user_id, OLD.type, OLD.status, OLD.end_at, OLD.score, OLD.value, OLD.settlement)
            IS DISTINCT FROM
            (NEW.id, NEW.user_id, NEW.type, NEW.status, NEW.end_at, NEW.score, NEW.value, NEW.settlement))
        EXECUTE FUNCTION keep_what_counts();
"""
_UNSEAL = """
    SET LOCAL lock_timeout = '300ms';
    DROP TRIGGER IF EXISTS {table}_sealed ON {table};
    DROP TRIGGER IF EXISTS {table}_sealed_rows ON {table};
"""
_SEALS = sa.text("""
    SELECT array_agg(oid ORDER BY oid) FROM pg_trigger
    WHERE tgrelid = CAST(CAST(:table AS text) AS regclass) AND tgname LIKE '%\\_sealed%'
""")


def seal(conn: sa.Connection, table: str) -> list[int]:
    """Refuse from now on every change of what a partition's actions count for; return what `take_out` is given."""
    conn.exec_driver_sql(_SEAL.format(table=table))
    return list(conn.execute(_SEALS, {"table": table}).scalar_one())


def unseal(conn: sa.Connection, table: str) -> None:
    """Allow changes of a partition's actions again."""
    conn.exec_driver_sql(_UNSEAL.format(table=table))


@dataclass(frozen=True, slots=True)
class Found:
    """What a partition holds: how many actions, and how many are open, not settled or held."""

    actions: int
    open: int
    pending: int
    held: int


def look(conn: sa.Connection, table: str) -> Found:
    """Count a partition's actions, all of them, and those that may still come to count."""
    row = conn.exec_driver_sql(f"""
        SELECT count(*), count(*) FILTER (WHERE status = 'started'),
            count(*) FILTER (WHERE settlement = 'pending'), count(*) FILTER (WHERE settlement = 'held')
        FROM {table}
    """).one()
    return Found(*row)


def cancel_open(conn: sa.Connection, table: str, *, limit: int) -> int:
    """Cancel some of a partition's open actions that nobody has locked; return how many."""
    return conn.execute(
        sa.text(f"""
            UPDATE {table} SET status = 'cancelled', end_at = clock_timestamp() WHERE id = ANY(ARRAY(
                SELECT id FROM {table} WHERE status = 'started' LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
            ))
        """),
        {"limit": limit},
    ).rowcount


def lines(conn: sa.Connection, table: str) -> Iterator[str]:
    """Read a partition's actions in the order of their ids, each as a JSON object, without addresses and metadata."""
    query = f"""
        SELECT row_to_json(it)::text FROM (
            SELECT id AS "actionId", user_id AS "userId", type, status, start_at AS "startAt", end_at AS "endAt", score,
                value, settlement, settled_at AS "settledAt", reported_by AS "reportedBy",
                recorded_at AS "recordedAt"
            FROM {table} ORDER BY id
        ) AS it
    """
    streamed = conn.execution_options(stream_results=True, max_row_buffer=2000, yield_per=2000)
    yield from streamed.execute(sa.text(query)).scalars()


@dataclass(frozen=True, slots=True)
class Archive:
    """A month that was taken out: its table, its bounds, how many actions it had, and the file that they are in."""

    name: str
    ends: ActionId
    until: datetime
    actions: int
    file: str
    sha256: str
    dropped: bool


_KEEP_TOTALS = """
    INSERT INTO archived_scores (archive, board, user_id, score, at)
    SELECT '{table}', '', user_id, coalesce(sum(score) FILTER (WHERE settlement = 'cleared'), 0),
        coalesce(max(end_at) FILTER (WHERE settlement = 'cleared'), max(start_at))
    FROM {table} GROUP BY user_id
"""
_KEEP_STANDINGS = """
    INSERT INTO archived_scores (archive, board, user_id, score, at)
    SELECT '{table}', :board, user_id, score, reached_at FROM ({record}) AS record
"""
_KEEP = """
    INSERT INTO archives (name, starts, ends, until, actions, file, sha256, rules)
    SELECT '{table}', CAST(:starts AS uuid), CAST(:ends AS uuid), (
            SELECT coalesce(max(end_at) FILTER (WHERE settlement = 'cleared'), max(start_at)) FROM {table}
        ), :actions, :file, :sha256, CAST(:rules AS jsonb)
"""


def keep(conn: sa.Connection, it: Partition, rules: BoardRules, *, actions: int, file: str, sha256: str) -> None:
    """Write what a sealed partition's actions count for, on each board and in total."""
    conn.exec_driver_sql(_KEEP_TOTALS.format(table=it.table))
    for rule in rules.values():
        record = counted.of_partition(rule, it.table)
        conn.execute(sa.text(_KEEP_STANDINGS.format(table=it.table, record=record.sql)), record.values)
    values = {
        "starts": it.starts,
        "ends": it.ends,
        "actions": actions,
        "file": file,
        "sha256": sha256,
        "rules": msgspec.json.encode({rule.id: fingerprint(rule) for rule in rules.values()}).decode(),
    }
    conn.execute(sa.text(_KEEP.format(table=it.table)), values)


class NotSealed(Exception):
    """Somebody has lifted the seal meanwhile: what was counted may have changed."""


# Users before actions, as everywhere. Erasing a person, and forgetting addresses, don't reach the table any more, so
# what they would have to take away goes now. So does the reference to users: for that no backup could be restored in
# place.
_DETACH = f"""
    SET LOCAL lock_timeout = '{partitions.LOCK_WITHIN}';
    LOCK TABLE users IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE actions IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE actions DETACH PARTITION {{table}};
    ALTER TABLE {{table}} DROP COLUMN client_ip, DROP COLUMN metadata;
    DO $$
    DECLARE
        it text;
    BEGIN
        FOR it IN SELECT conname FROM pg_constraint WHERE conrelid = '{{table}}'::regclass AND contype = 'f' LOOP
            EXECUTE 'ALTER TABLE {{table}} DROP CONSTRAINT ' || quote_ident(it);
        END LOOP;
    END
    $$
"""


def detach(conn: sa.Connection, table: str, seals: list[int]) -> None:
    """Take a sealed partition out of `actions`; the caller commits at once, since everybody waits."""
    conn.exec_driver_sql(_DETACH.format(table=table))
    if conn.execute(_SEALS, {"table": table}).scalar_one() != seals:
        raise NotSealed


_ARCHIVES = sa.text("""
    SELECT name, ends::text, until, actions, file, sha256, dropped_at IS NOT NULL FROM archives ORDER BY ends
""")


def archives(conn: sa.Connection) -> list[Archive]:
    """Read what was archived, in the order of the ids."""
    return [Archive(*row) for row in conn.execute(_ARCHIVES)]


def drop(conn: sa.Connection, name: str) -> None:
    """Drop the table of an archive."""
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{partitions.LOCK_WITHIN}'")
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    conn.execute(sa.text("UPDATE archives SET dropped_at = clock_timestamp() WHERE name = :name"), {"name": name})


_UNTIL = sa.text("SELECT max(until) FROM archives")


def until(conn: sa.Connection) -> datetime | None:
    """Return when the last archived action ended, None while nothing is archived."""
    moment: datetime | None = conn.execute(_UNTIL).scalar_one()
    return moment


_RULES = sa.text("""
    SELECT rules -> CAST(:board AS text) FROM archives
    WHERE until > coalesce(CAST(:starts AS timestamptz), '-infinity')
""")
_FORGET = sa.text("DELETE FROM archived_scores WHERE board = :board")
_TAKE_ON = sa.text(
    "UPDATE archives SET rules = rules || jsonb_build_object(CAST(:board AS text), CAST(:rule AS jsonb))"
)


def differs(conn: sa.Connection, rule: BoardRule) -> bool:
    """Return whether a board has another rule than what is archived was counted by, or is newer than that."""
    found = conn.execute(_RULES, {"board": rule.id, "starts": rule.starts}).scalars()
    return any(kept != fingerprint(rule) for kept in found)


def leave_out(conn: sa.Connection, rule: BoardRule) -> None:
    """Let a board count from now on, by its present rule, only what isn't archived."""
    conn.execute(_FORGET, {"board": rule.id})
    conn.execute(_TAKE_ON, {"board": rule.id, "rule": msgspec.json.encode(fingerprint(rule)).decode()})


def fingerprint(rule: BoardRule) -> dict[str, Any]:
    """Return what decides what counts on a board, as JSON has it."""
    return {
        "window": rule.window,
        "zone": rule.zone,
        "starts": rule.starts.isoformat() if rule.starts else None,
        "ends": rule.ends.isoformat() if rule.ends else None,
        "types": None if rule.types is None else sorted(rule.types),
        "of": rule.of,
        "by": rule.by,
        "order": rule.order,
    }
