"""Plans that were made on empty tables are good for 200,000 rows that no statistics know of.

Where statistics know how small the tables were, they become good by the time that as much was sent again.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app import actions, posts
from app.board import publish, settle
from app.board.vetting import Vetting
from app.domain import fraud, scoring
from app.domain.actions import CompletedAction, End, Start
from app.domain.idempotency import Idempotency
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId, new_id
from app.domain.posts import Post, Recorded
from config import rules
from config.settings import HERE
from db import engine as engines
from db import standings
from db.transaction import in_statement, in_transaction
from tests.support.board import BOARDS
from tests.support.service import Stores

PLAYERS, EACH, AT_ONCE = 10_000, 20, 20
TABLES = ("users", "actions_before", "actions_other", "standings", "top_scores", "boards", "idempotency_keys")
RULES = scoring.parse({"types": {"default": {"points": 10}, "daily": {"points": 10, "per_day": 1000}}})
VETTING = Vetting(fraud.parse(rules.read(HERE / "fraud.toml")), default_award=10)

FILL = (
    f"""
    INSERT INTO users (id, username, username_key, email, password_hash)
    SELECT CAST(lpad(CAST(n AS text), 8, '0') || '-0000-7000-8000-000000000000' AS uuid), n, n, n, '-'
    FROM generate_series(1, {PLAYERS}) AS n ON CONFLICT DO NOTHING
    """,
    # Of the last two hours, each from an address of its own; every second of them from one /64.
    f"""
    INSERT INTO actions (
        id, user_id, type, status, start_at, end_at, score, settlement, settled_at, client_ip
    )
    SELECT CAST(lpad(CAST(n AS text), 8, '0') || '-0000-7000-8000-000000000001' AS uuid),
        CAST(lpad(CAST(1 + n % {PLAYERS} AS text), 8, '0') || '-0000-7000-8000-000000000000' AS uuid),
        'daily', 'completed', at, at, 10, 'cleared', at,
        n + CASE n % 2 WHEN 0 THEN inet '10.0.0.0' ELSE inet '2001:db8::' END
    FROM generate_series(1, {PLAYERS * EACH}) AS n,
        LATERAL (SELECT now() - make_interval(secs => 60 + 7000.0 * n / {PLAYERS * EACH}) AS at) AS moment
    """,
    """
    INSERT INTO standings (board_id, user_id, score, reached_at)
    SELECT 'all-time', user_id, sum(score), max(end_at) FROM actions GROUP BY user_id ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO idempotency_keys (owner_id, key, body_hash, action_id)
    SELECT user_id, id::text, decode(repeat('00', 32), 'hex'), id FROM actions WHERE type = 'daily'
    """,
)
READ = sa.text("""
    SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class
    WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
""")
"""Rows of tables, and entries of their indexes, that this connection has read in this transaction."""


@pytest.fixture
def hot(engine: sa.Engine) -> Iterator[sa.Engine]:
    url = engine.url.render_as_string(False)
    made = engines.connect(url, engines.OPERATOR, pool_size=1, name="test", prepares=True)
    yield made
    made.dispose()


def read(engine: sa.Engine, work: Callable[[sa.Connection], object]) -> int:
    """Return the rows that PostgreSQL reads for some work."""

    def counted(conn: sa.Connection) -> int:
        before = int(conn.execute(READ).scalar_one())
        work(conn)
        return int(conn.execute(READ).scalar_one()) - before

    return in_transaction(engine, counted)


def play(engine: sa.Engine, players: list[UserId]) -> dict[str, int]:
    """Take an action of each player from its start to the boards, and reports sent twice; return the rows read."""
    starts = [
        Start(ActionId(new_id()), user_id, 0, "daily", f"2001:db8::{n:x}" if n % 2 else f"10.0.0.{n}", "{}")
        for n, user_id in enumerate(players, 1)
    ]
    ends = [End(it.action_id, it.user_id, 0, "completed", it.client_ip) for it in starts]
    reports, again = (
        [
            Post(
                ActionId(new_id()),
                user_id,
                None,
                "completed",
                "daily",
                f"10.0.1.{n}",
                "{}",
                end_at=moment,
                reported_by=None,
                idempotency=Idempotency(user_id, f"{starts[0].action_id}{n}", "00" * 32),
            )
            for n, user_id in enumerate(players, 1)
        ]
        for moment in [datetime.now(UTC) - timedelta(minutes=1)] * 2
    )
    done: list[object] = []
    replayed: list[object] = []
    settled: list[settle.Settled] = []
    ids = [*(it.action_id for it in starts), *(it.action_id for it in reports)]
    count = {
        "start": read(engine, lambda conn: actions.start(conn, starts, max_open=1000)),
        "end": read(engine, lambda conn: done.extend(actions.end(conn, ends, RULES))),
        "report": read(engine, lambda conn: done.extend(posts.record(conn, reports, RULES))),
        "report again": read(engine, lambda conn: replayed.extend(posts.record(conn, again, RULES))),
        "settle": read(engine, lambda conn: settled.append(settle.settle(conn, BOARDS, ids, VETTING))),
        "rebuild the top": read(engine, lambda conn: standings.top(conn, DEFAULT_BOARD)),
    }
    assert all(isinstance(it, CompletedAction | Recorded) for it in done), done
    assert all(isinstance(it, Recorded) and it.replayed for it in replayed), replayed
    assert settled[0].cleared + settled[0].held == len(ids)
    publish.read_all(engine, BOARDS)
    return count


@pytest.mark.parametrize("analyzed", ["never", "empty", "few"])
def test_plans_of_small_tables_read_few_of_many_rows(analyzed: str, hot: sa.Engine, stores: Stores) -> None:
    for table in TABLES:
        stores.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    if analyzed == "empty":
        analyze(stores)
    players = [UserId(f"{n:08}-0000-7000-8000-000000000000") for n in range(1, 1 + AT_ONCE)]
    stores.execute(
        "INSERT INTO users (id, username, username_key) SELECT unnest(CAST(:ids AS uuid[])), n, n "
        "FROM unnest(CAST(:names AS text[])) AS n",
        ids=players[:1],
        names=["1"],
    )
    for _ in range(9):  # more often than PostgreSQL would plan for the values, and enough to become suspicious
        play(hot, players[:1])
    if analyzed == "few":
        analyze(stores)
        play(hot, players[:1])
    before = prepared_by(hot)
    assert before >= {"insert_started", "finish_actions", "insert_posts", "earlier_posts", "minutes", "fullest_windows"}
    for statement in FILL:
        stores.execute(statement)
    assert stores.value("SELECT count(*) FROM actions") > 200_000
    if analyzed != "never":
        for _ in range(20):  # until twice as much was sent
            play(hot, players[:1])
    count = play(hot, players)
    assert prepared_by(hot) == before
    assert (
        stores.value("SELECT max(reltuples) FROM pg_class WHERE relname IN ('users', 'actions_before', 'standings')")
        <= 100
    )
    # Of each player what the day has, on three boards; of a table that is read as a whole 10,000 rows at least.
    assert {name: n for name, n in count.items() if n > 5000} == {}


def analyze(stores: Stores) -> None:
    """Have PostgreSQL know how small the tables are, which changes the plans of all connections."""
    for table in TABLES:
        stores.execute(f"ANALYZE {table}")
    stores.execute("ANALYZE actions")  # what is known of all partitions together


def prepared_by(engine: sa.Engine) -> set[str]:
    names = sa.text("SELECT name FROM pg_prepared_statements")
    return in_statement(engine, lambda conn: set(conn.execute(names).scalars()))
