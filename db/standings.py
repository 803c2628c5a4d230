"""SQL on `standings`: the settled scores. Only the worker and operators write here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain import ranking
from app.domain.ids import BoardId, UserId
from app.domain.ranking import TOP, Standing
from db.driver import send_with_next
from db.shown import NOT_SHOWN, SHOWN

# In the order of user ids, so that two writers can't wait for each other.
_RAISE = sa.text("""
    INSERT INTO standings AS standing (board_id, user_id, score, reached_at)
    SELECT :board, * FROM unnest(CAST(:users AS uuid[]), CAST(:points AS bigint[]), CAST(:moments AS timestamptz[]))
        AS earned(user_id, points, reached_at) ORDER BY user_id
    ON CONFLICT (board_id, user_id) DO UPDATE SET
        score = standing.score + excluded.score,
        reached_at = greatest(standing.reached_at, excluded.reached_at)
""")


def raise_scores_with_next(
    conn: sa.Connection, board_id: BoardId, earned: Sequence[tuple[UserId, int, datetime]]
) -> None:
    """Add points to standings: one entry a user, with the time at which the last of them was earned."""
    values = {
        "board": board_id,
        "users": [user_id for user_id, _, _ in earned],
        "points": [points for _, points, _ in earned],
        "moments": [at for _, _, at in earned],
    }
    send_with_next(conn, _RAISE, values)


# What counts on a board: cleared actions and adjustments. A standing may be negative while points of its user are held.
_COUNTED = """
    SELECT user_id, score AS points, end_at AS at FROM actions
    WHERE settlement = 'cleared' AND score <> 0 {among}
    UNION ALL
    SELECT user_id, points, at FROM audit_events
    WHERE kind = 'adjusted' AND points <> 0 {among}
"""
_AMONG = _COUNTED.format(among="AND user_id = ANY(CAST(:users AS uuid[]))")
_EVERYBODY = _COUNTED.format(among="")

_LOCK = sa.text("""
    SELECT 1 FROM standings WHERE board_id = :board AND user_id = ANY(CAST(:users AS uuid[]))
    ORDER BY user_id FOR UPDATE
""")
_RECOMPUTE = """
    WITH sums AS (
        SELECT user_id, sum(points) AS score, max(at) AS reached_at FROM ({counted}) AS counted GROUP BY user_id
    ), gone AS (
        DELETE FROM standings WHERE board_id = :board {among}
            AND NOT EXISTS (SELECT 1 FROM sums WHERE sums.user_id = standings.user_id)
        RETURNING user_id
    ), written AS (
        INSERT INTO standings AS standing (board_id, user_id, score, reached_at)
        SELECT :board, sums.user_id, sums.score, sums.reached_at FROM sums
        LEFT JOIN standings AS old ON old.board_id = :board AND old.user_id = sums.user_id
        WHERE (old.score, old.reached_at) IS DISTINCT FROM (sums.score, sums.reached_at) ORDER BY sums.user_id
        ON CONFLICT (board_id, user_id) DO UPDATE SET score = excluded.score, reached_at = excluded.reached_at
        RETURNING user_id
    )
    SELECT user_id::text FROM gone UNION ALL SELECT user_id::text FROM written
"""
# Under the lock on the table: a transaction that hides a user has marked its rows before, or will afterwards.
_MARK_ALL = sa.text(f"""
    UPDATE standings SET hidden = NOT {SHOWN} FROM users
    WHERE users.id = standings.user_id AND standings.hidden = {SHOWN}
""")
_RECOMPUTE_SOME = sa.text(_RECOMPUTE.format(counted=_AMONG, among="AND user_id = ANY(CAST(:users AS uuid[]))"))
_RECOMPUTE_ALL = sa.text(_RECOMPUTE.format(counted=_EVERYBODY, among=""))


def recompute(conn: sa.Connection, board_id: BoardId, user_ids: Sequence[UserId]) -> list[UserId]:
    """Recompute standings that fell from what counts, and return those that changed.

    The rows are locked in a statement before: the sums must see whatever settled up to that moment, and what settles
    afterwards adds to them.
    """
    values = {"board": board_id, "users": list(user_ids)}
    # The table before its rows: a rebuild, which locks it against writers, would come in between.
    conn.execute(sa.text("LOCK TABLE standings IN ROW EXCLUSIVE MODE"))
    conn.execute(_LOCK, values)
    return list(conn.execute(_RECOMPUTE_SOME, values).scalars())


def recompute_all(conn: sa.Connection, board_id: BoardId) -> list[UserId]:
    """Recompute every standing under a lock against other writers, and return those that changed."""
    conn.execute(sa.text("LOCK TABLE standings IN SHARE ROW EXCLUSIVE MODE"))
    conn.execute(_MARK_ALL)
    return list(conn.execute(_RECOMPUTE_ALL, {"board": board_id}).scalars())


# The index gives the order; what is hidden is not in it, and whose mark is missing is passed over on the way.
_TOP = sa.text(f"""
    SELECT standings.user_id::text, users.username, standings.score, standings.reached_at, true, users.display_name
    FROM standings JOIN users ON users.id = standings.user_id
    WHERE standings.board_id = :board AND NOT standings.hidden
        AND standings.score > 0 AND {SHOWN}
    ORDER BY standings.score DESC, standings.reached_at, standings.user_id
    LIMIT :limit
""")


def top(conn: sa.Connection, board_id: BoardId) -> list[Standing]:
    """Read the first ten from all standings."""
    return [Standing(*row) for row in conn.execute(_TOP, {"board": board_id, "limit": TOP})]


@dataclass(frozen=True, slots=True)
class Own:
    """A player's own numbers: all points, what of them stands on the board, and the place there, if any."""

    user_id: UserId
    total_score: int
    score: int
    rank: int | None


# The standings down to the last of these players, or to the deepest place, are read once, however many the players are.
_OWN = sa.text(f"""
    WITH mine AS MATERIALIZED (
        SELECT users.id, users.total_score, coalesce(standings.score, 0) AS score,
            coalesce(standings.score > 0 AND {SHOWN}, false) AS placed
        FROM users LEFT JOIN standings ON standings.user_id = users.id AND standings.board_id = :board
        WHERE users.id = ANY(CAST(:users AS uuid[]))
    ), places AS (
        SELECT user_id, row_number() OVER (ORDER BY score DESC, reached_at, user_id) AS rank FROM (
            SELECT user_id, score, reached_at FROM standings
            WHERE board_id = :board AND NOT hidden AND score >= (SELECT min(score) FROM mine WHERE placed)
            ORDER BY score DESC, reached_at, user_id LIMIT :deepest
        ) AS first
        WHERE (SELECT count(*) FROM users AS u WHERE u.id = first.user_id AND {NOT_SHOWN}) = 0
    )
    SELECT mine.id::text, mine.total_score, mine.score, CASE WHEN mine.placed THEN places.rank END
    FROM mine LEFT JOIN places ON places.user_id = mine.id
""")


def own(conn: sa.Connection, board_id: BoardId, user_ids: Sequence[UserId]) -> list[Own]:
    """Read many players' own numbers in one statement; those who don't exist are left out."""
    values = {"board": board_id, "users": list(user_ids), "deepest": ranking.DEEPEST}
    return [Own(*row) for row in conn.execute(_OWN, values)]
