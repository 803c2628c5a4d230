"""GET /admin/events: what operators and rules did, newest first, by user and by kind."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from app.domain.ids import new_id
from db import trail
from tests.support.people import Player
from tests.support.service import Stores, problem


def events(operator: Player, **query: str | int) -> list[dict[str, Any]]:
    answer = operator.http.get("/admin/events", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def act(operator: Player, player: Player, verb: str, **body: Any) -> None:
    answer = operator.http.post(f"/admin/users/{player.user_id}/{verb}", json=body)
    assert answer.status_code == 200, answer.text


def test_events_tell_what_was_done_by_whom_and_why(operator: Player, alice: Player, bob: Player) -> None:
    act(operator, alice, "adjust", points=30, reason="a prize")
    act(operator, bob, "hide")
    act(operator, alice, "suspend", reason="cheated")
    newest, second, third = events(operator, limit=3)
    assert newest == {
        "eventId": newest["eventId"],
        "kind": "suspended",
        "at": newest["at"],
        "userId": alice.user_id,
        "username": alice.username,
        "actionId": None,
        "points": None,
        "reason": "cheated",
        "actor": operator.user_id,
        "actorName": operator.username,
        "details": {},
        "undo": {
            "method": "POST",
            "path": f"/admin/users/{alice.user_id}/reinstate",
            "body": {"reason": "Undone."},
        },
    }
    assert (second["kind"], second["userId"], second["reason"]) == ("hidden", bob.user_id, None)
    assert (third["kind"], third["points"]) == ("adjusted", 30)
    assert [it["kind"] for it in events(operator, user=alice.username.upper())] == ["suspended", "adjusted"]
    assert [it["kind"] for it in events(operator, user=alice.user_id, kind="adjusted")] == ["adjusted"]
    assert {it["kind"] for it in events(operator, kind="hidden")} == {"hidden"}
    assert events(operator, user="nobody-has-this") == events(operator, user=new_id()) == []
    act(operator, alice, "reinstate")


def test_events_are_paged_without_gap_or_repetition(operator: Player, bob: Player) -> None:
    for points in range(1, 6):
        act(operator, bob, "adjust", points=points, reason="a prize")
    seen: list[int] = []
    query: dict[str, str | int] = {"user": bob.username, "kind": "adjusted", "limit": 2}
    for _ in range(3):
        page = operator.http.get("/admin/events", params=query).json()
        seen += [it["points"] for it in page["items"]]
        query["cursor"] = page["nextCursor"]
    assert seen == [5, 4, 3, 2, 1]
    assert page["nextCursor"] is None


@pytest.mark.parametrize(
    "query", ["kind=burnt", "limit=0", "limit=201", "cursor=", "cursor=x", f"cursor={'9' * 19}", "user=", "user=%00"]
)
def test_events_asked_for_wrongly_are_a_400(operator: Player, query: str) -> None:
    problem(operator.http.get(f"/admin/events?{query}"), 400)


def test_events_of_an_erased_actor_and_of_none_have_no_name(operator: Player, stores: Stores) -> None:
    stores.execute("INSERT INTO audit_events (kind, actor, reason) VALUES ('flag_changed', 'shell', 'by hand')")
    (event,) = events(operator, limit=1)
    assert (event["actor"], event["actorName"], event["userId"], event["username"]) == ("shell", None, None, None)


@pytest.mark.parametrize("query", [{}, {"user": True}, {"kind": True}, {"user": True, "kind": True}])
def test_no_more_events_are_read_than_a_page_has(engine: sa.Engine, query: dict[str, bool]) -> None:
    with engine.begin() as conn:
        conn.execute(
            sa.text("""
                WITH people AS (
                    INSERT INTO users (id, username, username_key, password_hash)
                    SELECT uuidv7(), 'p' || n, 'p' || n, '' FROM generate_series(1, 80) AS n RETURNING id
                )
                INSERT INTO audit_events (kind, user_id, actor)
                SELECT CASE WHEN n < 10 THEN 'adjusted' ELSE 'held' END, id, 'system'
                FROM people, generate_series(1, 400) AS n ORDER BY n
            """)
        )
        user_id = conn.execute(sa.text("SELECT id::text FROM users LIMIT 1")).scalar_one()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE audit_events"))
    user, kind = user_id if query.get("user") else None, "adjusted" if query.get("kind") else None
    with engine.connect() as conn:
        conn.execute(sa.text("SET LOCAL enable_seqscan = off"))
        rows = trail.page(conn, user_id=user, kind=kind, before=None, limit=5)
        statement, values = trail.page_query(user, kind, None, 5)
        plan = conn.execute(sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), values).scalar_one()
    assert len(rows) == 5
    assert _rows_read(plan[0]["Plan"]) <= 50, json.dumps(plan, indent=1)


def _rows_read(node: dict[str, Any]) -> int:
    own = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    return int(max([own, *(_rows_read(child) for child in node.get("Plans", []))]))
