"""Client addresses are kept for `CLIENT_IP_DAYS` days, and then forgotten a little with each sweep."""

from typing import Any

import pytest
import sqlalchemy as sa

from app import actions
from app.board import erase, sweep
from app.board.worker import Desk
from app.domain.actions import End, Start
from app.domain.ids import ActionId, UserId, new_id
from config import queues
from db import persons
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import ONE_BOARD, RULES, VETTING, completed
from tests.support.clock import now
from tests.support.people import Player, add_user
from tests.support.service import Service, Stores, eventually


@pytest.fixture
def engine(stores: Stores) -> sa.Engine:
    """This module's database without actions."""
    stores.execute("TRUNCATE actions, audit_events, standings, top_scores, marks, idempotency_keys")
    return stores.engine


@pytest.fixture
def desk(engine: sa.Engine, stores: Stores) -> Desk:
    return Desk(engine, Publisher.on(stores.redis), ONE_BOARD, RULES, VETTING, client_ip_days=30)


def aged(stores: Stores, user_id: UserId, *, start: str, end: str | None, number: int = 1) -> None:
    """Add actions that began and, but for open ones, were cancelled that long ago."""
    stores.execute(
        """
        INSERT INTO actions (id, user_id, type, client_ip, start_at, end_at, status, metadata)
        SELECT gen_random_uuid(), :user, 'default', '203.0.113.77', now() - CAST(:start AS interval),
            now() - CAST(:end AS interval), CASE WHEN CAST(:end AS text) IS NULL THEN 'started' ELSE 'cancelled' END,
            '{"it": "stays"}'
        FROM generate_series(1, :number)
        """,
        user=user_id,
        start=start,
        end=end,
        number=number,
    )


def kept(stores: Stores) -> int:
    return int(stores.value("SELECT count(*) FROM actions WHERE client_ip IS NOT NULL"))


def test_address_alone_goes_thirty_days_after_the_action_ended(engine: sa.Engine, desk: Desk, stores: Stores) -> None:
    user = add_user(engine)
    aged(stores, user, start="31 days", end="30 days 1 minute")
    aged(stores, user, start="31 days", end="29 days 23 hours 59 minutes")
    aged(stores, user, start="31 days", end=None)
    aged(stores, user, start="29 days", end=None)
    sweep.run_duties(desk)
    rows = stores.rows(
        "SELECT client_ip IS NULL, end_at IS NULL, now() - start_at > interval '30 days' FROM actions ORDER BY start_at"
    )
    assert sorted(tuple(row) for row in rows) == [
        (False, False, True),  # ended less than 30 days ago
        (False, True, False),  # open, begun less than 30 days ago
        (True, False, True),
        (True, True, True),
    ]
    assert stores.value('SELECT count(*) FROM actions WHERE metadata = \'{"it": "stays"}\'') == 4


def test_end_records_the_address_of_whoever_ends_the_action(engine: sa.Engine, stores: Stores) -> None:
    user = add_user(engine)
    starts = [Start(ActionId(new_id()), user, 0, "default", "192.0.2.1", "{}") for _ in range(2)]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    ends = [
        End(start.action_id, user, 0, "completed", address)
        for start, address in zip(starts, ("203.0.113.9", None), strict=True)
    ]
    in_transaction(engine, lambda conn: actions.end(conn, ends, RULES))
    addresses = dict(stores.rows("SELECT id::text, host(client_ip) FROM actions"))
    assert [addresses[end.action_id] for end in ends] == ["203.0.113.9", "192.0.2.1"]


def test_points_and_places_stay(engine: sa.Engine, desk: Desk, stores: Stores) -> None:
    user = add_user(engine)
    completed(engine, user)
    stores.execute("UPDATE actions SET start_at = start_at - interval '40 days', end_at = end_at - interval '40 days'")
    sweep.run_duties(desk)
    assert kept(stores) == 0
    assert stores.rows("SELECT user_id::text, score FROM top_scores") == [(user, 10)]


