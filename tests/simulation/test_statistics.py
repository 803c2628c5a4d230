"""PostgreSQL plans by statistics, which may be from a time when all was different: few rows are read all the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network

import pytest
import sqlalchemy as sa

from app import actions
from app.board import settle
from app.board.vetting import Vetting
from app.domain import fraud, scoring
from app.domain.actions import CompletedAction, End, Start
from app.domain.fraud import Facts
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId, new_id
from config import rules
from config.settings import HERE
from db import actions as rows
from db import addresses, boards, expiry, fraud_facts, invariants, marks, moderation, outbox, persons, standings, users
from db.find import find
from db.transaction import in_transaction
from tests.support.board import ONE_BOARD, WHOLE
from tests.support.service import Stores

PLAYERS, EACH = 10_000, 3
RULES = scoring.parse({"types": {"default": {"points": 10}, "daily": {"points": 10, "per_day": 1000}}})
VETTING = Vetting(fraud.parse(rules.read(HERE / "fraud.toml")), default_award=10)

Work = Callable[[sa.Connection], object]

PLAYERS_COME = f"""
    INSERT INTO users (id, username, username_key, email, password_hash)
    SELECT CAST(lpad(CAST(n AS text), 8, '0') || '-0000-7000-8000-000000000000' AS uuid), n, n, n, '-'
    FROM generate_series(1, {PLAYERS}) AS n
"""
# Every second player comes from the same /64, each by an address of their own.
ENDED = """
    UPDATE actions SET status = 'completed', score = 10, settlement = 'cleared', settled_at = start_at,
        end_at = start_at, client_ip = CAST(substr(user_id::text, 1, 8) AS int)
            + CASE CAST(substr(user_id::text, 1, 8) AS int) % 2 WHEN 0 THEN inet '10.0.0.0' ELSE inet '2001:db8::' END
"""
STARTED = f"""
    INSERT INTO actions (id, user_id, type, start_at)
    SELECT CAST(lpad(CAST(n AS text), 8, '0') || '-0000-7000-8000-000000000001' AS uuid),
        CAST(lpad(CAST(1 + n % {PLAYERS} AS text), 8, '0') || '-0000-7000-8000-000000000000' AS uuid),
        'daily', now() - interval '2 hours' + make_interval(secs => n / 10.0)
    FROM generate_series(1, {PLAYERS * EACH}) AS n
"""
SETTLED = """
    INSERT INTO standings (board_id, user_id, score, reached_at)
    SELECT 'all-time', user_id, sum(score), max(end_at) FROM actions GROUP BY user_id
"""
FORGET = "UPDATE actions SET client_ip = NULL"
ENDLESS = f"""
    INSERT INTO actions (id, user_id, type, start_at)
    SELECT CAST(lpad(CAST(n AS text), 8, '0') || '-0000-7000-8000-000000000002' AS uuid),
        CAST(lpad(CAST(1 + n % {PLAYERS} AS text), 8, '0') || '-0000-7000-8000-000000000000' AS uuid),
        'default', now() - interval '30 days'
    FROM generate_series(1, {PLAYERS}) AS n
"""
# What was done until, and after, the statistics were made.
STALE = {
    "an empty database": ["ANALYZE", PLAYERS_COME, STARTED, ENDED, SETTLED],
    "nothing was started": [PLAYERS_COME, "ANALYZE", STARTED, ENDED, SETTLED],
    "nothing was completed": [PLAYERS_COME, STARTED, "ANALYZE", ENDED, SETTLED],
    "each address was forgotten": [PLAYERS_COME, STARTED, ENDED, SETTLED, FORGET, "ANALYZE", ENDED],
    "each address is forgotten": [PLAYERS_COME, STARTED, ENDED, SETTLED, FORGET, "ANALYZE"],
    "all as it is": [PLAYERS_COME, STARTED, ENDED, SETTLED, "ANALYZE"],
}

READ = sa.text("""
    SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class
    WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
