"""SQL on the blocks of a board's order: how many standings are in each. Triggers keep them; see db/migrations/sql."""

from collections.abc import Iterable

import sqlalchemy as sa

from app.domain.ids import BoardId
from db.order import KEY, LISTED

SMALLEST = 256
"""The size of the blocks of a small board; a large one has some four thousand blocks."""

_UNTENDED = sa.text('SELECT board_id FROM rank_counts WHERE untended ORDER BY board_id COLLATE "C"')


def untended(conn: sa.Connection) -> list[BoardId]:
    """Return the boards with a block that has grown too large, or is not counted."""
    return list(conn.execute(_UNTENDED).scalars())


_TEND = sa.text("SELECT tend_ranks(:board, :most, :smallest)")


def tend(conn: sa.Connection, board_id: BoardId, *, most: int, smallest: int = SMALLEST) -> bool:
    """Count, split or join blocks of a board, under the board's lock; return whether there may be more to do.

    In a transaction that writes no standings, or they would be counted twice.

    Args:
        most: standings to read at most.
    """
    return bool(conn.execute(_TEND, {"board": board_id, "most": most, "smallest": smallest}).scalar_one())


_KEY = KEY.format(it="standings")
# Of those that are counted; the others are read by nobody.
_WRONG = sa.text(f"""
    WITH blocks AS (
        SELECT bounds.*, rank_counts.counts[bounds.block] AS players,
            lead(place, 1, 9223372036854775807) OVER w AS next_place,
            lead(reached_at, 1, 'infinity') OVER w AS next_at,
            lead(user_id, 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') OVER w AS next_user
        FROM rank_bounds AS bounds JOIN rank_counts USING (board_id)
        WHERE board_id = :board WINDOW w AS (ORDER BY block)
    )
    SELECT block FROM blocks CROSS JOIN LATERAL (
        SELECT count(*) AS players FROM standings
        WHERE standings.board_id = :board AND {LISTED.format(it="standings")}
            AND ({_KEY}) >= (blocks.place, blocks.reached_at, blocks.user_id)
            AND ({_KEY}) < (next_place, next_at, next_user)
    ) AS found
    WHERE blocks.block BETWEEN :first AND :last AND blocks.players IS NOT NULL AND found.players <> blocks.players
    ORDER BY block
""")


def wrong(conn: sa.Connection, board_id: BoardId, *, first: int = 1, last: int = 2**31 - 1) -> list[int]:
    """Return which blocks, of those from `first` to `last`, have another number of standings than was counted."""
    return list(conn.execute(_WRONG, {"board": board_id, "first": first, "last": last}).scalars())


_BROKEN = sa.text("""
    SELECT count(*) = 0 OR bool_or(
        bounds.blocks IS DISTINCT FROM cardinality(counts) OR NOT bounds.in_order
        OR rank_sums(counts) IS DISTINCT FROM sums
    )
    FROM rank_counts CROSS JOIN LATERAL (
        SELECT count(*) AS blocks, coalesce(bool_and(
            block = number AND (number > 1 OR (place, reached_at) = (-9223372036854775808, '-infinity'))
        ), false) AS in_order
        FROM (
            SELECT *, row_number() OVER (ORDER BY place, reached_at, user_id) AS number
            FROM rank_bounds WHERE rank_bounds.board_id = rank_counts.board_id
        ) AS ordered
    ) AS bounds
    WHERE board_id = :board
""")


def broken(conn: sa.Connection, board_id: BoardId) -> bool:
    """Return whether the blocks of a board don't fit together, whatever is in them."""
    return bool(conn.execute(_BROKEN, {"board": board_id}).scalar_one())


_BOARDS = sa.text("SELECT id FROM boards")


def boards(conn: sa.Connection) -> list[BoardId]:
    """Return the ids of all rows of boards, each of which must have blocks."""
    return list(conn.execute(_BOARDS).scalars())


_SAMPLE = sa.text("SELECT board_id, cardinality(counts) FROM rank_counts ORDER BY random() LIMIT :boards")


def sample(conn: sa.Connection, *, limit: int) -> list[tuple[BoardId, int]]:
    """Return some boards, whichever, each with its number of blocks."""
    return [(BoardId(board_id), blocks) for board_id, blocks in conn.execute(_SAMPLE, {"boards": limit})]


_LOCK = sa.text("SELECT 1 FROM boards WHERE id = :board FOR NO KEY UPDATE")


def lock(conn: sa.Connection, board_id: BoardId) -> None:
    """Lock a board's row: nobody else changes its blocks until the transaction ends."""
    conn.execute(_LOCK, {"board": board_id})


_FORGET = sa.text("""
    UPDATE rank_counts SET counts = forgotten.counts, sums = rank_sums(forgotten.counts), untended = true
    FROM (
        SELECT
            array_agg(CASE WHEN block = ANY(CAST(:blocks AS int[])) THEN NULL ELSE players END ORDER BY block) AS counts
        FROM rank_counts, unnest(counts) WITH ORDINALITY AS it(players, block) WHERE board_id = :board
    ) AS forgotten
    WHERE board_id = :board
""")


def forget(conn: sa.Connection, board_id: BoardId, blocks: Iterable[int]) -> None:
    """Take what was counted in these blocks of a locked board for not known, until they are tended."""
    conn.execute(_FORGET, {"board": board_id, "blocks": list(blocks)})


_BEGIN_AGAIN = sa.text("""
    WITH counted AS (
        INSERT INTO rank_counts (board_id, counts, sums, untended) VALUES (:board, '{NULL}', '{NULL}', true)
        ON CONFLICT (board_id) DO UPDATE SET counts = excluded.counts, sums = excluded.sums, untended = true
    )
    INSERT INTO rank_bounds (board_id, place, reached_at, user_id, block)
    VALUES (:board, -9223372036854775808, '-infinity', '00000000-0000-0000-0000-000000000000', 1)
""")
_DROP = sa.text("DELETE FROM rank_bounds WHERE board_id = :board")


def begin_again(conn: sa.Connection, board_id: BoardId) -> None:
    """Leave one block of a locked board, whose number of standings is not known until it is tended."""
    for statement in (_DROP, _BEGIN_AGAIN):
        conn.execute(statement, {"board": board_id})
