"""POST /users/:userId/actions with a service key: one call, one scored action, however often it is sent."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.keys import add_key, with_key
from tests.support.people import Player, suspend
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem

RULES = """
[types.default]
points = 10
[types.slow]
points = 50
min_seconds = 3600
[types.lap]
value = {min = 20000, max = 600000, unit = "ms"}
points = {per_value = 0.001, max = 500}
[types.jump]
title = "Long jump"
value = {min = 0, max = 999}
points = 5
trust_players = true
"""
DONE = {"status": "completed"}


@pytest.fixture(scope="module")
def scoring_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rules with values."""
    path = tmp_path_factory.mktemp("rules") / "scoring.toml"
    path.write_text(RULES)
    return path


@pytest.fixture(scope="module")
def web(service: Service, scoring_file: Path) -> Process:
    """A web process on those rules."""
    return service.web(SCORING_FILE=str(scoring_file))


@pytest.fixture
def server(web: Process, stores: Stores) -> Iterator[httpx2.Client]:
    """A game server with a key."""
    with with_key(web, add_key(stores, "actions")) as client:
        yield client


def path(player: Player) -> str:
    return f"/users/{player.user_id}/actions"


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_report_is_one_scored_action(server: httpx2.Client, alice: Player, stores: Stores) -> None:
    body = {**DONE, "type": "lap", "value": 61_999, "metadata": {"track": "Monza"}}
    answer = server.post(path(alice), json=body)
    action = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{path(alice)}/{action['actionId']}"
    assert "Idempotency-Replayed" not in answer.headers
    assert action == {
        "actionId": action["actionId"],
        "userId": alice.user_id,
        "type": "lap",
        "status": "completed",
        "startAt": action["endAt"],
        "endAt": action["endAt"],
        "score": 61,
        "metadata": {"track": "Monza"},
        "settlement": "pending",
        "value": 61_999,
        "awardedPoints": 61,
        "totalScore": 61,
    }
    told = {key: action[key] for key in action.keys() - {"awardedPoints", "totalScore"}}
    assert alice.http.get(answer.headers["Location"]).json() == told
    assert alice.http.get(path(alice)).json()["items"] == [told]
    # No type: the default one, which has no value; and how long it took nobody knows.
    plain = server.post(path(alice), json=DONE).json()
    assert (plain["type"], plain["score"], plain["totalScore"], "value" in plain) == ("default", 10, 71, False)
    assert server.post(path(alice), json={**DONE, "type": "slow"}).json()["score"] == 50
    assert stores.value("SELECT total_score FROM users WHERE id = :id", id=alice.user_id) == 121


def test_report_is_vetted_settled_and_shown_like_any_other(
    service: Service, server: httpx2.Client, web: Process, alice: Player, stores: Stores
) -> None:
    service.worker()
    assert server.post(path(alice), json=DONE).status_code == 201
    own = f"/users/{alice.user_id}"
    eventually(lambda: alice.http.get(own).json()["score"] == 10, what="the standing")
    for _ in range(46):
        answer = server.post(path(alice), json=DONE)
    last = answer.json()["actionId"]
    eventually(lambda: alice.settlement(last) == "held", what="the verdict")
    assert stores.value("SELECT reason FROM audit_events WHERE action_id = :id", id=last).startswith("4")
    events = web.output()
    assert "action.created" in events
    assert "action.completed" in events
    metrics = httpx2.get(f"{web.url}/metrics").text
    for counter in ("action_created_total", "action_completed_total"):
        line = next(it for it in metrics.splitlines() if it.startswith(f"{counter} "))
        assert float(line.split()[1]) >= 47