""")
"""Rows of tables, and entries of their indexes, that this connection has read lately."""
BLOCKS = sa.text(READ.text.replace("tuples_returned", "blocks_fetched"))
"""The same in blocks: entries of an index that are passed over count as well."""


@pytest.fixture(params=STALE)
def engine(stores: Stores, request: pytest.FixtureRequest) -> sa.Engine:
    """Many actions of the last two hours, and statistics from before."""
    stores.execute("TRUNCATE users, actions, standings, top_scores, audit_events, boards, marks CASCADE")
    for table in ("users", "actions_before", "actions_other", "standings"):
        stores.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    with stores.engine.begin() as conn:
        boards.ensure(conn, [WHOLE])
    for statement in [*STALE[request.param], ENDLESS]:
        stores.execute(statement)
    with stores.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM"))  # dead rows are not what this is about
    return stores.engine


def read(engine: sa.Engine, work: Work, what: sa.TextClause = READ) -> int:
    """Return the rows that PostgreSQL reads for some work, or the blocks."""

    def counted(conn: sa.Connection) -> int:
        before = int(conn.execute(what).scalar_one())
        work(conn)
        return int(conn.execute(what).scalar_one()) - before

    engine.dispose()  # what this connection has read before may still be on its way into the counts
    return in_transaction(engine, counted)


def test_few_rows_are_read_for_an_action(engine: sa.Engine) -> None:
    players = [UserId(f"{n:08}-0000-7000-8000-000000000000") for n in range(1, 101)]
    starts = [
        Start(ActionId(new_id()), user_id, 0, "daily", f"2001:db8::{n:x}" if n % 2 else f"10.0.0.{n}", "{}")
        for n, user_id in enumerate(players, 1)
    ]
    ends = [End(it.action_id, it.user_id, 0, "completed", it.client_ip) for it in starts]
    done: list[object] = []
    count = {
        "start": read(engine, lambda conn: actions.start(conn, starts, max_open=1000)),
        "end": read(engine, lambda conn: done.extend(actions.end(conn, ends, RULES))),
        "settle": read(engine, lambda conn: settle.settle(conn, ONE_BOARD, [it.action_id for it in starts], VETTING)),
        "lag": read(engine, outbox.settle_lag),
        "list": read(engine, lambda conn: rows.of_user(conn, players[0], statuses=["started"], before=None, limit=20)),
        "expired": read(engine, lambda conn: expiry.cancel_expired(conn, {"daily": 3600}, limit=500)),
        "forget": read(engine, lambda conn: persons.forget_addresses(conn, days=30, limit=500)),
    }
    assert all(isinstance(it, CompletedAction) for it in done), done
    # The day's completions of each of them are counted, which reads them up to their limit.
    most = dict.fromkeys(count, 15 * len(players)) | {"end": (15 + 2 * EACH) * len(players)}
    assert {name: n for name, n in count.items() if n > most[name]} == {}


def test_no_more_of_a_day_is_read_than_its_limit(engine: sa.Engine, stores: Stores) -> None:
    """However much one player has completed today: what is beyond the limit has scored nothing."""
    busy = UserId("00000001-0000-7000-8000-000000000000")
    noon = datetime.now(UTC).replace(hour=12)
    stores.execute(
        "INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, settled_at) "
        "SELECT gen_random_uuid(), :user, 'daily', 'completed', at, at, CASE WHEN n <= 20 THEN 10 ELSE 0 END, "
        "'cleared', at FROM (SELECT n, CAST(:now AS timestamptz) - make_interval(secs => 0.001 * (10000 - n)) AS at "
        "FROM generate_series(1, 10000) AS n) AS made",
        user=busy,
        now=noon,
    )
    found: dict[tuple[UserId, str], int] = {}
    asked = {(busy, "daily"): 20}
    assert read(engine, lambda conn: found.update(rows.completed_today(conn, asked, noon))) < 200
    assert found == asked


def test_no_more_of_a_history_is_read_than_counts(engine: sa.Engine, stores: Stores) -> None:
    """However much one player has completed: the last 500 are what the rule on a player's history looks at."""
    busy = UserId("00000001-0000-7000-8000-000000000000")
    stores.execute(
        "INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, settled_at) "
        "SELECT gen_random_uuid(), :user, 'default', 'completed', at, at, 10, 'cleared', at "
        "FROM (SELECT now() - make_interval(mins => n) AS at FROM generate_series(1, 10000) AS n) AS made",
        user=busy,
    )
    now = datetime.now(UTC)
    judged = Facts(ActionId(new_id()), busy, 10, now, now, None)
    found: dict[ActionId, list[int]] = {}
    assert read(engine, lambda conn: found.update(fraud_facts.minutes(conn, [judged]))) < 700
    assert sum(found[judged.action_id]) == 10 * fraud_facts.HISTORY