def test_days_are_those_of_the_setting(engine: sa.Engine, desk: Desk, stores: Stores) -> None:
    aged(stores, add_user(engine), start="8 days", end="8 days")
    erase.forget(engine, client_ip_days=9)
    assert kept(stores) == 1
    erase.forget(engine, client_ip_days=7)
    assert kept(stores) == 0


def test_sweep_does_a_little_and_in_the_end_all_is_done(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(stores, add_user(engine), start="40 days", end="40 days", number=3 * queues.BATCH + 1)
    monkeypatch.setattr(erase, "FORGET_FOR", 0.0)  # time for one batch
    left = []
    for _ in range(4):
        erase.forget(engine, client_ip_days=30)
        left.append(kept(stores))
    assert left == [2 * queues.BATCH + 1, queues.BATCH + 1, 1, 0]


def test_addresses_sweep_waits_for_no_lock(engine: sa.Engine, stores: Stores) -> None:
    user = add_user(engine)
    aged(stores, user, start="40 days", end="40 days")
    with engine.begin() as conn:
        conn.execute(sa.text("SELECT 1 FROM actions FOR UPDATE"))
        aged(stores, user, start="41 days", end="41 days")
        began = now()
        erase.forget(engine, client_ip_days=30)
        assert now() - began < 4  # a lock would be waited for for 5 s
        assert kept(stores) == 1


AGES = "actions_address_age_idx"


def test_index_serves_it_however_many_actions_there_are(engine: sa.Engine, stores: Stores) -> None:
    user = add_user(engine)
    aged(stores, user, start="20 days", end="20 days", number=20_000)
    aged(stores, user, start="40 days", end="40 days", number=20_000)
    stores.execute("UPDATE actions SET client_ip = NULL WHERE end_at < now() - interval '30 days'")
    aged(stores, user, start="40 days", end="40 days", number=3)
    stores.execute("ANALYZE actions")
    with engine.begin() as conn:
        query = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {persons._FORGET_ADDRESSES.text}")
        root = conn.execute(query, {"days": 30, "limit": queues.BATCH}).scalar_one()[0]["Plan"]
    indexes, seen = [], [root]
    while seen:
        node: dict[str, Any] = seen.pop()
        seen += node.get("Plans", [])
        indexes += [node["Index Name"]] if "Index Name" in node else []
        # A partition with next to nothing in it may be read whole.
        assert node["Node Type"] != "Seq Scan" or node["Actual Rows"] + node.get("Rows Removed by Filter", 0) < 1000
    parts = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:of AS regclass)"
    ages = stores.rows(parts, of=AGES)
    assert {name for (name,) in ages} & set(indexes)
    assert kept(stores) == 20_000


def test_worker_removes_old_addresses(service: Service, engine: sa.Engine, stores: Stores) -> None:
    aged(stores, add_user(engine), start="3 days", end="3 days")
    aged(stores, add_user(engine), start="1 day", end="1 day")
    service.worker(CLIENT_IP_DAYS="2", WORKER_METRICS_PORT="0")
    service.beat()
    eventually(lambda: kept(stores) == 1, within=20, what="a sweep")


def test_where_it_is_zero_no_address_is_kept_at_all(
    service: Service, engine: sa.Engine, alice: Player, stores: Stores
) -> None:
    keeping = alice.started()
    assert alice.end(keeping).status_code == 200
    url = service.web(CLIENT_IP_DAYS="0").url
    path = f"{url}/users/{alice.user_id}/actions"
    action_id = alice.http.post(path, json={"status": "started"}).json()["actionId"]
    assert alice.http.put(f"{path}/{action_id}", json={"status": "completed"}).status_code == 200
    rows = stores.rows("SELECT id::text, host(client_ip) FROM actions WHERE user_id = :id", id=alice.user_id)
    assert sorted(tuple(row) for row in rows) == sorted([(keeping, "127.0.0.1"), (action_id, None)])
    in_transaction(engine, lambda conn: persons.forget_addresses(conn, days=0, limit=10))
    assert kept(stores) == 0
