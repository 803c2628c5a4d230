"""What operators do over HTTP, and what everybody else is told."""

import contextlib
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from app.board import audit, settle
from app.domain.ids import ActionId, new_id
from config import queues
from db.transaction import in_transaction
from tests.support.board import BOARDS, VETTING
from tests.support.people import Player, add_user, set_role
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message


def settled(stores: Stores, player: Player) -> str:
    """Complete an action and settle it without a worker."""
    action_id = player.started()
    assert player.end(action_id).status_code == 200
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, [ActionId(action_id)], VETTING))
    return action_id


def held(stores: Stores, player: Player) -> str:
    """Complete an action and hold it back."""
    action_id = player.started()
    assert player.end(action_id).status_code == 200
    in_transaction(stores.engine, lambda conn: settle.set_aside(conn, BOARDS, ActionId(action_id)))
    return action_id


def closed_with(socket: Any) -> int:
    """Receive until the server closes the socket, and give its code."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            message(socket, within=5)
    return int(socket.close_code)


def shown(player: Player, process: Process | None = None) -> list[str]:
    """Return who is on the board, as the player's process has it, or another."""
    url = process.url if process else ""
    return [row["userId"] for row in player.http.get(f"{url}/top-scores").json()]


EVERY = [
    ("GET", "/admin/actions"),
    ("POST", "/admin/actions/{}/release"),
    ("POST", "/admin/actions/{}/reverse"),
    ("POST", "/admin/actions/{}/hold"),
    ("POST", "/admin/actions/decisions"),
    ("GET", "/admin/held-players"),
    ("GET", "/admin/players"),
    ("GET", "/admin/activity"),
    ("GET", "/admin/networks"),
    ("POST", "/admin/networks"),
    ("DELETE", "/admin/networks/{}"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("POST", "/admin/users/{}/reset"),
    ("POST", "/admin/users/{}/suspend"),
    ("POST", "/admin/users/{}/reinstate"),
    ("POST", "/admin/users/{}/hide"),
    ("POST", "/admin/users/{}/show"),
    ("POST", "/admin/users/{}/adjust"),
    ("POST", "/admin/users/{}/rename"),
    ("POST", "/admin/users/{}/erase"),
    ("GET", "/admin/events"),
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys"),
    ("DELETE", "/admin/keys/{}"),
    ("GET", "/admin/join-codes"),
    ("POST", "/admin/join-codes"),
    ("DELETE", "/admin/join-codes/{}"),
    ("GET", "/admin/flags"),
    ("PUT", "/admin/flags/broadcast"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/stats"),
]


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_players_and_strangers_are_refused(alice: Player, method: str, path: str) -> None:
    url = path.format(alice.user_id)
    assert alice.http.request(method, url, json={}).status_code == 403
    assert alice.http.request(method, url, json={}, headers={"authorization": ""}).status_code == 401


def test_held_action_is_listed_with_its_verdict_and_released(operator: Player, alice: Player, stores: Stores) -> None:
    action_id = held(stores, alice)
    listed = operator.http.get("/admin/actions?settlement=held").json()
    assert operator.http.get("/admin/actions").json() == listed, "held is the default"
    mine = next(item for item in listed["items"] if item["actionId"] == action_id)
    assert (mine["username"], mine["settlement"]) == (alice.username, "held")
    assert mine["verdict"] == {
        "rule": "unsettleable",
        "reason": "It could not be settled in five attempts.",
        "facts": {},
    }
    assert alice.settlement(action_id) == "held"
    assert alice.user_id not in shown(operator)

    answer = operator.http.post(f"/admin/actions/{action_id}/release", json={"reason": "looked at it"})

    assert answer.status_code == 200
    assert answer.json()["settlement"] == "cleared"
    eventually(lambda: alice.user_id in shown(operator), within=2, what="the released points")
    assert operator.http.post(f"/admin/actions/{action_id}/release", json={}).status_code == 409
    # The reason is optional, and so is the body, whatever a client's library says of one that is empty.
    release = f"/admin/actions/{action_id}/release"
    assert operator.http.post(release).status_code == 409
    for media_type in ("application/json", "application/json; charset=utf-8", "text/plain"):
        assert operator.http.post(release, headers={"content-type": media_type}).status_code == 409
    assert stores.rows(
        "SELECT kind, actor, reason FROM audit_events WHERE action_id = :id ORDER BY id DESC LIMIT 1", id=action_id
    ) == [("released", operator.user_id, "looked at it")]


def test_list_goes_on_where_it_ended(operator: Player, alice: Player, stores: Stores) -> None:
    ids = [held(stores, alice) for _ in range(3)]
    found, cursor = [], ""
    while True:
        page = operator.http.get(f"/admin/actions?settlement=held&limit=2{cursor}").json()
        found += [item["actionId"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == sorted(found, reverse=True)
    assert set(ids) <= set(found)
    for query in ("settlement=gone", "limit=0", "limit=201", "limit=x", "cursor=x"):
        assert operator.http.get(f"/admin/actions?{query}").status_code == 400


def test_reversed_action_leaves_the_board_at_once(operator: Player, alice: Player, stores: Stores) -> None:
    action_id = settled(stores, alice)
    assert operator.http.post(f"/admin/actions/{action_id}/reverse", json={}).status_code == 400
    answer = operator.http.post(f"/admin/actions/{action_id}/reverse", json={"reason": "a macro"})
    assert answer.json()["settlement"] == "reversed"
    assert alice.http.get(f"/users/{alice.user_id}").json()["totalScore"] == 0
    eventually(lambda: alice.user_id not in shown(operator), within=2, what="the board without the points")
    assert operator.http.post(f"/admin/actions/{new_id()}/reverse", json={"reason": "x"}).status_code == 404


@pytest.mark.parametrize("change", ["suspend", "erase"])
def test_operator_does_not_end_itself(operator: Player, change: str) -> None:
    answer = operator.http.post(f"/admin/users/{operator.user_id}/{change}", json={"reason": "a slip of the hand"})
    problem(answer, 409, "wrong-state")
    assert operator.http.get("/admin/flags").status_code == 200


def test_suspended_player_is_out_at_once_and_back_on_reinstating(
    service: Service, web: Process, operator: Player, alice: Player, stores: Stores
) -> None:
    settled(stores, alice)
    other = service.web()
    with listening(web, alice.token) as here, listening(other, alice.token) as there:
        message(here), message(there)
        answer = operator.http.post(f"/admin/users/{alice.user_id}/suspend", json={"reason": "cheated"})
        assert answer.status_code == 200
        assert answer.json()["status"] == "suspended"
        assert alice.start().status_code == 403
        for socket in (here, there):
            assert closed_with(socket) == 4403
    boards = (web, other)
    eventually(
        lambda: not any(alice.user_id in shown(operator, it) for it in boards), within=5, what="boards without them"
    )
    again = operator.http.post(f"/admin/users/{alice.user_id}/suspend", json={"reason": "cheated"})
    assert again.status_code == 409
    answer = operator.http.post(f"/admin/users/{alice.user_id}/reinstate", json={})
    assert answer.json()["status"] == "active"
    assert alice.start().status_code == 201
    eventually(lambda: all(alice.user_id in shown(operator, it) for it in boards), within=5, what="boards with them")


def test_hidden_player_plays_on_and_is_on_no_board(
    web: Process, operator: Player, alice: Player, stores: Stores
) -> None:
    settled(stores, alice)
    url = f"/admin/users/{alice.user_id}"
    with listening(web, alice.token) as socket:
        message(socket)
        answer = operator.http.post(f"{url}/hide")
        assert (answer.status_code, answer.json()["hidden"], answer.json()["status"]) == (200, True, "active")
        assert alice.user_id not in [row["userId"] for row in message(socket)["payload"]]
        assert shown(operator).count(alice.user_id) == 0
        mine = alice.http.get(f"/users/{alice.user_id}").json()
        assert (mine["score"], mine["rank"]) == (10, None)
        problem(operator.http.post(f"{url}/hide", json={"reason": "a tester"}), 409, "wrong-state")
        settled(stores, alice)
        assert operator.http.post(f"{url}/show", json={"reason": None}).json()["hidden"] is False
        assert (alice.user_id, 20) in [(row["userId"], row["score"]) for row in message(socket)["payload"]]
    problem(operator.http.post(f"{url}/show"), 409, "wrong-state")
    problem(operator.http.post(f"/admin/users/{new_id()}/hide"), 404, "not-found")


def test_points_are_given_and_taken_but_never_below_zero(operator: Player, alice: Player) -> None:
    url = f"/admin/users/{alice.user_id}/adjust"
    assert operator.http.post(url, json={"points": 30, "reason": "a prize"}).json()["totalScore"] == 30
    assert operator.http.post(url, json={"points": -31, "reason": "too many"}).status_code == 409
    assert operator.http.post(url, json={"points": -30, "reason": "taken back"}).json()["totalScore"] == 0
    for body in (
        {"points": 0, "reason": "x"},
        {"points": 1},
        {"points": 1.5, "reason": "x"},
        {"points": 1, "reason": ""},
    ):
        assert operator.http.post(url, json=body).status_code == 400
    assert operator.http.post(url, json={"points": 1, "reason": "x" * 501}).status_code == 400


def test_users_are_found_by_name_address_and_id(operator: Player, alice: Player) -> None:
    for query in (alice.username, alice.username[:-1].upper(), f"{alice.username}@exa", alice.user_id):
        items = operator.http.get("/admin/users", params={"query": query}).json()["items"]
        assert alice.user_id in [item["userId"] for item in items]
    for wildcard in ("%", "_", f"{alice.username[:-1]}_"):
        assert operator.http.get("/admin/users", params={"query": wildcard}).json()["items"] == []


def test_broadcast_off_sends_no_update_and_on_sends_the_newest(
    service: Service, web: Process, operator: Player, alice: Player, stores: Stores
) -> None:
    other = service.web()

    def points() -> list[int]:
        top = operator.http.get("/top-scores").json()
        return [row["score"] for row in top if row["userId"] == alice.user_id]

    with listening(web, alice.token) as here, listening(other, alice.token) as there:
        for socket in (here, there):
            message(socket)
        answer = operator.http.put("/admin/flags/broadcast", json={"enabled": False, "reason": "maintenance"})
        assert answer.json()["enabled"] is False
        assert answer.json()["updatedBy"] == operator.user_id
        assert operator.http.get("/admin/flags").json()["items"] == [answer.json()]
        eventually(lambda: "switched off" in other.output(), within=5, what="the other process")
        for times in (1, 2):
            operator.http.post(f"/admin/users/{alice.user_id}/adjust", json={"points": 500, "reason": "a prize"})
            eventually(lambda times=times: points() == [500 * times], within=5, what="the board")  # type: ignore[misc]
        with listening(other, alice.token) as newcomer:
            newest = message(newcomer)
        for socket in (here, there):
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.3)
        events = "SELECT actor, reason, details FROM audit_events WHERE kind = 'flag_changed'"
        off = {"name": "broadcast", "enabled": False}
        assert stores.rows(events) == [(operator.user_id, "maintenance", off)]
        operator.http.put("/admin/flags/broadcast", json={"enabled": True})
        assert stores.rows(events)[1:] == [(operator.user_id, None, {**off, "enabled": True})]
        assert message(here)["payload"] == message(there)["payload"] == newest["payload"]
    assert operator.http.put("/admin/flags/other", json={"enabled": True}).status_code == 404


def test_audit_is_clean_and_the_counters_count(operator: Player, alice: Player, stores: Stores) -> None:
    settled(stores, alice)
    checks = eventually(lambda: _clean(operator), within=5, what="a clean audit")
    assert {"total-scores", "standings", "scored-once", "top-scores", "outbox", "published", "versions"} <= set(checks)


def test_audit_with_too_much_to_check_tells_the_workers_last(operator: Player, alice: Player, stores: Stores) -> None:
    with stores.engine.connect() as busy:
        busy.exec_driver_sql("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        stores.redis.delete("scoreboard:audit")
        assert problem(operator.http.get("/admin/audit"), 503)
        stores.redis.set("scoreboard:audit", '[["standings", 2]]', ex=7 * 24 * 3600 - 90)
        told = operator.http.get("/admin/audit").json()
        for names, ok in ((sorted(audit.NAMES), True), (["standings"], False), ([], False)):
            stores.redis.set("scoreboard:audit", json.dumps([[name, 0] for name in names]))
            assert operator.http.get("/admin/audit").json()["ok"] is ok
        busy.rollback()
    stores.redis.delete("scoreboard:audit")
    assert told == {"ok": False, "checks": [{"name": "standings", "violations": 2}], "ageSeconds": told["ageSeconds"]}
    assert 90 <= told["ageSeconds"] < 100
    assert operator.http.get("/admin/audit").json()["ageSeconds"] == 0


def test_stats_count_what_changed(web: Process, operator: Player, alice: Player, bob: Player, stores: Stores) -> None:
    def changes(before: dict[str, float]) -> dict[str, float]:
        now = operator.http.get("/admin/stats").json()
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}

    open_ = [ActionId(row[0]) for row in stores.rows("SELECT id::text FROM actions WHERE settlement = 'pending'")]
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, open_, VETTING))
    # What other tests have completed must not leave the last minute in the middle of this one. All times move alike, so
    # that the audit finds nothing wrong.
    stores.execute("UPDATE actions SET start_at = start_at - interval '1 h', end_at = end_at - interval '1 h'")
    stores.execute("UPDATE standings SET reached_at = reached_at - interval '1 h'")
    stores.execute("UPDATE audit_events SET at = at - interval '1 h' WHERE kind = 'adjusted'")
    stores.redis.delete(queues.SETTLE_QUEUE)
    before = operator.http.get("/admin/stats").json()
    assert before["settleLagSeconds"] == 0

    action_id = alice.started()
    assert changes(before) == {"started": 1}
    assert alice.end(action_id).status_code == 200
    stores.execute("UPDATE actions SET end_at = now() - interval '30 s' WHERE id = :id", id=action_id)
    # Without a worker its message stays in the queue.
    eventually(lambda: "queueLength" in changes(before), what="the message")
    counted = changes(before)
    assert 29 < counted.pop("settleLagSeconds") < 60
    assert counted == {"unsettled": 1, "completionsPerMinute": 1, "queueLength": 1}
    stores.execute("UPDATE actions SET end_at = now() - interval '61 s' WHERE id = :id", id=action_id)
    assert "completionsPerMinute" not in changes(before)
    in_transaction(stores.engine, lambda conn: settle.set_aside(conn, BOARDS, ActionId(action_id)))
    stores.redis.delete(queues.SETTLE_QUEUE)
    assert changes(before) == {"held": 1}
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=bob.user_id)
    assert changes(before) == {"held": 1, "suspended": 1}
    with listening(web, alice.token) as websocket:
        message(websocket)
        assert changes(before) == {"held": 1, "suspended": 1, "connections": 1}
    settled(stores, alice)
    eventually(lambda: changes(before).get("boardVersion") == 1, what="the board")
    add_user(stores.engine, "newcomer")
    assert changes(before)["users"] == 1