def test_last_minutes_completions_alone_are_read_to_count_them(engine: sa.Engine, stores: Stores) -> None:
    """Some have an address and some have none, and it doesn't matter when they began."""
    done = "UPDATE actions SET end_at = now() WHERE id IN (SELECT id FROM actions WHERE score = 10 LIMIT 20)"
    stores.execute(done)
    stores.execute(f"{FORGET} WHERE id IN (SELECT id FROM actions WHERE end_at > now() - interval '1 min' LIMIT 10)")
    found: list[int] = []

    def count(conn: sa.Connection) -> None:
        found.append(conn.execute(sa.text(moderation.COMPLETIONS)).scalar_one())

    assert read(engine, count) < 200
    assert found == [20]


as_it_is = pytest.mark.parametrize("engine", ["all as it is"], indirect=True)


@as_it_is
def test_overdue_reads_no_more_of_a_backlog_than_it_takes(engine: sa.Engine, stores: Stores) -> None:
    stores.execute("UPDATE actions SET settlement = 'pending', settled_at = NULL WHERE status = 'completed'")
    stores.execute("UPDATE actions SET attempts = 1 WHERE id IN (SELECT id FROM actions WHERE score = 10 LIMIT 5000)")
    found: list[tuple[ActionId, int]] = []
    assert read(engine, lambda conn: found.extend(outbox.overdue(conn, age=2, limit=500))) < 10_000
    assert {attempts for _, attempts in found} == {0}
    assert len(found) == 500
    assert read(engine, outbox.settle_lag) < 500


@as_it_is
def test_outbox_reads_few_of_the_entries_an_old_snapshot_keeps(engine: sa.Engine, stores: Stores) -> None:
    """An export of twenty minutes: what was settled meanwhile stays in the index, which would be read each time."""
    stores.execute("UPDATE actions SET settlement = 'pending', settled_at = NULL WHERE status = 'completed'")
    with stores.engine.connect() as export:
        export.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        export.execute(sa.text("SELECT count(*) FROM boards"))
        stores.execute("UPDATE actions SET settlement = 'cleared', settled_at = now() WHERE status = 'completed'")
        whole = read(engine, lambda conn: outbox.overdue(conn, age=2, limit=500))
        in_transaction(engine, lambda conn: marks.advance(conn, marks.OUTBOX))
        assert read(engine, lambda conn: outbox.overdue(conn, age=2, limit=500)) < 500 < whole
        assert read(engine, outbox.settle_lag) < 500


@as_it_is
def test_suspensions_due_read_those_held_since_the_last_look(engine: sa.Engine, stores: Stores) -> None:
    stores.execute(
        "INSERT INTO audit_events (kind, user_id, action_id, actor, details, at) "
        "SELECT 'held', user_id, id, 'system', '{\"rule\": \"velocity\"}', now() - interval '1 hour' FROM actions "
        "WHERE status = 'completed'"
    )
    assert read(engine, lambda conn: fraud_facts.due_for_suspension(conn, held=3, excused=[], limit=100)) < 3000

    def due(conn: sa.Connection) -> object:
        return fraud_facts.due_for_suspension(conn, held=3, excused=[])

    in_transaction(engine, lambda conn: marks.advance(conn, marks.HELD))
    assert read(engine, due) < 500
    newest = stores.rows("SELECT id, user_id FROM actions WHERE status = 'completed' LIMIT 1")[0]
    stores.execute(
        "INSERT INTO audit_events (kind, user_id, action_id, actor, details) "
        "VALUES ('held', :user, :id, 'system', '{\"rule\": \"velocity\"}')",
        id=newest.id,
        user=newest.user_id,
    )
    assert read(engine, due) < 500


