"""GET /users/:userId/actions/:actionId."""

import uuid

import httpx2
import pytest

from tests.support.people import Player
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem


def path(player: Player, action_id: str) -> str:
    return f"/users/{player.user_id}/actions/{action_id}"


def test_action_is_shown_in_each_of_its_states(service: Service, alice: Player) -> None:
    started = alice.start().json()
    action_id = started["actionId"]
    assert alice.http.get(path(alice, action_id)).json() == started

    completed = alice.end(action_id).json()
    shown = alice.http.get(path(alice, action_id)).json()
    assert {**shown, "awardedPoints": 10, "totalScore": 10} == completed
    assert (shown["status"], shown["score"], shown["settlement"]) == ("completed", 10, "pending")

    worker = service.worker()
    eventually(lambda: alice.settlement(action_id) == "cleared", what="the settlement")
    worker.stop()
    assert alice.http.get(path(alice, action_id)).json() == {**shown, "settlement": "cleared"}


def test_cancelled_action_has_no_score_and_no_settlement(alice: Player) -> None:
    action_id = alice.started()
    cancelled = alice.end(action_id, "cancelled").json()
    shown = alice.http.get(path(alice, action_id)).json()
    assert shown == cancelled
    assert (shown["status"], shown["score"]) == ("cancelled", None)
    assert "settlement" not in shown


@pytest.mark.parametrize("action_id", [NOBODY, "1", "x" * 300, "%00", "%ff", "..%2f..", "null", "0" * 32])
def test_action_that_does_not_exist_is_not_found(alice: Player, action_id: str) -> None:
    problem(alice.http.get(path(alice, action_id)), 404, "not-found")


def test_action_of_another_player_is_forbidden_under_either_path(alice: Player, bob: Player) -> None:
    action_id = alice.started()
    problem(bob.http.get(path(alice, action_id)), 403, "forbidden")
    problem(bob.http.get(path(bob, action_id)), 403, "forbidden")
    problem(bob.http.get(path(alice, str(uuid.uuid4()))), 403, "forbidden")
    assert alice.http.get(path(alice, action_id)).status_code == 200


def test_suspended_player_may_still_read_actions(alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    assert alice.http.get(path(alice, action_id)).status_code == 200


def test_action_needs_a_token(web: Process, alice: Player) -> None:
    problem(httpx2.get(web.url + path(alice, alice.started())), 401, "unauthorized")