def _clean(operator: Player) -> list[str]:
    answer = operator.http.get("/admin/audit").json()
    return [check["name"] for check in answer["checks"]] if answer["ok"] else []


def test_operator_who_logged_out_elsewhere_changes_nothing_more(
    service: Service, operator: Player, alice: Player, stores: Stores
) -> None:
    other = service.web()
    headers = {"authorization": f"Bearer {operator.token}"}
    url = f"{other.url}/admin/users/{alice.user_id}/adjust"
    body = {"points": 10, "reason": "a prize"}
    assert operator.http.post(url, json=body, headers=headers).status_code == 200
    assert operator.http.post("/auth/logout").status_code == 204
    assert operator.http.post(url, json=body, headers=headers).status_code == 401
    assert stores.value("SELECT total_score FROM users WHERE id = :id", id=alice.user_id) == 10


def test_former_operator_changes_nothing_more(operator: Player, alice: Player, stores: Stores) -> None:
    url, body = f"/admin/users/{alice.user_id}/adjust", {"points": 10, "reason": "a prize"}
    assert operator.http.post(url, json=body).status_code == 200
    stores.execute("UPDATE users SET role = 'player' WHERE id = :id", id=operator.user_id)
    assert operator.http.post(url, json=body).status_code == 403


def test_suspended_operator_loses_writes_at_once_and_reads_soon(
    operator: Player, alice: Player, stores: Stores
) -> None:
    url, body = f"/admin/users/{alice.user_id}/adjust", {"points": 10, "reason": "a prize"}
    assert operator.http.post(url, json=body).status_code == 200
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=operator.user_id)
    problem(operator.http.post(url, json=body), 403)
    stores.execute(
        "INSERT INTO audit_events (kind, user_id, actor) VALUES ('suspended', :id, 'shell')", id=operator.user_id
    )
    eventually(lambda: operator.http.get("/admin/users").status_code == 403, within=5, what="the refusal")


def test_operator_role_change_takes_effect_within_seconds(alice: Player, stores: Stores) -> None:
    problem(alice.http.get("/admin/flags"), 403)  # so that this process knows what she is
    for role, status in (("admin", 200), ("player", 403)):
        set_role(stores, alice.user_id, role)
        eventually(
            lambda status=status: alice.http.get("/admin/flags").status_code == status,  # type: ignore[misc]
            within=5,
            what=role,
        )
