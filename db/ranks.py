"""SQL on places: each function is one statement, so what it returns was true at one moment.

A place is counted by blocks of the order, which triggers on `standings` keep: see docs/decisions, "Ranks by counted
blocks", and db/migrations/sql. It is exact or, while a board is being counted, not known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.domain.ids import BoardId, UserId
from db.freezes import FROZEN, NOT_FROZEN
from db.order import KEY, LISTED, PLACE

_KEY = KEY.format(it="standings")
_PLACE = PLACE.format(it="standings")
_ON_BOARD = LISTED.format(it="standings")


class NotCounted(Unavailable):
    """A board's places are not known at the moment."""

    def __init__(self) -> None:
        super().__init__("The places on this board are being counted.")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A user beside a board: `score` is None for who has none there, `rank` for who isn't on it; `of` are on it.

    While the board is being counted `of` is None. `frozen`: these numbers are not for the public.
    """

    user_id: UserId
    username: str
    display_name: str | None
    score: int | None
    rank: int | None
    of: int | None
    frozen: bool


@dataclass(frozen=True, slots=True)
class Key:
    """Where in a board's order a standing is. Source: db/order.py."""

    place: int
    reached_at: datetime
    user_id: UserId


@dataclass(frozen=True, slots=True)
class Listed:
    """A standing that is on a board, with its place."""

    user_id: UserId
    username: str
    display_name: str | None
    score: int
    rank: int
    key: Key


BEFORE_ALL = Key(-(2**63), datetime(1, 1, 1, tzinfo=UTC), UserId("00000000-0000-0000-0000-000000000000"))

# The number of those on a board is read once, however many are asked for. OFFSET: a place is counted once, too.
_RANKS = sa.text(f"""
    WITH asked AS (
        SELECT board_id, user_id FROM unnest(CAST(:boards AS text[]), CAST(:users AS uuid[])) AS it(board_id, user_id)
    ), sizes AS MATERIALIZED (
        SELECT board_id, standings_listed(board_id) AS players,
            EXISTS (SELECT 1 FROM boards WHERE boards.id = board_id AND {FROZEN.format(it="boards")}) AS frozen
        FROM (SELECT DISTINCT board_id FROM asked) AS each
    )
    SELECT asked.board_id, users.id::text, users.username, users.display_name, mine.score, mine.rank,
        CASE WHEN mine.placed AND mine.rank IS NULL THEN NULL ELSE sizes.players END, sizes.frozen
    FROM asked JOIN sizes USING (board_id) JOIN users ON users.id = asked.user_id AND users.status <> 'erased'
    LEFT JOIN LATERAL (
        SELECT score, {_ON_BOARD} AS placed,
            CASE WHEN {_ON_BOARD} THEN 1 + standings_ahead(standings.board_id, {_KEY}) END AS rank
        FROM standings WHERE standings.board_id = asked.board_id AND standings.user_id = asked.user_id OFFSET 0
    ) AS mine ON true
""")


def of(conn: sa.Connection, asked: Iterable[tuple[BoardId, Sequence[UserId]]]) -> dict[tuple[BoardId, UserId], Ranked]:
    """Return the places of users on boards, each once; users who don't exist or were erased are left out."""
    pairs = list(dict.fromkeys((board_id, user_id) for board_id, users in asked for user_id in users))
    values = {"boards": [board_id for board_id, _ in pairs], "users": [user_id for _, user_id in pairs]}
    found = {}
    for board_id, user_id, *rest in conn.execute(_RANKS, values):
        found[BoardId(board_id), UserId(user_id)] = Ranked(UserId(user_id), *rest)
    return found


OWN_PLACE = f"""
    SELECT score, {_ON_BOARD} AND {NOT_FROZEN} AS placed,
        CASE WHEN {_ON_BOARD} AND {NOT_FROZEN} THEN 1 + standings_ahead(board_id, {_KEY}) END AS rank
    FROM standings
    WHERE standings.board_id = :board AND standings.user_id = {{user}} OFFSET 0
"""
"""The SQL of a player's own score on a board and place there, NULL while it is frozen, once for each; `placed` without
a rank: it is not known."""

_PAGE = sa.text("""
    WITH beside AS MATERIALIZED (
        SELECT * FROM standings_beside(
            :board, :place, CAST(:reached_at AS timestamptz), CAST(:user AS uuid), :most, true
        )
    ), first AS MATERIALIZED (
        SELECT standings_ahead(:board, player_place, player_moment, player_id) AS ahead FROM beside WHERE n = 1
    )
    SELECT users.id::text, users.username, users.display_name, beside.player_score, first.ahead + beside.n,
        beside.player_place, beside.player_moment
    FROM beside CROSS JOIN first JOIN users ON users.id = beside.player_id ORDER BY beside.n
""")


def page(conn: sa.Connection, board_id: BoardId, after: Key, *, limit: int) -> list[Listed]:
    """Return the next standings of a board after a key.

    Raises:
        NotCounted: while their places are not known.
    """
    values = {
        "board": board_id,
        "place": after.place,
        "reached_at": after.reached_at,
        "user": after.user_id,
        "most": limit,
    }
    return _listed(conn.execute(_PAGE, values).all())


# As many on each side as there may be rows in all, since at an end they are all on one side.
_AROUND = sa.text(f"""
    WITH mine AS MATERIALIZED (
        SELECT board_id, user_id AS player_id, score, 1 + standings_ahead(board_id, {_KEY}) AS rank,
            {_PLACE} AS place, reached_at
        FROM standings WHERE board_id = :board AND user_id = CAST(:user AS uuid) AND {_ON_BOARD}
    ), near AS (
        SELECT player_id, score, rank, place, reached_at FROM mine
        UNION ALL
        SELECT it.player_id, it.player_score, mine.rank - it.n, it.player_place, it.player_moment
        FROM mine CROSS JOIN LATERAL
            standings_beside(mine.board_id, mine.place, mine.reached_at, mine.player_id, :most, false) AS it
        UNION ALL
        SELECT it.player_id, it.player_score, mine.rank + it.n, it.player_place, it.player_moment
        FROM mine CROSS JOIN LATERAL
            standings_beside(mine.board_id, mine.place, mine.reached_at, mine.player_id, :most, true) AS it
    )
    SELECT users.id::text, users.username, users.display_name, near.score, near.rank, near.place, near.reached_at
    FROM near JOIN users ON users.id = near.player_id ORDER BY near.place, near.reached_at, near.player_id
""")


def around(conn: sa.Connection, board_id: BoardId, user_id: UserId, *, limit: int) -> list[Listed]:
    """Return the standings around a user's: `limit` of them while there are that many, none when the user has no place.

    The user is in the middle; of an even number one more is before. At an end of the board the others are more on the
    other side.

    Raises:
        NotCounted: while their places are not known.
    """
    rows = _listed(conn.execute(_AROUND, {"board": board_id, "user": user_id, "most": limit - 1}).all())
    mine = next((number for number, row in enumerate(rows) if row.user_id == user_id), 0)
    first = max(0, min(mine - limit // 2, len(rows) - limit))
    return rows[first : first + limit]


def _listed(rows: Sequence[Any]) -> list[Listed]:
    if any(row[4] is None for row in rows):
        raise NotCounted
    return [
        Listed(UserId(user_id), username, display_name, score, rank, Key(place, reached_at, UserId(user_id)))
        for user_id, username, display_name, score, rank, place, reached_at in rows
    ]
