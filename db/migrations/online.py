"""Changes of the schema that go on while the service works, on tables of any size."""

import sqlalchemy as sa
from alembic import op

_STATE = sa.text("""
    SELECT indisvalid, coalesce(pg_get_expr(indpred, indrelid), '') FROM pg_index
    WHERE indexrelid = to_regclass(:name)
""")

_WITHOUT_INDEX = sa.text("""
    SELECT CAST(inhrelid AS regclass)::text FROM pg_inherits AS part
    WHERE inhparent = to_regclass(:table) AND NOT EXISTS (
        SELECT FROM pg_inherits AS index JOIN pg_index ON indexrelid = index.inhrelid
        WHERE index.inhparent = to_regclass(:name) AND indrelid = part.inhrelid
    )
    ORDER BY 1
""")


def make_index(name: str, definition: str, *, unique: bool = False, condition_has: str = "") -> None:
    """Make an index while others write.

    An index of that name is kept if it is valid and its condition contains `condition_has`. What an interrupted attempt
    left behind is invalid, and is made again. One with another condition is replaced once the new one is there.

    Args:
        definition: what follows ON in CREATE INDEX.
        condition_has: a part of the condition as PostgreSQL prints it.
    """
    # No transaction, as CONCURRENTLY wants it; and no bound on waiting for a lock: it waits for old transactions, while
    # nobody waits for it.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        try:
            state = op.get_bind().execute(_STATE, {"name": name}).one_or_none()
            if state and state[0] and condition_has in state[1]:
                return
            kind = "UNIQUE INDEX" if unique else "INDEX"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_new")
            op.execute(f"CREATE {kind} CONCURRENTLY {name}_new ON {definition}")
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {name}_new RENAME TO {name}")
        finally:
            op.execute("SET lock_timeout = '500ms'")


def make_index_of_parts(name: str, table: str, definition: str, *, unique: bool = False) -> None:
    """Make an index of a partitioned table while others write: of each partition by itself, then of all together.

    The table's own is made first, for none, so that partitions that come meanwhile have theirs from the beginning. It
    is valid once each partition's is attached to it. Repeated, it makes what is missing.

    Args:
        name: begins with the table's name; the partitions' indexes have theirs instead.
        definition: what follows the table's name in CREATE INDEX.
    """
    conn = op.get_bind()
    op.execute(f"CREATE {'UNIQUE INDEX' if unique else 'INDEX'} IF NOT EXISTS {name} ON ONLY {table} {definition}")
    for part in conn.execute(_WITHOUT_INDEX, {"table": table, "name": name}).scalars().all():
        index = name.replace(table, part, 1)
        make_index(index, f"{part} {definition}", unique=unique)
        op.execute(f"ALTER INDEX {name} ATTACH PARTITION {index}")


def drop_index(name: str) -> None:
    """Drop an index while others use its table."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        try:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        finally:
            op.execute("SET lock_timeout = '500ms'")


def replace_check(table: str, name: str, condition: str) -> None:
    """Put a check constraint in the place of another that may have its name, validated without holding up writes.

    Does nothing when the constraint is there and its definition has every quoted word of the condition.
    """
    found = (
        op.get_bind()
        .execute(
            sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name AND convalidated"),
            {"name": name},
        )
        .scalar()
    )
    words = [word for word in condition.split("'")[1::2] if word]
    if found and all(f"'{word}'" in found for word in words):
        return
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
