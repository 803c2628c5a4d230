"""SQL that finds players on a board by how their names begin."""

import sqlalchemy as sa

from app.domain.ids import BoardId, UserId
from db.order import KEY, LISTED

LOOKED_AT = 200
"""Users of each kind of name that are looked at, in the order of the names: however many others begin alike."""

# Each by an index that gives its rows in order, so that no more are read than are looked at. LIMIT 1: each of them is
# looked up by itself, whatever the statistics say.
_FIND = sa.text(f"""
    WITH named AS MATERIALIZED (
        (
            SELECT id FROM users WHERE username_key LIKE :pattern
            ORDER BY username_key USING ~<~ LIMIT {LOOKED_AT}
        )
        UNION
        (
            SELECT id FROM users WHERE display_name IS NOT NULL AND lower(display_name) LIKE lower(:pattern)
            ORDER BY lower(display_name) USING ~<~ LIMIT {LOOKED_AT}
        )
    )
    SELECT it.user_id::text FROM named CROSS JOIN LATERAL (
        SELECT * FROM standings WHERE board_id = :board AND user_id = named.id LIMIT 1
    ) AS it
    WHERE {LISTED.format(it="it")} ORDER BY {KEY.format(it="it")} LIMIT :limit
""")


def find(conn: sa.Connection, board_id: BoardId, beginning: str, *, limit: int) -> list[UserId]:
    """Find who is on a board by what a username or display name begins with, whatever its case, the best first.

    Of names that very many begin with, only the first are looked at: a longer beginning finds the others.
    """
    values = {"pattern": f"{_literal(beginning.lower())}%", "board": board_id, "limit": limit}
    return list(conn.execute(_FIND, values).scalars())


def _literal(text: str) -> str:
    """Return what LIKE takes for this very text."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
