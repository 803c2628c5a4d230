"""SQL on `boards` and `top_scores`. The lock on a board's row orders all who write to that board."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa

from app.domain.ids import BoardId, UserId
from app.domain.messages import Row
from app.domain.ranking import TOP, Standing
from db.driver import send_with_next
from db.freezes import FROZEN
from db.shown import SHOWN

_ENSURE = sa.text("INSERT INTO boards (id, epoch) VALUES (:id, :epoch) ON CONFLICT DO NOTHING")


def ensure(conn: sa.Connection, board_id: BoardId, epoch: str) -> None:
    """Make a board's row if there is none."""
    conn.execute(_ENSURE, {"id": board_id, "epoch": epoch})


_LOCK = sa.text("SELECT 1 FROM boards WHERE id = :id FOR NO KEY UPDATE")

# The ids first: with an OR over both sources every user would be read. Of the touched those who might be among the ten.
_PRESENT = sa.text(f"""
    WITH top AS MATERIALIZED (SELECT * FROM top_scores WHERE board_id = :board),
    looked_at AS (
        SELECT user_id FROM top
        UNION SELECT user_id FROM standings WHERE board_id = :board AND user_id = ANY(CAST(:touched AS uuid[]))
            AND score >= (SELECT CASE count(*) WHEN :ten THEN min(score) ELSE 1 END FROM top)
    )
    SELECT boards.version, top.rank, users.id::text, coalesce(users.username, ''), coalesce(standings.score, 0),
        coalesce(standings.reached_at, top.updated_at), {SHOWN}, users.display_name,
        top.username, top.score, top.display_name
    FROM boards LEFT JOIN looked_at ON true LEFT JOIN users ON users.id = looked_at.user_id
    LEFT JOIN standings ON standings.user_id = users.id AND standings.board_id = boards.id
    LEFT JOIN top ON top.user_id = users.id
    WHERE boards.id = :board
""")


@dataclass(frozen=True, slots=True)
class Present:
    """A user's standing now, beside the row that the board has of it, if any."""

    standing: Standing
    row: Row | None


def lock_and_read(conn: sa.Connection, board_id: BoardId, touched: Iterable[str]) -> tuple[int, list[Present]]:
    """Lock a board's row until the transaction ends, then read its version and the standings that may be on it.

    These are the standings of those who are on the board, and of the touched users who have at least as many points as
    the last of a full ten. Lock and read are two statements in one round trip: the read has a snapshot of its own,
    which begins when the lock is held.
    """
    send_with_next(conn, _LOCK, {"id": board_id})
    rows = conn.execute(_PRESENT, {"board": board_id, "touched": list(touched), "ten": TOP}).all()
    result = []
    for _, rank, user_id, username, score, reached_at, active, display_name, *shown in rows:
        if user_id is not None:
            standing = Standing(user_id, username, score, reached_at, active, display_name)
            result.append(Present(standing, _row(user_id, rank, *shown) if rank is not None else None))
    return int(rows[0][0]), result


def rows_of(top: Sequence[Standing]) -> list[Row]:
    """Return standings, the first place first, as the rows of a board."""
    return [_row(it.user_id, rank, it.username, it.score, it.display_name) for rank, it in enumerate(top, start=1)]


def _row(user_id: UserId, rank: int, username: str, score: int, display_name: str | None) -> Row:
    return Row(user_id, username, score, rank, msgspec.UNSET if display_name is None else display_name)


# A trigger on top_scores adds the display names; see db/tables.py.
_WRITE_TOP = sa.text("""
    WITH gone AS (
        DELETE FROM top_scores WHERE board_id = :board AND rank > cardinality(CAST(:users AS uuid[]))
    ), written AS (
        INSERT INTO top_scores (board_id, rank, user_id, username, score, updated_at)
        SELECT :board, * , clock_timestamp() FROM unnest(
            CAST(:ranks AS int[]), CAST(:users AS uuid[]), CAST(:names AS text[]), CAST(:scores AS bigint[])
        )
        ON CONFLICT (board_id, rank) DO UPDATE SET
            user_id = excluded.user_id, username = excluded.username, score = excluded.score,
            updated_at = excluded.updated_at
    )
    UPDATE boards SET version = :version, updated_at = clock_timestamp() WHERE id = :board
""")


def write_top_with_next(conn: sa.Connection, board_id: BoardId, version: int, top: Sequence[Standing]) -> None:
    """Write a locked board's rows, and its new version."""
    values = {
        "board": board_id,
        "version": version,
        "ranks": list(range(1, len(top) + 1)),
        "users": [standing.user_id for standing in top],
        "names": [standing.username for standing in top],
        "scores": [standing.score for standing in top],
    }
    send_with_next(conn, _WRITE_TOP, values)


_READ = sa.text("""
    SELECT boards.epoch::text, boards.version, boards.updated_at,
        top.user_id::text, top.rank, top.username, top.score, top.display_name
    FROM boards LEFT JOIN top_scores AS top ON top.board_id = boards.id
    WHERE boards.id = :board ORDER BY top.rank
""")


@dataclass(frozen=True, slots=True)
class BoardNow:
    """A board as one statement saw it."""

    epoch: str
    version: int
    updated_at: datetime
    rows: list[Row]


def read(conn: sa.Connection, board_id: BoardId) -> BoardNow | None:
    """Read a board and its version in one statement, so that they belong together."""
    found = conn.execute(_READ, {"board": board_id}).all()
    if not found:
        return None
    epoch, version, updated_at = found[0][:3]
    return BoardNow(epoch, version, updated_at, [_row(*row[3:]) for row in found if row[3] is not None])


_READ_FROZEN = sa.text(f"""
    SELECT boards.frozen_from, boards.revealed, boards.places,
        top.user_id::text, top.rank, top.username, top.score, top.display_name
    FROM boards LEFT JOIN top_scores AS top ON top.board_id = boards.id
    WHERE boards.id = :board AND {FROZEN.format(it="boards")} ORDER BY rank
""")


def read_frozen(conn: sa.Connection, board_id: BoardId) -> tuple[datetime, list[Row], int | None, int | None] | None:
    """Read since when a board is frozen, its rows, how many places are revealed and of how many; None if it isn't."""
    found = conn.execute(_READ_FROZEN, {"board": board_id}).all()
    if not found:
        return None
    since, revealed, places = found[0][:3]
    return since, [_row(*row[3:]) for row in found if row[3] is not None], revealed, places


_RENEW = sa.text("""
    UPDATE boards SET epoch = :new, version = version + 1, updated_at = clock_timestamp()
    WHERE id = :board AND epoch = :old
""")


def renew_epoch(conn: sa.Connection, board_id: BoardId, *, old: str, new: str) -> bool:
    """Begin a new epoch of a board; False when another process has done so already."""
    return conn.execute(_RENEW, {"board": board_id, "old": old, "new": new}).rowcount == 1