def test_player_reports_nothing_whatever_the_body(alice: Player, bob: Player, stores: Stores) -> None:
    bodies: list[dict[str, Any]] = [
        DONE,
        {**DONE, "type": "lap", "value": 30_000},
        {**DONE, "type": "jump", "value": 1},
        {**DONE, "type": "nothing"},
        {**DONE, "score": 10**6},
        {**DONE, "endAt": "never"},
    ]
    for body in bodies:
        problem(alice.http.post(path(alice), json=body), 403, "service-key-required")
        problem(alice.http.post(path(alice), json=body, headers=keyed("k")), 403, "service-key-required")
    problem(alice.http.post(path(bob), json=DONE), 403, "forbidden")
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id) == 0


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({**DONE, "type": "lap"}, "wrong-value", "20000 to 600000 ms"),
        ({**DONE, "type": "lap", "value": 19_999}, "wrong-value", "20000"),
        ({**DONE, "type": "lap", "value": 600_001}, "wrong-value", "600000"),
        ({**DONE, "type": "lap", "value": 10**30}, "wrong-value", "600000"),
        ({**DONE, "type": "lap", "value": 30_000.0}, "malformed-request", "value"),
        ({**DONE, "type": "lap", "value": "30000"}, "malformed-request", "value"),
        ({**DONE, "type": "lap", "value": True}, "malformed-request", "value"),
        ({**DONE, "type": "lap", "value": None}, "malformed-request", "value"),
        ({**DONE, "value": 1}, "wrong-value", "has none"),
        ({**DONE, "type": "nothing"}, "unknown-type", "nothing"),
        ({**DONE, "score": 5}, "malformed-request", "score"),
        ({**DONE, "endAt": "2026-01-01T00:00:00"}, "malformed-request", "endAt"),
        ({**DONE, "endAt": "yesterday"}, "malformed-request", "endAt"),
        ({**DONE, "endAt": 0}, "malformed-request", "endAt"),
        ({**DONE, "endAt": "2020-01-01T00:00:00Z"}, "wrong-end", "hour back"),
        ({**DONE, "endAt": "9999-12-31T23:59:59-14:00"}, "wrong-end", "endAt"),
        ({**DONE, "endAt": "9999-12-31T23:59:59Z"}, "wrong-end", "ahead"),
        ({**DONE, "endAt": "0001-01-01T00:00:00Z"}, "wrong-end", "hour back"),
        ({"status": "cancelled"}, "malformed-request", "status"),
        ({"status": "started", "type": "lap", "value": 30_000}, "malformed-request", "value"),
        ({"status": "started", "endAt": "2026-01-01T00:00:00Z"}, "malformed-request", "endAt"),
        ({**DONE, "metadata": {"note": "x" * 5000}}, "malformed-request", "metadata"),
    ],
)
def test_report_that_is_wrong_is_told_what(
    server: httpx2.Client, alice: Player, stores: Stores, body: dict[str, Any], code: str, word: str
) -> None:
    for headers in ({}, keyed("k")):
        assert word in problem(server.post(path(alice), json=body, headers=headers), 400, code)["detail"]
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id) == 0
    assert server.post(path(alice), json=DONE, headers=keyed("k")).status_code == 201


def test_report_for_who_is_not_there_or_suspended_is_refused(
    server: httpx2.Client, alice: Player, stores: Stores
) -> None:
    problem(server.post(f"/users/{NOBODY}/actions", json=DONE), 404, "not-found")
    problem(server.post("/users/alice/actions", json=DONE), 404, "not-found")
    suspend(stores, alice.user_id)  # type: ignore[arg-type]
    problem(server.post(path(alice), json=DONE), 403, "user-suspended")


def test_end_of_a_report_may_lie_an_hour_back(server: httpx2.Client, alice: Player, stores: Stores) -> None:
    ended = datetime.now(UTC) - timedelta(minutes=59)
    zone = ended.astimezone(datetime.strptime("+0530", "%z").tzinfo).isoformat()
    body = server.post(path(alice), json={**DONE, "endAt": zone}).json()
    assert datetime.fromisoformat(body["endAt"]) == datetime.fromisoformat(body["startAt"]) == ended
    assert body["endAt"].endswith("Z")
    row = stores.rows("SELECT end_at, recorded_at FROM actions WHERE id = :id", id=body["actionId"])[0]
    assert row.recorded_at - row.end_at > timedelta(minutes=58)


def test_same_request_again_is_answered_with_the_same_action(
    server: httpx2.Client, alice: Player, stores: Stores, web: Process
) -> None:
    moment = datetime.now(UTC).isoformat()
    body = {**DONE, "type": "lap", "value": 30_000, "metadata": {"a": 1, "b": [2]}, "endAt": moment}
    first = server.post(path(alice), json=body, headers=keyed("lap 7 ~!"))
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    # The same in other words.
    other = {"metadata": {"b": [2], "a": 1}, **body, "endAt": moment.replace("+00:00", "Z")}
    for again in (body, other):
        answer = server.post(path(alice), json=again, headers=keyed("lap 7 ~!"))
        assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (200, "true")
        assert answer.headers["Location"] == first.headers["Location"]
        assert {**answer.json(), "settlement": "pending"} == first.json()  # a worker may have settled it
    changes = ({**body, "value": 30_001}, {**body, "metadata": {}}, {**body, "type": "default"}, {"status": "started"})
    for changed in changes:
        answer = server.post(path(alice), json=changed, headers=keyed("lap 7 ~!"))
        problem(answer, 422, "idempotency-mismatch")
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id) == 1
    assert stores.value("SELECT total_score FROM users WHERE id = :id", id=alice.user_id) == 30
    # What wasn't valid any more, were it new, is still answered: it is what it was.
    problem(server.post(path(alice), json={**body, "endAt": "2020-01-01T00:00:00Z"}, headers=keyed("x")), 400)


def test_replay_outlives_the_rules(service: Service, server: httpx2.Client, alice: Player, tmp_path: Path) -> None:
    body = {**DONE, "type": "lap", "value": 30_000}
    first = server.post(path(alice), json=body, headers=keyed("k")).json()
    changed = tmp_path / "scoring.toml"
    changed.write_text("[types.default]\npoints = 3\n")
    later = service.web(SCORING_FILE=str(changed))
    with httpx2.Client(base_url=later.url, headers=server.headers) as client:
        problem(client.post(path(alice), json=body, headers=keyed("new")), 400, "unknown-type")
        answer = client.post(path(alice), json=body, headers=keyed("k"))
        assert (answer.status_code, answer.json()["actionId"], answer.json()["score"]) == (200, first["actionId"], 30)


