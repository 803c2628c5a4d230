"""POST /users/:userId/actions."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.actions import start
from app.domain.actions import Action, Start
from app.domain.errors import TooManyOpenActions
from app.domain.ids import ActionId, UserId, new_id
from db.transaction import in_transaction
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, problem

JSON = {"Content-Type": "application/json"}


def actions(stores: Stores, player: Player) -> list[Any]:
    return stores.rows("SELECT * FROM actions WHERE user_id = :id", id=player.user_id)


def test_started_action_is_answered_and_recorded(alice: Player, stores: Stores) -> None:
    answer = alice.start("quest", metadata={"level": 3})
    assert answer.status_code == 201
    action = answer.json()
    assert action == {
        "actionId": action["actionId"],
        "userId": alice.user_id,
        "type": "quest",
        "status": "started",
        "startAt": action["startAt"],
        "endAt": None,
        "score": None,
        "metadata": {"level": 3},
    }
    (row,) = actions(stores, alice)
    assert str(row.id) == action["actionId"]
    assert (row.type, row.status, row.end_at, row.score) == ("quest", "started", None, None)
    assert row.metadata == {"level": 3}
    assert row.settlement is None
    assert str(row.client_ip) == "127.0.0.1"
    assert datetime.fromisoformat(action["startAt"]) == row.start_at


def test_identifiers_and_times_have_the_form_of_the_contract(alice: Player) -> None:
    action = alice.start().json()
    assert uuid.UUID(action["actionId"]).version == 7
    assert uuid.UUID(action["userId"]).version == 7
    assert action["startAt"].endswith("Z")
    assert abs(datetime.fromisoformat(action["startAt"]) - datetime.now(UTC)) < timedelta(seconds=10)


def test_location_is_where_the_action_is_found(alice: Player) -> None:
    answer = alice.start()
    found = alice.http.get(answer.headers["location"])
    assert found.status_code == 200
    assert found.json() == answer.json()


def test_action_without_a_type_is_of_the_default_type(alice: Player) -> None:
    assert alice.start().json()["type"] == "default"
    assert alice.start("default").json()["type"] == "default"


def test_action_without_metadata_has_none(alice: Player) -> None:
    assert alice.start().json()["metadata"] == {}


def test_start_twice_makes_two_actions(alice: Player, stores: Stores) -> None:
    assert alice.started() != alice.started()
    assert len(actions(stores, alice)) == 2


def test_unknown_type_is_refused_by_name(alice: Player, stores: Stores) -> None:
    assert "raid" in problem(alice.start("raid"), 400, "unknown-type")["detail"]
    assert actions(stores, alice) == []


@pytest.mark.parametrize(
    "score", [{"score": 1000}, {"points": 1000}, {"awardedPoints": 1000}, {"startAt": "2026-01-01"}]
)
def test_client_never_says_what_an_action_is_worth(alice: Player, stores: Stores, score: dict[str, Any]) -> None:
    (field,) = score
    assert field in problem(alice.start(**score), 400, "malformed-request")["detail"]
    assert actions(stores, alice) == []


@pytest.mark.parametrize("status", ["cancelled", "STARTED", "", None, 1, True, ["started"]])
def test_action_begins_started(alice: Player, stores: Stores, status: object) -> None:
    body = problem(alice.start(status=status), 400, "malformed-request")
    assert "status" in body["detail"]
    assert actions(stores, alice) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", ""),
        ("type", "x" * 65),
        ("type", None),
        ("type", 5),
        ("metadata", None),
        ("metadata", [1]),
        ("metadata", "x"),
    ],
)
def test_field_of_the_wrong_type_is_refused_by_name(alice: Player, stores: Stores, field: str, value: object) -> None:
    body = {"status": "started", field: value}
    answer = alice.http.post(f"/users/{alice.user_id}/actions", json=body)
    assert field in problem(answer, 400, "malformed-request")["detail"]
    assert actions(stores, alice) == []


METADATA: dict[str, dict[str, Any]] = {
    "nested as deep as allowed": {"a": {"b": {"c": {"d": {"e": {"f": [1]}}}}}},
    "text of every kind": {"ü": '日本語 🎲 \u2028 \\ " / \u0001 \x7f', "": ""},
    "numbers": {"small": -5, "large": 2**53, "larger": 10**30, "float": 0.1, "tiny": 1e-300, "none": None, "yes": True},
    "a thousand members": {str(n): n for n in range(400)},
    "keys that mean something elsewhere": {"__proto__": {"x": 1}, "constructor": 1, "$ref": "#"},
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_comes_back_as_it_was_sent(alice: Player, metadata: dict[str, Any]) -> None:
    action = alice.start(metadata=metadata).json()
    assert action["metadata"] == metadata
    assert alice.http.get(f"/users/{alice.user_id}/actions/{action['actionId']}").json()["metadata"] == metadata


def test_metadata_of_four_kibibytes_fit_and_one_more_does_not(alice: Player, stores: Stores) -> None:
    room = 4096 - len('{"x":""}')
    assert alice.start(metadata={"x": "y" * room}).status_code == 201
    assert "metadata" in problem(alice.start(metadata={"x": "y" * (room + 1)}), 400)["detail"]
    assert len(actions(stores, alice)) == 1


@pytest.mark.parametrize("number", ["1e308", "-1e308", "1e-300", "5e-324", "1.7976931348623157e308"])
def test_metadata_is_measured_with_its_numbers_written_out(alice: Player, number: str) -> None:
    """PostgreSQL prints each digit: 680 such numbers were 4.8 KB on the way in and 211 KB on the way out."""

    def start(count: int) -> httpx2.Response:
        body = f'{{"status": "started", "metadata": {{"a": [{", ".join([number] * count)}]}}}}'
        return alice.http.post(f"/users/{alice.user_id}/actions", content=body, headers=JSON)

    assert "metadata" in problem(start(680), 400)["detail"]
    most = next(count for count in range(20, 0, -1) if start(count).status_code == 201)
    assert most >= 5
    answer = alice.http.get(start(most).headers["location"])
    assert list(map(float, answer.json()["metadata"]["a"])) == [float(number)] * most
    assert len(answer.content) < 4096 + 1024


def test_metadata_are_measured_in_bytes(alice: Player, stores: Stores) -> None:
    problem(alice.start(metadata={"x": "ü" * 2050}), 400)
    assert actions(stores, alice) == []


def test_suspended_player_starts_nothing(alice: Player, stores: Stores) -> None:
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    problem(alice.start(), 403, "user-suspended")
    assert actions(stores, alice) == []


def test_start_for_somebody_else_is_refused(alice: Player, bob: Player, stores: Stores) -> None:
    for path in (alice.user_id, str(uuid.uuid4()), "mine", "%00", "x" * 500):
        problem(bob.http.post(f"/users/{path}/actions", json={"status": "started"}), 403, "forbidden")
    assert actions(stores, alice) == actions(stores, bob) == []


def test_start_needs_a_token(web: Process, alice: Player, stores: Stores) -> None:
    problem(httpx2.post(f"{web.url}/users/{alice.user_id}/actions", json={"status": "started"}), 401, "unauthorized")
    assert actions(stores, alice) == []


@pytest.fixture(scope="module")
def narrow(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A web process whose players may have three open actions."""
    rules = tmp_path_factory.mktemp("rules") / "scoring.toml"
    rules.write_text("max_open_actions = 3\n[types.default]\npoints = 10\n")
    return service.web(SCORING_FILE=str(rules))


