"""SQL on `standings`: the settled scores. Only the worker and operators write here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.counting import Earned
from app.domain.ids import BoardId, UserId
from app.domain.periods import Period
from app.domain.ranking import TOP, Standing
from db import counted
from db.driver import fetch, send_with_next
from db.order import KEY, LISTED, PLACE
from db.prepared import prepared
from db.ranks import OWN_PLACE, NotCounted
from db.shown import SHOWN

_IS_BETTER = f"{PLACE.format(it='excluded')} < {PLACE.format(it='standing')}"
_IS_EQUAL = "excluded.score = standing.score"

# In the order of boards and user ids, so that two writers can't wait for each other.
_RAISE = prepared(
    "raise_standings",
    f"""
    INSERT INTO standings AS standing (board_id, user_id, score, reached_at, combine, lowest, valued)
    SELECT * FROM unnest(
        CAST(:boards AS text[]), CAST(:users AS uuid[]), CAST(:scores AS bigint[]), CAST(:moments AS timestamptz[]),
        CAST(:combine AS text[]), CAST(:lowest AS boolean[]), CAST(:valued AS boolean[])
    ) AS earned(board_id, user_id, score, reached_at, combine, lowest, valued)
    ORDER BY board_id COLLATE "C", user_id
    ON CONFLICT (board_id, user_id) DO UPDATE SET
        score = CASE excluded.combine
            WHEN 'sum' THEN standing.score + excluded.score
            WHEN 'best' THEN CASE WHEN {_IS_BETTER} THEN excluded.score ELSE standing.score END
            ELSE CASE
                WHEN excluded.reached_at > standing.reached_at
                    OR excluded.reached_at = standing.reached_at AND {_IS_BETTER}
                THEN excluded.score ELSE standing.score
            END
        END,
        reached_at = CASE
            WHEN excluded.combine <> 'best' THEN greatest(standing.reached_at, excluded.reached_at)
            WHEN {_IS_BETTER} THEN excluded.reached_at
            WHEN {_IS_EQUAL} THEN least(standing.reached_at, excluded.reached_at)
            ELSE standing.reached_at
        END,
        combine = excluded.combine, lowest = excluded.lowest, valued = excluded.valued
""",
)


def raise_scores_with_next(conn: sa.Connection, earned: Sequence[Earned]) -> None:
    """Add what was earned to standings, as each board combines it: one entry a board and user."""
    values = {
        "boards": [it.board_id for it in earned],
        "users": [it.user_id for it in earned],
        "scores": [it.score for it in earned],
        "moments": [it.reached_at for it in earned],
        "combine": [it.combine for it in earned],
        "lowest": [it.lowest for it in earned],
        "valued": [it.valued for it in earned],
    }
    send_with_next(conn, _RAISE, values)


_LOCK_TABLE = sa.text("LOCK TABLE standings IN ROW EXCLUSIVE MODE")
_LOCK = sa.text("""
    SELECT 1 FROM standings WHERE board_id = ANY(CAST(:boards AS text[])) AND user_id = ANY(CAST(:users AS uuid[]))
    ORDER BY board_id COLLATE "C", user_id FOR UPDATE
""")


def lock(conn: sa.Connection, board_ids: Iterable[BoardId], user_ids: Sequence[UserId]) -> None:
    """Lock users' standings on boards, in a statement before they are recomputed.

    The record that is read then has whatever settled up to that moment, and what settles afterwards adds to it.
    """
    # The table before its rows: a rebuild, which locks it against writers, would come in between.
    conn.execute(_LOCK_TABLE)
    conn.execute(_LOCK, {"boards": list(board_ids), "users": list(user_ids)})


_RECOMPUTE = """
    WITH record AS MATERIALIZED ({record}), gone AS (
        DELETE FROM standings WHERE {these} AND NOT EXISTS (
            SELECT 1 FROM record WHERE record.board_id = standings.board_id AND record.user_id = standings.user_id
        )
        RETURNING user_id
    ), written AS (
        INSERT INTO standings (board_id, user_id, score, reached_at, combine, lowest, valued)
        SELECT record.*, CAST(:combine AS text), CAST(:lowest AS boolean), CAST(:valued AS boolean) FROM record
        LEFT JOIN standings AS old ON old.board_id = record.board_id AND old.user_id = record.user_id
        WHERE (old.score, old.reached_at, old.combine, old.lowest, old.valued)
            IS DISTINCT FROM (record.score, record.reached_at, :combine, :lowest, :valued)
        ORDER BY record.board_id COLLATE "C", record.user_id
        ON CONFLICT (board_id, user_id) DO UPDATE SET
            score = excluded.score, reached_at = excluded.reached_at,
            combine = excluded.combine, lowest = excluded.lowest, valued = excluded.valued
        RETURNING user_id
    )
    SELECT user_id::text FROM gone UNION SELECT user_id::text FROM written
