"""What waits for an operator by player, decisions on several actions, and what undoes them."""

from typing import Any

from tests.integration.test_admin import held, settled
from tests.support.corrections import violations
from tests.support.people import Player
from tests.support.service import NOBODY, Stores, problem

DECISIONS = "/admin/actions/decisions"


def decide(operator: Player, decision: str, *ids: str, **more: Any) -> dict[str, Any]:
    answer = operator.http.post(DECISIONS, json={"decision": decision, "actionIds": ids, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def settlements(decided: dict[str, Any]) -> list[str]:
    return [it["settlement"] for it in decided["items"]]


def total(player: Player) -> int:
    return int(player.http.get("/users/me").json()["totalScore"])


def waiting(operator: Player, **query: Any) -> dict[str, Any]:
    answer = operator.http.get("/admin/held-players", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def undo(operator: Player, event: dict[str, Any]) -> None:
    it = event["undo"]
    answer = operator.http.request(it["method"], it["path"], json=it["body"])
    assert answer.status_code == 200, answer.text


def test_held_actions_are_listed_by_player_with_what_the_rule_saw(
    operator: Player, alice: Player, bob: Player, stores: Stores
) -> None:
    settled(stores, alice)
    first, second, his = held(stores, alice), held(stores, alice), held(stores, bob)
    stores.execute(
        "UPDATE audit_events SET reason = 'too fast', details = CAST(:details AS jsonb) WHERE action_id = :id",
        details='{"rule": "velocity", "facts": {"completions": 52, "limit": 45}}',
        id=second,
    )
    mine = [it for it in waiting(operator)["items"] if it["userId"] in (alice.user_id, bob.user_id)]
    assert [it["userId"] for it in mine] == sorted((alice.user_id, bob.user_id), reverse=True)
    (hers,) = [it for it in mine if it["userId"] == alice.user_id]
    assert [it["actionId"] for it in hers.pop("actions")] == [second, first]
    assert hers == {
        "userId": alice.user_id,
        "username": alice.username,
        "displayName": None,
        "held": 2,
        "points": 20,
        "rule": "velocity",
        "reason": "too fast",
        "facts": {"completions": 52, "limit": 45},
        "measure": "completions",
        "saw": 52,
        "limit": 45,
        "usual": 1,
        "address": None,
    }
    page = waiting(operator, limit=1)
    assert waiting(operator, limit=1, cursor=page["nextCursor"])["items"][0]["userId"] < page["items"][0]["userId"]
    decide(operator, "release", first, second, his)
    assert not [it for it in waiting(operator)["items"] if it["userId"] in (alice.user_id, bob.user_id)]


def test_several_are_decided_at_once_and_a_repetition_skips_them(
    operator: Player, alice: Player, stores: Stores
) -> None:
    ids = [held(stores, alice), settled(stores, alice)]
    problem(operator.http.post(DECISIONS, json={"decision": "reverse", "actionIds": ids}), 400)
    problem(operator.http.post(DECISIONS, json={"decision": "release", "actionIds": []}), 400)
    problem(alice.http.post(DECISIONS, json={"decision": "release", "actionIds": ids}), 403)
    decided = decide(operator, "reverse", *ids, ids[0], NOBODY, reason="a script")
    assert settlements(decided) == ["reversed", "reversed"]
    assert [(it["actionId"], it["code"]) for it in decided["skipped"]] == [(NOBODY, "not-found")]
    assert total(alice) == 0
    again = decide(operator, "reverse", *ids, reason="a script")
    assert (again["items"], [it["code"] for it in again["skipped"]]) == ([], ["wrong-state"] * 2)
    assert settlements(decide(operator, "hold", *ids)) == ["held", "held"]
    assert total(alice) == 20
    assert settlements(decide(operator, "release", *ids)) == ["cleared", "cleared"]
    assert settlements(decide(operator, "hold", ids[0])) == ["held"]
    board = {it["userId"]: it["score"] for it in operator.http.get("/top-scores").json()}
    assert (board[alice.user_id], total(alice)) == (10, 20)
    assert violations(stores.engine) == {}


def test_events_tell_what_undoes_them_while_nothing_newer_has_changed_the_same(
    operator: Player, alice: Player, stores: Stores
) -> None:
    def mine(limit: int = 1) -> list[dict[str, Any]]:
        return list(operator.http.get(f"/admin/events?user={alice.user_id}&limit={limit}").json()["items"])

    def is_now(action_id: str) -> str:
        return str(alice.http.get(f"/users/me/actions/{action_id}").json()["settlement"])

    action_id = held(stores, alice)
    assert mine()[0]["undo"] is None
    decide(operator, "release", action_id)
    undo(operator, mine()[0])
    assert is_now(action_id) == "held"
    decide(operator, "reverse", action_id, reason="a script")
    undo(operator, mine()[0])
    assert (is_now(action_id), total(alice)) == ("held", 10)
    assert [it["undo"] is None for it in mine(4)] == [False, True, True, True]

    path = f"/admin/users/{alice.user_id}"
    operator.http.post(f"{path}/suspend", json={"reason": "x"})
    operator.http.post(f"{path}/rename", json={"displayName": "Al", "reason": "x"})
    renamed, suspended = mine(2)
    undo(operator, renamed)
    undo(operator, suspended)
    assert [it["kind"] for it in mine(2)] == ["reinstated", "renamed"]
    assert [it["undo"] is None for it in mine(4)] == [False, False, True, True]
    user = operator.http.get("/admin/users", params={"query": alice.user_id}).json()["items"][0]
    assert (user["status"], user["displayName"]) == ("active", None)

    operator.http.put("/admin/flags/broadcast", json={"enabled": False})
    (switched,) = operator.http.get("/admin/events", params={"limit": 1}).json()["items"]
    undo(operator, switched)
    assert operator.http.get("/admin/flags").json()["items"][0]["enabled"] is True
    newest = operator.http.get("/admin/events", params={"limit": 2}).json()["items"]
    assert [it["undo"] and it["undo"]["body"]["enabled"] for it in newest] == [False, None]
