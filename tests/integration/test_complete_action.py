"""PUT /users/:userId/actions/:actionId: completing and cancelling, and what an action is worth."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.domain.ids import new_id
from db import actions
from tests.support.people import Player, add_user
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem

RULES = """
[types.default]
points = 10
[types.slow]
points = 50
min_seconds = 1
[types.brief]
points = 30
max_seconds = 1
[types.daily]
points = 7
per_day = 2
[types.worthless]
points = 0
"""


@pytest.fixture(scope="module")
def scoring_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rules with limits that a test can reach."""
    path = tmp_path_factory.mktemp("rules") / "scoring.toml"
    path.write_text(RULES)
    return path


@pytest.fixture(scope="module")
def web(service: Service, scoring_file: Path) -> Process:
    """A web process on those rules."""
    return service.web(SCORING_FILE=str(scoring_file))


def put(player: Player, action_id: str, body: object) -> httpx2.Response:
    return player.http.put(f"/users/{player.user_id}/actions/{action_id}", json=body)


def recorded(stores: Stores, action_id: str) -> Any:
    """Return the row of an action."""
    (row,) = stores.rows(
        "SELECT status, score, settlement, start_at, end_at, settled_at FROM actions WHERE id = :id", id=action_id
    )
    return row


def total(stores: Stores, player: Player) -> int:
    """Return a player's total, which must be the sum of the completed actions."""
    stored, summed = stores.rows(
        "SELECT total_score, (SELECT coalesce(sum(score), 0) FROM actions WHERE user_id = users.id) FROM users"
        " WHERE id = :id",
        id=player.user_id,
    )[0]
    assert stored == summed
    return int(stored)


def age(stores: Stores, action_id: str, seconds: float) -> None:
    """Make an action so much older."""
    stores.execute(
        "UPDATE actions SET start_at = start_at - make_interval(secs => :seconds) WHERE id = :id",
        id=action_id,
        seconds=seconds,
    )


def at_once(urls: list[str], player: Player, action_ids: list[str]) -> list[httpx2.Response]:
    """Complete actions, each over the next of some processes, all at the same time."""

    async def run() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(headers=player.http.headers, timeout=20, limits=limits) as client:
            paths = (f"/users/{player.user_id}/actions/{action_id}" for action_id in action_ids)
            wanted = [
                client.put(url + path, json={"status": "completed"})
                for url, path in zip(cycle(urls), paths, strict=False)
            ]
            return await asyncio.gather(*wanted)

    return asyncio.run(run())


def test_completed_action_is_scored_by_the_rule_and_recorded(alice: Player, stores: Stores) -> None:
    started = alice.start(metadata={"level": 3}).json()
    answer = alice.end(started["actionId"])
    assert answer.status_code == 200
    action = answer.json()
    assert action == {
        **started,
        "status": "completed",
        "endAt": action["endAt"],
        "score": 10,
        "settlement": "pending",
        "awardedPoints": 10,
        "totalScore": 10,
    }
    row = recorded(stores, started["actionId"])
    assert row[:3] == ("completed", 10, "pending")
    assert row.settled_at is None
    assert action["endAt"].endswith("Z")
    assert datetime.fromisoformat(action["endAt"]) == row.end_at > row.start_at
    assert total(stores, alice) == 10


def test_total_is_that_of_the_player_alone_and_runs_on(alice: Player, bob: Player, stores: Stores) -> None:
    assert [alice.end(alice.started()).json()["totalScore"] for _ in range(3)] == [10, 20, 30]
    assert bob.end(bob.started()).json()["totalScore"] == 10
    assert (total(stores, alice), total(stores, bob)) == (30, 10)


