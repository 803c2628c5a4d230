"""The operators' table of players, and the last hour."""

from typing import Any

from tests.integration.test_admin import held, settled
from tests.support.people import Player, insert_user, unique
from tests.support.service import Stores, problem

PLAYERS = "/admin/players"


def read(operator: Player, path: str = PLAYERS, **query: Any) -> dict[str, Any]:
    answer = operator.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def all_pages(operator: Player, **query: Any) -> list[str]:
    """Return whom the pages have, two each."""
    found, page = [], read(operator, limit=2, **query)
    while True:
        found += [it["userId"] for it in page["items"]]
        assert len(page["items"]) <= 2
        if page["nextCursor"] is None:
            return found
        page = read(operator, limit=2, cursor=page["nextCursor"], **query)
        assert page["counts"] is None


def test_table_has_everybody_once_in_each_order_and_state(
    operator: Player, alice: Player, bob: Player, stores: Stores
) -> None:
    stores.execute("TRUNCATE actions, standings, top_scores CASCADE")
    stores.execute(
        "DELETE FROM users WHERE id <> ALL(CAST(:ids AS uuid[]))", ids=[it.user_id for it in (operator, alice, bob)]
    )
    settled(stores, alice)
    for _ in range(2):
        settled(stores, bob)
    action_id = held(stores, bob)
    with stores.engine.begin() as conn:
        never = [insert_user(conn, unique(name)) for name in ("Zoe", "yan", "xu")]
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=never[1])
    stores.execute("UPDATE users SET hidden = true, display_name = 'Al%ice' WHERE id = :id", id=never[2])
    everybody = {operator.user_id, alice.user_id, bob.user_id, *never}

    first = read(operator)
    assert first["counts"] == {"all": 6, "held": 1, "suspended": 1, "hidden": 1, "never": 3}
    row = first["items"][0]
    assert (row["userId"], row["rank"], row["held"], row["totalScore"]) == (bob.user_id, 1, 1, 30)
    assert row["lastSeenAt"] == bob.http.get(f"/users/me/actions/{action_id}").json()["endAt"]
    assert (first["items"][1]["userId"], first["items"][1]["rank"], first["items"][1]["held"]) == (alice.user_id, 2, 0)
    assert first["items"][2]["lastSeenAt"] is None

    placed = [bob.user_id, alice.user_id]
    assert all_pages(operator) == placed + sorted(everybody - set(placed), reverse=True)
    assert all_pages(operator, sort="newest") == sorted(everybody, reverse=True)
    by_name = all_pages(operator, sort="name")
    assert (set(by_name), len(by_name), by_name[-3:]) == (everybody, 6, [never[2], never[1], never[0]])
    assert all_pages(operator, status="never") == never[::-1]
    assert all_pages(operator, status="held") == [bob.user_id]
    assert all_pages(operator, status="suspended") == [never[1]]
    assert all_pages(operator, status="hidden") == [never[2]]
    assert all_pages(operator, query="AL") == [alice.user_id, never[2]]
    assert all_pages(operator, query="al%", status="never") == [never[2]]
    assert all_pages(operator, query=bob.user_id) == [bob.user_id]


def test_table_asked_for_wrongly_is_a_400(operator: Player, alice: Player) -> None:
    cursor = read(operator, sort="newest", limit=1)["nextCursor"]
    for query in (
        "status=burnt",
        "sort=seen",
        "limit=0",
        "query=%00",
        "cursor=x",
        "cursor=",
        f"sort=name&cursor={cursor}",
    ):
        problem(operator.http.get(f"{PLAYERS}?{query}"), 400)
    for path in (PLAYERS, "/admin/activity", "/admin/held-players"):
        problem(alice.http.get(path), 403)


def test_activity_tells_of_each_minute_what_counts(
    operator: Player, alice: Player, bob: Player, stores: Stores
) -> None:
    stores.execute("TRUNCATE actions, standings, top_scores CASCADE")
    ids = [settled(stores, alice), settled(stores, alice), settled(stores, bob)]
    held(stores, bob)
    move = "UPDATE actions SET end_at = date_trunc('minute', now()) - make_interval(mins => :ago) WHERE id = :id"
    for action_id, ago in zip(ids, (2, 3, 3), strict=True):
        stores.execute(move, id=action_id, ago=ago)
    found = read(operator, "/admin/activity", minutes=10)
    assert (found["players"], found["completions"], found["points"], found["listeners"]) == (2, 3, 30, 0)
    assert len(found["minutes"]) == 10
    played = {it["at"]: it for it in found["minutes"] if it["completions"]}
    assert [(it["players"], it["completions"], it["points"], it["more"]) for it in played.values()] == [
        (2, 2, 20, False),
        (1, 1, 10, False),
    ]
    assert found["minutes"][0]["at"] == found["from"]
    assert len(read(operator, "/admin/activity")["minutes"]) == 60
    problem(operator.http.get("/admin/activity?minutes=181"), 400)