@pytest.fixture
def players(narrow: Process) -> Iterator[list[Player]]:
    """Two players of that process."""
    made = [Player(narrow.url, unique("player")) for _ in range(2)]
    yield made
    for player in made:
        player.close()


def test_start_refuses_one_open_action_too_many_until_one_ends(players: list[Player], stores: Stores) -> None:
    player, other = players
    first, *_ = [player.start().json() for _ in range(3)]
    refused = player.start()
    assert problem(refused, 409)["code"] == "too-many-open-actions"
    assert len(actions(stores, player)) == 3
    assert other.start().status_code == 201
    assert player.end(first["actionId"]).status_code == 200
    assert player.start().status_code == 201
    assert player.start().status_code == 409


def test_start_counts_the_open_actions_within_a_batch_too(stores: Stores, players: list[Player]) -> None:
    alice, bob = players
    starts = [
        Start(ActionId(new_id()), UserId(user_id), 0, "default", None, "{}")
        for user_id in [alice.user_id] * 5 + [bob.user_id]
    ]
    results = in_transaction(stores.engine, lambda conn: start(conn, starts, max_open=3))
    assert [isinstance(it, Action) for it in results] == [True, True, True, False, False, True]
    assert {type(it) for it in results} == {Action, TooManyOpenActions}


def test_start_repeated_after_a_lost_answer_is_no_further_action(stores: Stores, players: list[Player]) -> None:
    alice, _ = players
    only = [Start(ActionId(new_id()), UserId(alice.user_id), 0, "default", None, "{}")]
    for _ in range(2):
        (result,) = in_transaction(stores.engine, lambda conn: start(conn, only, max_open=1))
        assert isinstance(result, Action)
        assert result.action_id == only[0].action_id