def test_cancelled_action_scores_nothing(alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    answer = alice.end(action_id, "cancelled")
    assert answer.status_code == 200
    action = answer.json()
    assert (action["status"], action["score"]) == ("cancelled", None)
    assert action["endAt"].endswith("Z")
    for member in ("settlement", "awardedPoints", "totalScore"):
        assert member not in action
    assert recorded(stores, action_id)[:3] == ("cancelled", None, None)
    assert total(stores, alice) == 0


def test_older_body_completes_as_well(alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    answer = put(alice, action_id, {"started": "completed"})
    assert (answer.status_code, answer.json()["status"], answer.json()["awardedPoints"]) == (200, "completed", 10)
    assert recorded(stores, action_id).status == "completed"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "completed", "started": "completed"},
        {"status": "cancelled", "started": "completed"},
        {"status": "started"},
        {"status": "COMPLETED"},
        {"status": ""},
        {"status": None},
        {"status": 1},
        {"status": ["completed"]},
        {"started": "cancelled"},
        {"started": True},
        {"status": None, "started": "completed"},
        {"status": "completed", "score": 1000},
        {"status": "completed", "metadata": {}},
        {"completed": "status"},
        [],
        "completed",
    ],
    ids=str,
)
def test_end_with_any_other_body_leaves_the_action_started(alice: Player, stores: Stores, body: object) -> None:
    action_id = alice.started()
    problem(put(alice, action_id, body), 400, "malformed-request")
    assert recorded(stores, action_id).status == "started"
    assert total(stores, alice) == 0


ENDINGS = [(first, second) for first in ("completed", "cancelled") for second in ("completed", "cancelled")]


@pytest.mark.parametrize(("first", "second"), ENDINGS)
def test_action_ends_once_and_the_conflict_tells_how(alice: Player, stores: Stores, first: str, second: str) -> None:
    action_id = alice.started()
    assert alice.end(action_id, first).status_code == 200
    before = recorded(stores, action_id)
    for _ in range(2):
        body = problem(alice.end(action_id, second), 409, f"action-{first}")
        assert body["action"] == alice.http.get(f"/users/{alice.user_id}/actions/{action_id}").json()
        assert body["action"]["status"] == first
        assert body["action"]["score"] == (10 if first == "completed" else None)
    assert recorded(stores, action_id) == before
    assert total(stores, alice) == (10 if first == "completed" else 0)


def test_end_too_soon_is_refused_and_possible_later(web: Process, alice: Player, stores: Stores) -> None:
    action_id = alice.started("slow")
    body = problem(alice.end(action_id), 403, "fraud-rule")

    def lines() -> list[str]:
        return [it for it in web.output().splitlines() if f"requestId={body['requestId']}" in it]

    (line,) = eventually(lines, what="the line")
    for word in ("scoreboard.security", "fraud.refused", f"actionId={action_id}", f"userId={alice.user_id}"):
        assert word in line
    assert "1 s" in body["detail"]
    assert recorded(stores, action_id)[:3] == ("started", None, None)
    assert total(stores, alice) == 0

    answer = eventually(lambda: (it := alice.end(action_id)).status_code == 200 and it, within=3, what="a completion")
    assert isinstance(answer, httpx2.Response)
    assert answer.json()["awardedPoints"] == 50
    row = recorded(stores, action_id)
    assert row.end_at - row.start_at >= timedelta(seconds=1)
    assert total(stores, alice) == 50


def test_cancelling_is_never_too_soon(alice: Player) -> None:
    assert alice.end(alice.started("slow"), "cancelled").status_code == 200


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_action_open_for_too_long_is_cancelled_by_any_put(alice: Player, stores: Stores, status: str) -> None:
    action_id = alice.started("brief")
    age(stores, action_id, 1)
    for _ in range(2):
        body = problem(alice.end(action_id, status), 409, "action-expired")
        assert (body["action"]["status"], body["action"]["score"]) == ("cancelled", None)
        assert body["action"]["actionId"] == action_id
    row = recorded(stores, action_id)
    assert row[:3] == ("cancelled", None, None)
    assert row.end_at > row.start_at
    assert total(stores, alice) == 0


