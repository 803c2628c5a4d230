"""SQL on freezes: from when a board keeps the rows that it shows, and how many of its places are revealed.

Each change of what is shown is a new version of the board. Its row is locked before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from msgspec import UNSET

from app.domain.board_rules import BoardRules
from app.domain.freezes import Freeze
from app.domain.ids import BoardId
from app.domain.messages import Row
from db.driver import send_with_next
from db.shown import SHOWN

FROZEN = "({it}.says_frozen OR coalesce({it}.frozen_from <= clock_timestamp(), false))"
"""Holds for a row of `boards`, named `{it}`, that is frozen.

The clock is asked after the statement took its snapshot: what a statement has read, for which this doesn't hold, is
from before the freeze.
"""


NOT_FROZEN = f"NOT EXISTS (SELECT FROM boards WHERE boards.id = :board AND {FROZEN.format(it='boards')})"
"""Holds while the board `:board` is not frozen: the places on it may be told."""

_OF = sa.text(f"""
    SELECT id, frozen_from, revealed, places FROM boards
    WHERE id = ANY(CAST(:boards AS text[])) AND {FROZEN.format(it="boards")}
""")


def of(conn: sa.Connection, board_ids: Sequence[BoardId]) -> dict[BoardId, Freeze]:
    """Return the freezes of those of the boards that are frozen."""
    return {BoardId(row[0]): Freeze(*row[1:]) for row in conn.execute(_OF, {"boards": list(board_ids)})}


@dataclass(frozen=True, slots=True)
class State:
    """A board's freeze, be it in force, planned or over; `now` is PostgreSQL's clock."""

    board_id: BoardId
    frozen: bool
    frozen_from: datetime | None
    thawed_at: datetime | None
    revealed: int | None
    places: int | None
    version: int
    now: datetime


_LOCK = sa.text("SELECT 1 FROM boards WHERE id = :board FOR NO KEY UPDATE")
_STATE = f"""
    SELECT id, {FROZEN.format(it="boards")}, frozen_from, thawed_at, revealed, places, version, clock_timestamp()
    FROM boards
"""
_READ = sa.text(f"{_STATE} WHERE id = :board")
_THESE = "id = ANY(CAST(:boards AS text[]))"
_FIND = sa.text(f"{_STATE} WHERE {_THESE} ORDER BY id")
_FIND_PLANNED = sa.text(f"{_STATE} WHERE {_THESE} OR frozen_from IS NOT NULL ORDER BY id LIMIT 500")


def lock(conn: sa.Connection, board_id: BoardId) -> State:
    """Lock a board's row until the transaction ends, then read its freeze."""
    send_with_next(conn, _LOCK, {"board": board_id})
    return read(conn, board_id)


def read(conn: sa.Connection, board_id: BoardId) -> State:
    """Read a board's freeze."""
    return State(*conn.execute(_READ, {"board": board_id}).one())


def find(conn: sa.Connection, board_ids: Sequence[BoardId], *, planned: bool = False) -> list[State]:
    """Read the freezes of these boards; with `planned` also of all others that are frozen or will be."""
    return [State(*row) for row in conn.execute(_FIND_PLANNED if planned else _FIND, {"boards": list(board_ids)})]


_PLAN = sa.text("UPDATE boards SET frozen_from = :at WHERE id = :board")
_BEGIN = sa.text("""
    UPDATE boards SET frozen_from = clock_timestamp(), says_frozen = true, version = version + 1,
        updated_at = clock_timestamp()
    WHERE id = :board
""")
# A moment of the rules that is still ahead stays planned.
_END = sa.text("""
    UPDATE boards SET
        frozen_from = CASE WHEN rule_freeze_at > clock_timestamp() THEN rule_freeze_at END,
        thawed_at = clock_timestamp(), says_frozen = false, revealed = NULL, places = NULL,
        version = version + 1, updated_at = clock_timestamp()
    WHERE id = :board
""")


def plan(conn: sa.Connection, board_id: BoardId, at: datetime | None) -> None:
    """Let a board freeze at a moment, or forget what was planned."""
    conn.execute(_PLAN, {"board": board_id, "at": at})


def begin(conn: sa.Connection, board_id: BoardId) -> None:
    """Freeze a board from this moment on."""
    conn.execute(_BEGIN, {"board": board_id})


def end(conn: sa.Connection, board_id: BoardId) -> None:
    """End a board's freeze; its rows are still those of it."""
    conn.execute(_END, {"board": board_id})


# What is frozen stays so, whatever the rules say by now; and what was thawed is not frozen again by an earlier moment.
# Locked in the order of ids.
_FOLLOW_RULES = sa.text(f"""
    WITH rules AS (
        SELECT * FROM unnest(CAST(:boards AS text[]), CAST(:moments AS timestamptz[])) AS it(board, at)
    ), other AS MATERIALIZED (
        SELECT id, rules.at FROM boards JOIN rules ON rules.board = boards.id
        WHERE rule_freeze_at IS DISTINCT FROM rules.at ORDER BY id COLLATE "C" FOR NO KEY UPDATE OF boards
    )
    UPDATE boards SET rule_freeze_at = other.at, frozen_from = CASE
        WHEN {FROZEN.format(it="boards")} THEN frozen_from
        WHEN thawed_at >= other.at THEN NULL
        ELSE other.at
    END
    FROM other WHERE boards.id = other.id
""")


