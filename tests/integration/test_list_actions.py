"""GET /users/:userId/actions: one's own actions, newest first, page by page."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa

from app.domain.actions import STATUSES
from app.domain.ids import ActionId, UserId, new_id
from db import actions
from tests.support.people import Player, add_user
from tests.support.service import Service, Stores, problem


def page(player: Player, **query: Any) -> dict[str, Any]:
    answer = player.http.get(f"/users/{player.user_id}/actions", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"items", "nextCursor"}
    return dict(body)


def pages(player: Player, **query: Any) -> Iterator[list[str]]:
    """Return the ids of each page to the last."""
    cursor: dict[str, str] = {}
    while True:
        found = page(player, **query, **cursor)
        yield [item["actionId"] for item in found["items"]]
        if found["nextCursor"] is None:
            return
        cursor = {"cursor": found["nextCursor"]}


def test_newest_comes_first_each_as_it_is_by_itself(alice: Player, bob: Player) -> None:
    assert page(alice) == {"items": [], "nextCursor": None}
    bob.started()
    open_one, done, cancelled = alice.started(), alice.started("quest"), alice.started()
    alice.end(cancelled, "cancelled")
    completed = alice.start(metadata={"level": 3}).json()["actionId"]
    assert alice.end(completed).status_code == 200

    items = page(alice)["items"]

    assert [it["actionId"] for it in items] == [completed, cancelled, done, open_one]
    assert [it["status"] for it in items] == ["completed", "cancelled", "started", "started"]
    for item in items:
        assert item == alice.http.get(f"/users/{alice.user_id}/actions/{item['actionId']}").json()
    for status in STATUSES:
        of_it = [it["actionId"] for it in items if it["status"] == status]
        assert [it["actionId"] for it in page(alice, status=status)["items"]] == of_it


@pytest.mark.parametrize("status", [None, "started", "completed"])
def test_pages_have_every_action_once_in_order(alice: Player, status: str | None) -> None:
    ids = [alice.started() for _ in range(7)]
    if status == "completed":
        for action_id in ids:
            assert alice.end(action_id).status_code == 200
        alice.started()
    query = {"status": status} if status else {}
    found = list(pages(alice, limit=3, **query))
    assert [len(it) for it in found] == [3, 3, 1]
    assert list(chain(*found)) == ids[::-1]
    assert [len(it) for it in pages(alice, limit=7, **query)] == [7]  # no empty page at the end


def test_states_are_merged_in_the_order_of_their_start(alice: Player) -> None:
    ids = [alice.started() for _ in range(9)]
    for n, action_id in enumerate(ids):
        if n % 3:
            alice.end(action_id, STATUSES[n % 3])
    assert list(chain(*pages(alice, limit=2))) == ids[::-1]


def test_new_actions_neither_repeat_nor_hide_one_on_later_pages(alice: Player) -> None:
    ids = [alice.started() for _ in range(6)]
    first = page(alice, limit=2)
    newer = [alice.started() for _ in range(3)]
    assert alice.end(ids[1]).status_code == 200
    second = page(alice, limit=2, cursor=first["nextCursor"])
    newer.append(alice.started())
    third = page(alice, limit=2, cursor=second["nextCursor"])
    assert [it["actionId"] for it in (*first["items"], *second["items"], *third["items"])] == ids[::-1]
    assert third["nextCursor"] is None
    assert [it["actionId"] for it in page(alice, limit=4)["items"]] == newer[::-1]


def test_list_has_twenty_by_default_and_at_most_a_hundred(alice: Player, stores: Stores) -> None:
    stores.execute(
        "INSERT INTO actions (id, user_id, type) SELECT gen_random_uuid(), :id, 'default' FROM generate_series(1, 101)",
        id=alice.user_id,
    )
    assert len(page(alice)["items"]) == 20
    assert len(page(alice, limit=1)["items"]) == 1
    assert [len(it) for it in pages(alice, limit=100)] == [100, 1]


BAD = [
    *(f"limit={it}" for it in ("0", "101", "-1", "1.5", "x", "", "1e1", "%2B5", "%201", "1" * 5000, "%D9%A1")),
    *(f"status={it}" for it in ("gone", "", "COMPLETED", "started,completed", "%00")),
    *(f"cursor={it}" for it in ("x", "", "0", "%00", "' OR 1=1 --", "{1}", "01890000000070008000000000000000")),
]


@pytest.mark.parametrize("query", BAD, ids=lambda query: query[:30])
def test_list_malformed_query_is_refused_by_name(alice: Player, query: str) -> None:
    body = problem(alice.http.get(f"/users/{alice.user_id}/actions?{query}"), 400)
    assert body["detail"].startswith(query.partition("=")[0])


def test_list_shows_own_actions_only(alice: Player, bob: Player) -> None:
    mine = alice.started()
    path = f"/users/{alice.user_id}/actions"
    problem(bob.http.get(path), 403, "forbidden")
    problem(bob.http.get(path, headers={"authorization": ""}), 401, "unauthorized")
    assert page(bob, cursor=mine)["items"] == []


def test_list_needs_a_token_of_its_user_as_other_reads_do(service: Service, alice: Player, stores: Stores) -> None:
    stores.redis.flushall()
    limited = service.web(RATE_LIMIT_USER="2/hour")
    url = f"{limited.url}/users/{alice.user_id}/actions"
    assert alice.http.get(url).headers["ratelimit"].startswith('"user";r=1;')
    problem(alice.http.get(f"{url}?limit=0"), 400)
    assert problem(alice.http.get(url), 429, "rate-limited")["policy"] == "user"


def plan(conn: sa.Connection, user_id: UserId, statuses: tuple[str, ...], before: str | None) -> dict[str, Any]:
    values = {"user": user_id, "statuses": list(statuses), "before": before, "limit": 20}
    query = sa.text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {actions._OF_USER.text}")
    return dict(conn.execute(query, values).scalar_one()[0]["Plan"])


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def test_index_serves_it_however_many_actions_there_are(stores: Stores) -> None:
    """Of 60,000 actions, half of them of one player and nearly all of those completed."""
    many, others = add_user(stores.engine), [add_user(stores.engine) for _ in range(3)]
    stores.execute(
        """
        INSERT INTO actions (id, user_id, type, status, end_at, score, settlement, settled_at)
        SELECT gen_random_uuid(), id, 'default', 'completed', now(), 10, 'cleared', now()
        FROM unnest(CAST(:users AS uuid[])) AS users(id), generate_series(1, 10000)
        """,
        users=[many, many, many, *others],
    )
    cancelled = ActionId("00000000-0000-7000-8000-000000000001")  # the oldest of all
    stores.execute(
        "INSERT INTO actions (id, user_id, type, status, end_at) VALUES (:id, :user, 'default', 'cancelled', now())",
        id=cancelled,
        user=many,
    )
    with stores.engine.begin() as conn:
        conn.execute(sa.text("ANALYZE actions"))
        parts = sa.text(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'actions_list_idx'::regclass"
        )
        indexes = set(conn.execute(parts).scalars())
        for statuses in (STATUSES, ("completed",), ("cancelled",), ("started",)):
            for before in (None, new_id()):
                root = plan(conn, many, statuses, before)
                scans = [it for it in nodes(root) if it.get("Relation Name", "").startswith("actions")]
                assert scans
                assert {it["Index Name"] for it in scans} <= indexes, statuses
                # Of each partition one more, to know which is the newest of all.
                most = (21 + len(indexes)) * len(statuses)
                assert sum(it["Actual Rows"] * it["Actual Loops"] for it in scans) <= most
                assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] < 150
        found, _ = actions.of_user(conn, many, statuses=("cancelled",), before=None, limit=21)
    assert [it.action_id for it in found] == [cancelled]


def test_page_is_bounded_in_bytes_and_no_action_is_left_out(alice: Player, stores: Stores) -> None:
    """Actions from before numbers were counted with all their digits may have large metadata."""
    ids = [alice.started() for _ in range(6)]
    stores.execute(
        "UPDATE actions SET metadata = CAST(:large AS jsonb) WHERE user_id = :id AND id <> :small",
        large='{"x": "' + "y" * 100_000 + '"}',
        id=alice.user_id,
        small=ids[2],
    )
    found = list(pages(alice, limit=100))
    assert list(chain(*found)) == ids[::-1]
    assert [len(it) for it in found] == [3, 3]
    answer = alice.http.get(f"/users/{alice.user_id}/actions", params={"limit": 100})
    assert len(answer.content) < actions.PAGE_BYTES + 110_000


def test_action_that_is_larger_than_a_page_is_a_page_by_itself(alice: Player, stores: Stores) -> None:
    ids = [alice.started() for _ in range(3)]
    stores.execute(
        "UPDATE actions SET metadata = CAST(:large AS jsonb) WHERE user_id = :id",
        large='{"x": "' + "y" * 300_000 + '"}',
        id=alice.user_id,
    )
    assert list(pages(alice)) == [[it] for it in ids[::-1]]