def test_answer_is_the_same_after_the_sweep_cancelled_it(
    service: Service, alice: Player, stores: Stores, scoring_file: Path
) -> None:
    action_id = alice.started("brief")
    sweepers = [start(SCORING_FILE=str(scoring_file)) for start in (service.beat, service.worker)]
    eventually(lambda: recorded(stores, action_id).status == "cancelled", what="the sweep")
    for process in sweepers:
        process.stop()
    for status in ("completed", "cancelled"):
        body = problem(alice.end(action_id, status), 409, "action-expired")
        assert body["action"] == alice.http.get(f"/users/{alice.user_id}/actions/{action_id}").json()
    assert total(stores, alice) == 0


def test_action_that_is_cancelled_in_time_is_not_called_expired(alice: Player, stores: Stores) -> None:
    action_id = alice.started("brief")
    assert alice.end(action_id, "cancelled").status_code == 200
    problem(alice.end(action_id), 409, "action-cancelled")


def test_completions_beyond_the_days_number_score_nothing(alice: Player, bob: Player, stores: Stores) -> None:
    answers = [alice.end(alice.started("daily")).json() for _ in range(4)]
    assert [answer["awardedPoints"] for answer in answers] == [7, 7, 0, 0]
    assert [answer["score"] for answer in answers] == [7, 7, 0, 0]
    assert [answer["totalScore"] for answer in answers] == [7, 14, 14, 14]
    assert {answer["status"] for answer in answers} == {"completed"}
    assert total(stores, alice) == 14
    # The number is one player's, and one type's.
    assert bob.end(bob.started("daily")).json()["awardedPoints"] == 7
    assert alice.end(alice.started()).json()["awardedPoints"] == 10


def test_daily_limit_counts_completions_of_this_utc_day_only(alice: Player, stores: Stores) -> None:
    for _ in range(2):
        assert alice.end(alice.started("daily")).json()["awardedPoints"] == 7
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stores.execute(
        "UPDATE actions SET start_at = :before, end_at = :before WHERE user_id = :id",
        id=alice.user_id,
        before=midnight - timedelta(microseconds=1),
    )
    assert alice.end(alice.started("daily")).json()["awardedPoints"] == 7
    stores.execute(
        "UPDATE actions SET start_at = :first, end_at = :first WHERE user_id = :id", id=alice.user_id, first=midnight
    )
    assert alice.end(alice.started("daily")).json()["awardedPoints"] == 0


def test_cancelled_actions_do_not_use_up_the_day(alice: Player) -> None:
    for _ in range(3):
        assert alice.end(alice.started("daily"), "cancelled").status_code == 200
    assert alice.end(alice.started("daily")).json()["awardedPoints"] == 7


def test_reversed_completions_do_not_use_up_the_day(alice: Player, stores: Stores) -> None:
    for _ in range(2):
        action_id = alice.started("daily")
        assert alice.end(action_id).json()["score"] > 0
    assert alice.end(alice.started("daily")).json()["score"] == 0
    stores.execute("UPDATE actions SET settlement = 'reversed', settled_at = now() WHERE id = :id", id=action_id)
    assert alice.end(alice.started("daily")).json()["score"] > 0
    assert alice.end(alice.started("daily")).json()["score"] == 0


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_day_is_that_of_utc_whatever_the_session_says(stores: Stores, zone: str) -> None:
    alice = add_user(stores.engine)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    midnight = noon.replace(hour=0)
    for at in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(hours=1)):
        stores.execute(
            "INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, settlement, settled_at)"
            " VALUES (:id, :user, 'daily', 'completed', :at, :at, 5, 'cleared', :at)",
            id=new_id(),
            user=alice,
            at=at,
        )
    with stores.engine.begin() as conn:
        conn.exec_driver_sql(f"SET LOCAL timezone = '{zone}'")
        assert actions.completed_today(conn, {(alice, "daily"): 3}, noon) == {(alice, "daily"): 2}
        assert actions.completed_today(conn, {(alice, "daily"): 1}, noon) == {(alice, "daily"): 1}