def test_key_is_each_ones_own(web: Process, server: httpx2.Client, alice: Player, bob: Player, stores: Stores) -> None:
    started = {"status": "started"}
    with with_key(web, add_key(stores, "actions")) as other:
        answers = [
            server.post(path(alice), json=started, headers=keyed("k")),
            other.post(path(alice), json=started, headers=keyed("k")),
            alice.http.post(path(alice), json=started, headers=keyed("k")),
            bob.http.post(path(bob), json=started, headers=keyed("k")),
        ]
    assert [it.status_code for it in answers] == [201] * 4
    assert len({it.json()["actionId"] for it in answers}) == 4
    problem(server.post(path(bob), json=started, headers=keyed("k")), 422, "idempotency-mismatch")


def test_players_start_is_done_once_and_told_as_it_is(alice: Player) -> None:
    started = {"status": "started", "metadata": {"level": 3}}
    first = alice.http.post(path(alice), json=started, headers=keyed("k"))
    again = alice.http.post(path(alice), json=started, headers=keyed("k"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    problem(alice.http.post(path(alice), json={"status": "started"}, headers=keyed("k")), 422, "idempotency-mismatch")
    ended = alice.end(first.json()["actionId"]).json()
    told = alice.http.post(path(alice), json=started, headers=keyed("k"))
    assert (told.status_code, told.json()["awardedPoints"]) == (200, 10)
    assert told.json()["actionId"] == ended["actionId"]


@pytest.mark.parametrize("key", ["", "x" * 129, "caf\u00e9", "tab\tin it"])
def test_malformed_key_is_refused(alice: Player, key: str) -> None:
    header = [(b"idempotency-key", key.encode())]
    answer = alice.http.post(path(alice), json={"status": "started"}, headers=header)
    assert "Idempotency-Key" in problem(answer, 400, "malformed-request")["detail"]


def test_two_keys_in_one_request_are_refused(alice: Player) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(alice.http.post(path(alice), json={"status": "started"}, headers=twice), 400, "malformed-request")
    longest = keyed("x" * 128)
    assert alice.http.post(path(alice), json={"status": "started"}, headers=longest).status_code == 201


def test_two_processes_that_are_asked_at_once_record_one_action(
    service: Service, scoring_file: Path, web: Process, stores: Stores, alice: Player
) -> None:
    second = service.web(SCORING_FILE=str(scoring_file))
    headers = {"authorization": f"Bearer {add_key(stores, 'actions')}"}

    async def ask() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(headers=headers, timeout=20) as client:
            asked = [
                client.post(f"{it.url}{path(alice)}", json=DONE, headers=keyed(str(n)))
                for n in range(20)
                for it in (web, second, second, web)
            ]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    for four in (answers[n : n + 4] for n in range(0, 80, 4)):
        assert sorted(it.status_code for it in four) == [200, 200, 200, 201]
        assert len({it.json()["actionId"] for it in four}) == 1
        assert {it.json()["score"] for it in four} == {10}
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id) == 20
    assert stores.value("SELECT total_score FROM users WHERE id = :id", id=alice.user_id) == 200


def test_player_ends_with_a_value_only_where_trusted(server: httpx2.Client, alice: Player) -> None:
    lap, jump, plain = (f"{path(alice)}/{alice.started(it)}" for it in ("lap", "jump", None))
    for body in (DONE, {**DONE, "value": 30_000}):
        problem(alice.http.put(lap, json=body), 403, "service-key-required")
    problem(alice.http.put(jump, json=DONE), 400, "wrong-value")
    problem(alice.http.put(jump, json={**DONE, "value": 1000}), 400, "wrong-value")
    problem(alice.http.put(jump, json={"status": "cancelled", "value": 1}), 400, "malformed-request")
    problem(alice.http.put(plain, json={**DONE, "value": 1}), 400, "wrong-value")
    ended = alice.http.put(jump, json={**DONE, "value": 999}).json()
    assert (ended["value"], ended["score"]) == (999, 5)
    assert problem(alice.http.put(jump, json={**DONE, "value": 3}), 409)["action"]["value"] == 999
    # A key starts and ends any player's.
    assert server.put(lap, json={**DONE, "value": 45_000}).json()["score"] == 45
    cancelled = alice.http.put(plain, json={"status": "cancelled"}).json()
    assert "value" not in cancelled


def test_action_types_tell_values_and_what_they_earn(web: Process) -> None:
    types = {it.pop("type"): it for it in httpx2.get(f"{web.url}/action-types").json()["types"]}
    plain = {"minSeconds": 0, "maxSeconds": None, "perDay": None}
    assert types["default"] == {"points": 10, **plain}
    assert types["lap"] == {
        **plain,
        "points": 500,
        "pointsPerValue": 0.001,
        "value": {"min": 20_000, "max": 600_000, "unit": "ms"},
        "trustPlayers": False,
    }
    assert types["jump"] == {
        **plain,
        "title": "Long jump",
        "points": 5,
        "value": {"min": 0, "max": 999},
        "trustPlayers": True,
    }