@as_it_is
def test_operators_look_ups_read_few_rows(engine: sa.Engine, stores: Stores) -> None:
    def search(query: str) -> Callable[[sa.Connection], object]:
        return lambda conn: moderation.find_users(conn, query, limit=50)

    def pending(conn: sa.Connection) -> object:
        return moderation.actions_by_settlement(conn, "pending", before=None, limit=50)

    assert {query: n for query in ("", "12", "9999", "nobody") if (n := read(engine, search(query))) > 1000} == {}
    # 200 of the thousands that begin so, each with its standing.
    assert read(engine, partial(find, board_id=DEFAULT_BOARD, beginning="1", limit=10)) < 1500
    assert read(engine, partial(find, board_id=DEFAULT_BOARD, beginning="nobody", limit=10)) < 100
    assert read(engine, pending) < 500
    assert read(engine, lambda conn: invariants.wrong_settlements(conn, hours=1)) < 500


@as_it_is
def test_ten_and_a_place_are_read_without_the_suspended_ahead(engine: sa.Engine, stores: Stores) -> None:
    stores.execute(f"UPDATE users SET status = 'suspended' WHERE username_key::int <= {PLAYERS // 2}")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM users, standings"))
    assert read(engine, lambda conn: standings.top(conn, DEFAULT_BOARD)) < 100
    ranked = [
        row.user_id
        for row in stores.rows(
            "SELECT user_id::text FROM standings WHERE NOT hidden ORDER BY score DESC, reached_at, user_id"
        )
    ]
    assert len(ranked) == PLAYERS // 2
    for place in (1, 200, 3000):
        profile = partial(users.profile, user_id=ranked[place - 1], board_id=DEFAULT_BOARD)
        assert read(engine, profile) < 100 + 3 * place
        mine = in_transaction(engine, profile)
        assert mine
        assert mine.rank == place


@as_it_is
def test_network_of_ipv6_is_read_by_its_last_minute(engine: sa.Engine, stores: Stores) -> None:
    """Half of all that was ever done came from this /64, each by an address of its own; and some of it just now."""
    stores.execute(
        "UPDATE actions SET end_at = now() WHERE id IN (SELECT id FROM actions WHERE family(client_ip) = 6 LIMIT 50)"
    )
    asked = (ip_network("2001:db8::/64"), datetime.now(UTC) + timedelta(seconds=1))
    found: dict[addresses.Asked, tuple[int, int]] = {}
    assert read(engine, lambda conn: found.update(addresses.accounts(conn, [asked])), BLOCKS) < 120
    assert [completions for completions, _ in found.values()] == [50]
    stores.execute(
        "UPDATE actions SET settlement = 'pending', settled_at = NULL WHERE id = ("
        "SELECT id FROM actions WHERE family(client_ip) = 6 AND status = 'completed' ORDER BY end_at DESC LIMIT 1)"
    )
    ((judged,),) = stores.rows("SELECT id::text FROM actions WHERE settlement = 'pending'")
    claimed: list[Facts] = []

    def claim(conn: sa.Connection) -> None:
        claimed[:] = outbox.claim_and_look(conn, [judged], (), outbox.Crowds(1000))[0]

    assert read(engine, claim, BLOCKS) < 200
    assert [it.ip_completions for it in claimed] == [50]


@as_it_is
def test_cleared_actions_are_found_behind_open_ones_in_parts(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moderation, "LOOKED_AT", 1000)
    stores.execute(
        "INSERT INTO actions (id, user_id, type) "
        "SELECT CAST('ffffffff-0000-7000-8000-' || lpad(CAST(n AS text), 12, '0') AS uuid), "
        "'00000001-0000-7000-8000-000000000000', 'default' FROM generate_series(1, 2500) AS n"
    )
    want = [
        row.id
        for row in stores.rows("SELECT id::text FROM actions WHERE settlement = 'cleared' ORDER BY id DESC LIMIT 600")
    ]
    found: list[ActionId] = []
    lengths: list[int] = []
    cursor: ActionId | None = None

    def page(conn: sa.Connection) -> None:
        nonlocal cursor
        some, cursor = moderation.actions_by_settlement(conn, "cleared", before=cursor, limit=200)
        lengths.append(len(some))
        found.extend(row.id for row in some)

    while len(found) < len(want):
        assert read(engine, page) < 3000
        assert cursor
    assert found == want
    assert lengths == [0, 0, 200, 200, 200]