def test_days_number_holds_for_completions_at_once(web: Process, alice: Player, stores: Stores) -> None:
    ids = [alice.started("daily") for _ in range(12)]
    answers = at_once([web.url], alice, ids)
    assert Counter(answer.json()["awardedPoints"] for answer in answers) == {7: 2, 0: 10}
    assert total(stores, alice) == 14


def test_type_worth_nothing_completes_for_nothing(alice: Player, stores: Stores) -> None:
    action = alice.end(alice.started("worthless")).json()
    assert (action["status"], action["score"], action["awardedPoints"]) == ("completed", 0, 0)
    assert total(stores, alice) == 0


def test_action_whose_type_is_no_longer_known_counts_as_default(alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    stores.execute("UPDATE actions SET type = 'retired' WHERE id = :id", id=action_id)
    action = alice.end(action_id).json()
    assert (action["type"], action["awardedPoints"]) == ("retired", 10)


@pytest.mark.parametrize("action_id", [NOBODY, "1", "x" * 300, "%00", "%ff", "null", "0" * 32])
def test_action_that_does_not_exist_is_not_found(alice: Player, action_id: str) -> None:
    problem(alice.end(action_id), 404, "not-found")


def test_end_of_another_players_action_is_refused(alice: Player, bob: Player, stores: Stores) -> None:
    action_id = alice.started()
    problem(bob.end(action_id), 403, "forbidden")
    problem(bob.http.put(f"/users/{alice.user_id}/actions/{action_id}", json={"status": "completed"}), 403)
    assert recorded(stores, action_id).status == "started"
    assert total(stores, alice) == total(stores, bob) == 0


def test_suspended_player_ends_nothing(alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    for status in ("completed", "cancelled"):
        problem(alice.end(action_id, status), 403, "user-suspended")
    assert recorded(stores, action_id).status == "started"
    assert total(stores, alice) == 0


@pytest.fixture(scope="module")
def other(service: Service, scoring_file: Path) -> Process:
    """A second web process on the same stores."""
    return service.web(SCORING_FILE=str(scoring_file))


def test_completions_of_one_action_over_two_processes_award_once(
    web: Process, other: Process, alice: Player, stores: Stores
) -> None:
    action_id = alice.started()
    answers = at_once([web.url, other.url], alice, [action_id] * 200)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 199}
    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (won["awardedPoints"], won["totalScore"]) == (10, 10)
    lost = [problem(answer, 409, "action-completed")["action"] for answer in answers if answer.status_code == 409]
    for action in lost:
        assert {**action, "awardedPoints": 10, "totalScore": 10} == won
    assert recorded(stores, action_id)[:3] == ("completed", 10, "pending")
    assert total(stores, alice) == 10


def test_completions_of_many_over_two_processes_are_all_awarded(
    web: Process, other: Process, alice: Player, stores: Stores
) -> None:
    ids = [alice.started() for _ in range(60)]
    answers = at_once([web.url, other.url], alice, ids)
    assert Counter(answer.status_code for answer in answers) == {200: 60}
    assert sorted(answer.json()["totalScore"] for answer in answers) == [10 * n for n in range(1, 61)]
    assert total(stores, alice) == 600


def test_completing_and_cancelling_at_once_has_one_winner(
    web: Process, other: Process, alice: Player, stores: Stores
) -> None:
    def end(process: Process, action_id: str, status: str) -> httpx2.Response:
        return alice.http.put(f"{process.url}/users/{alice.user_id}/actions/{action_id}", json={"status": status})

    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            action_id = alice.started()
            answers = [pool.submit(end, web, action_id, "completed"), pool.submit(end, other, action_id, "cancelled")]
            won, lost = sorted((answer.result() for answer in answers), key=lambda answer: answer.status_code)
            assert (won.status_code, lost.status_code) == (200, 409)
            assert won.json()["status"] == lost.json()["action"]["status"] == recorded(stores, action_id).status
    total(stores, alice)
