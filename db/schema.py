"""Compares a database's schema with `db.tables`, so that a release fails at once and not at run time."""

import re

import sqlalchemy as sa

from db.rank_tables import TRIGGERS
from db.tables import metadata

_FACTS = {
    "column": """
        SELECT relname, attname, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
            || coalesce(' DEFAULT ' || regexp_replace(pg_get_expr(adbin, adrelid), '^''([0-9]+)''::.*$', '\\1'), '')
            || attidentity::text
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = CAST(:schema AS oid) AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
    """,
    "constraint": """
        SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE relnamespace = CAST(:schema AS oid) AND contype IN ('c', 'f', 'p', 'u')
    """,
    "index": """
        SELECT tables.relname, indexes.relname,
            pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid
        JOIN pg_class AS tables ON tables.oid = indrelid
        WHERE tables.relnamespace = CAST(:schema AS oid)
    """,
}

_TRIGGERS = sa.text(
    "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
)
_WANTED = {"users_hide_standings": "users", "audit_events_tell_webhooks": "audit_events", **TRIGGERS}

Facts = dict[tuple[str, str, str], str]
"""The definition of each thing, by its kind, its table and its name."""


def differences(conn: sa.Connection) -> list[str]:
    """Compare the schema with `db.tables`, which is made as temporary tables for the purpose and rolled back.

    Indexes and columns that we don't know are an operator's business; a constraint that we don't know may refuse
    what we write.

    Returns:
        A few words on each table, column, constraint and index that is missing or different.
    """
    have = _facts(conn, "to_regnamespace(current_schema())::oid")
    conn.execute(sa.text("SET LOCAL search_path = pg_temp"))
    metadata.create_all(conn, checkfirst=False)
    want = _facts(conn, "pg_my_temp_schema()")
    conn.rollback()
    triggers = {tuple(row) for row in conn.execute(_TRIGGERS)}
    conn.rollback()
    tables = {table for _, table, _ in have}
    found = {
        f"trigger {name} of {table} is missing" for name, table in _WANTED.items() if (name, table) not in triggers
    }
    for (kind, table, name), definition in want.items():
        if table not in tables:
            found.add(f"table {table} is missing")
        elif have.get((kind, table, name)) is None:
            found.add(f"{kind} {name} of {table} is missing")
        elif have[kind, table, name] != definition:
            found.add(f"{kind} {name} of {table} is another")
    for kind, table, name in have.keys() - want.keys():
        if kind == "constraint" and table in metadata.tables:
            found.add(f"constraint {name} of {table} is unknown")
    return sorted(found)


def _facts(conn: sa.Connection, schema: str) -> Facts:
    oid = conn.execute(sa.text(f"SELECT CAST({schema} AS text)")).scalar_one()
    return {
        (kind, table, name): re.sub(r"\b(pg_temp(_\d+)?|public)\.", "", definition)
        for kind, query in _FACTS.items()
        for table, name, definition in conn.execute(sa.text(query), {"schema": oid})
    }