"""
_OF_USERS = "board_id = :id AND user_id = ANY(CAST(:users AS uuid[]))"
_OF_BOARD = "board_id IN (SELECT id FROM boards WHERE board = :board)"
# Under the lock on the table: a transaction that hides a user has marked its rows before, or will afterwards.
_MARK_ALL = sa.text(f"""
    UPDATE standings SET hidden = NOT {SHOWN} FROM users
    WHERE users.id = standings.user_id AND standings.hidden = {SHOWN}
""")


def recompute(conn: sa.Connection, rule: BoardRule, period: Period, user_ids: Sequence[UserId]) -> list[UserId]:
    """Recompute locked standings of one period from what counts, and return whose changed."""
    return _recompute(conn, rule, counted.in_period(rule, period, user_ids), _OF_USERS)


def lock_all(conn: sa.Connection) -> None:
    """Lock all standings against other writers."""
    conn.execute(sa.text("LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE"))


def extent(conn: sa.Connection, rule: BoardRule) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last moment of what counts on a board, in all its periods."""
    record = counted.extent(rule)
    first, last = conn.execute(sa.text(record.sql), record.values).one()
    return first, last


def recompute_all(conn: sa.Connection, rule: BoardRule) -> list[UserId]:
    """Recompute every standing of a board, in all its periods, which must have their rows; return whose changed.

    All standings must be locked.
    """
    conn.execute(_MARK_ALL)
    return _recompute(conn, rule, counted.in_all_periods(rule), _OF_BOARD)


def _recompute(conn: sa.Connection, rule: BoardRule, record: counted.Record, these: str) -> list[UserId]:
    written = {"combine": rule.by, "lowest": rule.lowest, "valued": rule.valued}
    statement = sa.text(_RECOMPUTE.format(record=record.sql, these=these))
    return list(conn.execute(statement, record.values | written).scalars())


# The index gives the order; what is hidden is not in it.
_TOP = prepared(
    "top_standings",
    f"""
    SELECT it.user_id::text, users.username, it.score, it.reached_at, true, users.display_name, it.lowest, it.valued
    FROM standings AS it JOIN users ON users.id = it.user_id
    WHERE it.board_id = :board AND {LISTED.format(it="it")}
    ORDER BY {KEY.format(it="it")}
    LIMIT :limit
""",
)


def top(conn: sa.Connection, board_id: BoardId, size: int = TOP) -> list[Standing]:
    """Read the first rows of a board from all standings."""
    return [Standing(*row) for row in fetch(conn, _TOP, {"board": board_id, "limit": size})]


@dataclass(frozen=True, slots=True)
class Own:
    """A player's own numbers: all points, what of them stands on the board, and the place there, if any is shown."""

    user_id: UserId
    total_score: int
    score: int
    rank: int | None


_OWN = sa.text(f"""
    SELECT users.id::text, users.total_score, coalesce(mine.score, 0), mine.rank, mine.placed AND mine.rank IS NULL
    FROM users LEFT JOIN LATERAL ({OWN_PLACE.format(user="users.id")}) AS mine ON true
    WHERE users.id = ANY(CAST(:users AS uuid[]))
""")


def own(conn: sa.Connection, board_id: BoardId, user_ids: Sequence[UserId]) -> list[Own]:
    """Read many players' own numbers in one statement; those who don't exist are left out.

    While the board is frozen nobody is told a place.

    Raises:
        NotCounted: while the place of one of them is not known.
    """
    found = []
    for *numbers, unknown in conn.execute(_OWN, {"board": board_id, "users": list(user_ids)}):
        if unknown:
            raise NotCounted
        found.append(Own(*numbers))
    return found