def follow_rules(conn: sa.Connection, moments: Mapping[BoardId, datetime | None]) -> None:
    """Take over at which moments, if any, the rules of boards let them freeze."""
    conn.execute(_FOLLOW_RULES, {"boards": list(moments), "moments": list(moments.values())})


# In the order of ids, which is that of locks.
_BEGIN_DUE = sa.text("""
    WITH due AS MATERIALIZED (
        SELECT id FROM boards WHERE NOT says_frozen AND frozen_from <= clock_timestamp()
        ORDER BY id COLLATE "C" FOR NO KEY UPDATE
    )
    UPDATE boards SET says_frozen = true, version = version + 1, updated_at = clock_timestamp() FROM due
    WHERE boards.id = due.id AND NOT boards.says_frozen
    RETURNING boards.id, boards.frozen_from
""")


def begin_due(conn: sa.Connection) -> list[tuple[BoardId, datetime]]:
    """Let the versions of boards say that they are frozen whose moment has come, and return these with it."""
    return [(BoardId(board_id), since) for board_id, since in conn.execute(_BEGIN_DUE)]


_ROWS = sa.text(f"""
    SELECT top.user_id::text, top.rank, top.score, top.username, top.display_name,
        {SHOWN}, coalesce(users.username, ''), users.display_name
    FROM top_scores AS top JOIN users ON users.id = top.user_id
    WHERE top.board_id = :board ORDER BY rank
""")


@dataclass(frozen=True, slots=True)
class FrozenRow:
    """A row of a frozen board, and whether and by which names its user may be shown now."""

    row: Row
    shown: bool
    username: str
    display_name: str | None


def rows(conn: sa.Connection, board_id: BoardId) -> list[FrozenRow]:
    """Read the rows of a locked board."""
    found = conn.execute(_ROWS, {"board": board_id})
    return [
        FrozenRow(Row(user_id, username, score, rank, UNSET if name is None else name), shown, now, display_name)
        for user_id, rank, score, username, name, shown, now, display_name in found
    ]


# A trigger on top_scores adds the display names; see db/tables.py.
_WRITE_ROWS = sa.text("""
    WITH gone AS (
        DELETE FROM top_scores WHERE board_id = :board AND rank <> ALL(CAST(:ranks AS int[]))
    ), written AS (
        INSERT INTO top_scores (board_id, rank, user_id, username, score, updated_at)
        SELECT :board, * , clock_timestamp() FROM unnest(
            CAST(:ranks AS int[]), CAST(:users AS uuid[]), CAST(:names AS text[]), CAST(:scores AS bigint[])
        )
        ON CONFLICT (board_id, rank) DO UPDATE SET
            user_id = excluded.user_id, username = excluded.username, score = excluded.score,
            updated_at = excluded.updated_at
    )
    UPDATE boards SET version = version + 1, updated_at = clock_timestamp(), says_frozen = true,
        revealed = :revealed, places = :places
    WHERE id = :board
""")


def write_rows(
    conn: sa.Connection, board_id: BoardId, shown: Sequence[Row], *, revealed: int | None, places: int | None
) -> None:
    """Write the rows that a locked, frozen board shows, with the ranks that they have."""
    values = {
        "board": board_id,
        "ranks": [row.rank for row in shown],
        "users": [row.userId for row in shown],
        "names": [row.username for row in shown],
        "scores": [row.score for row in shown],
        "revealed": revealed,
        "places": places,
    }
    conn.execute(_WRITE_ROWS, values)


# What the standings of now can't tell: that the rows may be shown, are named as their users, and stand in order.
_WRONG_ROWS = sa.text(f"""
    SELECT count(*) FROM (
        SELECT NOT {SHOWN}
            OR (users.username, users.display_name) IS DISTINCT FROM (top.username, top.display_name)
            OR top.rank <> coalesce(boards.places - boards.revealed, 0) + row_number() OVER above
            OR coalesce(lag(top.score) OVER above < top.score AND NOT rule.lowest, false)
            OR coalesce(lag(top.score) OVER above > top.score AND rule.lowest, false) AS wrong
        FROM unnest(CAST(:boards AS text[]), CAST(:lowest AS boolean[])) AS rule(board, lowest)
        JOIN boards ON boards.board = rule.board AND {FROZEN.format(it="boards")}
        JOIN top_scores AS top ON top.board_id = boards.id
        JOIN users ON users.id = top.user_id
        WINDOW above AS (PARTITION BY boards.id ORDER BY top.rank)
    ) AS row
    WHERE row.wrong
""")


def wrong_rows(conn: sa.Connection, rules: BoardRules) -> int:
    """Count rows of frozen boards that may not be shown, or not so."""
    values = {"boards": list(rules), "lowest": [rule.lowest for rule in rules.values()]}
    return int(conn.execute(_WRONG_ROWS, values).scalar_one())
