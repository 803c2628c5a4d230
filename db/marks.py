"""Moments in the database's time before which there is nothing left to do.

A partial index such as the outbox's keeps the entries of what was done for as long as some old snapshot may see them:
an export of twenty minutes, or a backup. A query for what is left reads them all, unless it knows where to begin.
The marks are in PostgreSQL and not in Redis, so that a restored backup has the marks that belong to it.
"""

from datetime import datetime

import sqlalchemy as sa

MARGIN = 120
"""Seconds by which a mark stays behind the present: longer than any transaction that writes such entries may take."""

OUTBOX, HELD = "outbox", "held"

AT = "coalesce((SELECT at FROM marks WHERE name = '{name}'), '-infinity')"
"""The SQL of a mark."""

_FORGET = sa.text("DELETE FROM marks WHERE name = :name")


def forget(conn: sa.Connection, name: str) -> None:
    """Remove a mark, so that everything is looked at again: something was left behind it."""
    conn.execute(_FORGET, {"name": name})


_ADVANCE = sa.text("""
    INSERT INTO marks (name, at)
    VALUES (:name, least(statement_timestamp() - make_interval(secs => :margin), CAST(:left AS timestamptz)))
    ON CONFLICT (name) DO UPDATE SET at = excluded.at
    WHERE marks.at < excluded.at
        - CASE WHEN excluded.at = CAST(:left AS timestamptz) THEN interval '0 s' ELSE interval '10 s' END
""")


def advance(conn: sa.Connection, name: str, *, left: datetime | None = None) -> None:
    """Note that nothing is left from before `MARGIN` seconds ago, or from before the oldest that is `left`.

    Without that it is written every ten seconds at most.
    """
    conn.execute(_ADVANCE, {"name": name, "margin": MARGIN, "left": left})
