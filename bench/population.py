"""Players and actions, made directly in the database, and what is to be true of them in the end."""

import time
from collections.abc import Sequence

import sqlalchemy as sa

from app.access.tokens import Tokens
from app.board import ranks
from app.domain.ids import ActionId, UserId, new_id
from bench.load import Caller, Result
from bench.stack import SECRET_KEY
from config import settings


def empty(db: sa.Engine) -> None:
    """Drop all players and what they did."""
    with db.begin() as conn:
        conn.execute(sa.text("TRUNCATE users, actions, standings, top_scores, audit_events, service_keys CASCADE"))


def players_id(number: str) -> str:
    """Return the SQL that makes a player's id out of a number."""
    return f"(lpad(to_hex(({number})::int), 8, '0') || '-0000-7000-8000-000000000000')::uuid"


def make_players(db: sa.Engine, number: int, prefix: str = "player") -> list[Caller]:
    """Add players directly, since registration is limited, each with a token and an address."""
    ids = [new_id() for _ in range(number)]
    names = [f"{prefix}-{place}" for place in range(number)]
    with db.begin() as conn:
        conn.execute(
            sa.text("""
                INSERT INTO users (id, username, username_key, email, password_hash)
                SELECT id, name, name, name || '@example.org', 'none'
                FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS new(id, name)
            """),
            {"ids": ids, "names": names},
        )
        conn.execute(sa.text("ANALYZE users"))
    return _callers(ids)


def callers_among(players: int, number: int) -> list[Caller]:
    """Return tokens to so many of the players that were added by number."""
    step = players // number
    return _callers([f"{1 + place * step:08x}-0000-7000-8000-000000000000" for place in range(number)])


def _callers(ids: Sequence[str]) -> list[Caller]:
    tokens = Tokens(SECRET_KEY, (), settings.load_or_exit().access_token_ttl)
    return [
        Caller(id_, tokens.issue(UserId(id_), 0), f"10.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}")
        for place, id_ in enumerate(ids)
    ]


def add_standings(db: sa.Engine, players: int) -> None:
    """Add players by number, each with a total and a standing that no action explains."""
    with db.begin() as conn:
        conn.execute(
            sa.text(f"""
                INSERT INTO users (id, username, username_key, email, password_hash, total_score)
                SELECT {players_id("n")}, 'player-' || n, 'player-' || n, n || '@example.org', 'none',
                    (1 + mod(n, 997)) * 10
                FROM generate_series(1, :players) AS n
            """),
            {"players": players},
        )
        conn.execute(
            sa.text("""
                INSERT INTO standings (board_id, user_id, score, reached_at)
                SELECT 'all-time', id, total_score, now() FROM users
            """)
        )
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE"))
    while not ranks.tend(db):
        pass
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("CHECKPOINT"))


def complete(db: sa.Engine, players: int, number: int) -> list[ActionId]:
    """Complete so many actions of random players among those added by number, as the web process leaves them."""
    with db.begin() as conn:
        found = conn.execute(
            sa.text(f"""
                WITH done AS (
                    INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, client_ip)
                    SELECT uuidv7(), {players_id("(1 + floor(random() * :players))")}, 'default', 'completed',
                        now() - interval '1 second', now(), 10, 'pending', '10.0.0.1'
                    FROM generate_series(1, :actions) RETURNING id, user_id, score
                ), raised AS (
                    UPDATE users SET total_score = total_score + mine.score
                    FROM (SELECT user_id, sum(score) AS score FROM done GROUP BY user_id) AS mine
                    WHERE users.id = mine.user_id
                )
                SELECT id::text FROM done
            """),
            {"players": players, "actions": number},
        )
        return [ActionId(id_) for id_ in found.scalars()]


def unsettled(db: sa.Engine) -> int:
    """Count the completed actions that wait to be settled."""
    with db.connect() as conn:
        return int(
            conn.execute(
                sa.text("SELECT count(*) FROM actions WHERE status = 'completed' AND settled_at IS NULL")
            ).scalar_one()
        )


def settled_within(db: sa.Engine, limit: float = 30.0) -> float:
    """Wait until everything is settled, and give the seconds that took."""
    began = time.monotonic()
    while unsettled(db):
        if time.monotonic() - began > limit:
            raise TimeoutError(f"{unsettled(db)} actions are not settled after {limit} s")
        time.sleep(0.02)
    return time.monotonic() - began


def settle_lag(db: sa.Engine) -> float:
    """Return the age of the oldest completion that waits to be settled, in seconds: the metric `settle_lag_seconds`."""
    with db.connect() as conn:
        return float(
            conn.execute(
                sa.text("""
                    SELECT coalesce(extract(epoch FROM now() - min(end_at)), 0)
                    FROM actions WHERE status = 'completed' AND settled_at IS NULL
                """)
            ).scalar_one()
        )


def check_history(db: sa.Engine, results: Sequence[Result]) -> int:
    """Hold every acknowledged completion against the database, and give their number.

    Raises:
        AssertionError: when one is missing, or was counted twice.
    """
    acknowledged = [action_id for result in results for action_id in result.completed]
    assert len(acknowledged) == len(set(acknowledged)), "an action was acknowledged twice"
    with db.connect() as conn:
        found = conn.execute(
            sa.text("SELECT count(*) FROM actions WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'completed'"),
            {"ids": acknowledged},
        ).scalar_one()
        wrong = conn.execute(
            sa.text("""
                SELECT count(*) FROM users LEFT JOIN (
                    SELECT user_id, sum(score) AS points FROM actions WHERE status = 'completed' GROUP BY 1
                ) AS mine ON mine.user_id = users.id
                LEFT JOIN standings ON standings.user_id = users.id
                WHERE total_score <> coalesce(points, 0) OR coalesce(standings.score, 0) <> coalesce(points, 0)
            """)
        ).scalar_one()
    assert found == len(acknowledged), f"{len(acknowledged) - found} acknowledged completions are not in the database"
    assert wrong == 0, f"{wrong} players have another total or standing than what they completed"
    return len(acknowledged)
