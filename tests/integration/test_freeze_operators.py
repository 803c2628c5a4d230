"""Operators freeze, thaw and reveal boards: over HTTP, from a shell, and what is refused."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import sqlalchemy as sa

from app.board import correct
from app.domain.ids import DEFAULT_BOARD, UserId
from db.transaction import in_transaction
from tests.integration.test_manage_moderation import manage
from tests.support.board import BOARDS
from tests.support.people import Player, add_user
from tests.support.service import Stores, eventually, problem

pytestmark = pytest.mark.usefixtures("quiet")

PATH = f"/admin/boards/{DEFAULT_BOARD}"
WHY = {"reason": "a contest"}


def give(engine: sa.Engine, user_id: UserId, points: int) -> None:
    in_transaction(engine, lambda conn: correct.adjust(conn, BOARDS, user_id, points, actor="shell", reason="a test"))


def test_board_is_frozen_revealed_and_thawed_over_http(operator: Player, stores: Stores) -> None:
    for points in (10, 20, 30):
        give(stores.engine, add_user(stores.engine), points)
    http = operator.http
    frozen = http.post(f"{PATH}/freeze", json=WHY)
    assert frozen.status_code == 200, frozen.text
    assert set(frozen.json()) == {"board", "title", "frozen", "frozenFrom", "thawedAt"}
    assert (frozen.json()["board"], frozen.json()["title"], frozen.json()["frozen"]) == ("all-time", "All time", True)
    problem(http.post(f"{PATH}/freeze", json=WHY), 409, "wrong-state")
    assert [it for it in http.get("/admin/boards").json()["items"] if it["frozen"]] == [frozen.json()]
    step = http.post(f"{PATH}/reveal", json=WHY).json()
    assert (step["frozen"], step["revealed"], step["places"]) == (True, 1, 3)
    assert http.post(f"{PATH}/reveal", json={**WHY, "places": 2}).json()["frozen"] is False
    for verb in ("thaw", "reveal"):
        problem(http.post(f"{PATH}/{verb}", json=WHY), 409, "wrong-state")
    soon = datetime.now(UTC) + timedelta(hours=1)
    planned = http.post(f"{PATH}/freeze", json={**WHY, "at": soon.isoformat()}).json()
    assert planned["frozen"] is False
    assert datetime.fromisoformat(planned["frozenFrom"]) == soon
    assert http.post(f"{PATH}/thaw", json=WHY).json()["frozenFrom"] is None
    kinds = ("board_frozen", "board_revealed", "board_thawed")
    events = [it for kind in kinds for it in http.get(f"/admin/events?kind={kind}").json()["items"]]
    assert len(events) == 6
    assert {(it["actor"], it["reason"], it["details"]["board"]) for it in events} == {
        (operator.user_id, "a contest", "all-time")
    }


def test_operators_alone_see_through_a_freeze(operator: Player, alice: Player, stores: Stores) -> None:
    shown, entered = add_user(stores.engine), add_user(stores.engine)
    give(stores.engine, shown, 1000)

    def first(player: Player, **query: str) -> tuple[str, httpx2.Headers]:
        answer = player.http.get("/top-scores", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()[0]["userId"], answer.headers

    leader, headers = first(operator, live="true")
    assert (leader, "board-frozen" in headers) == (shown, False)
    frozen = operator.http.post(f"{PATH}/freeze", json=WHY).json()
    give(stores.engine, entered, 2000)
    leader, headers = first(operator, live="true")
    since = datetime.fromisoformat(headers["board-frozen"])
    assert leader == entered
    assert abs(since - datetime.fromisoformat(frozen["frozenFrom"])) < timedelta(milliseconds=1)
    assert ("etag" in headers, headers["cache-control"]) == (False, "no-store")
    eventually(lambda: "board-frozen" in first(alice)[1], what="a board that says that it is frozen")
    assert first(alice)[0] == first(alice, live="false")[0] == first(operator)[0] == shown
    problem(alice.http.get("/top-scores", params={"live": "true"}), 403, "forbidden")
    problem(httpx2.get(f"{alice.http.base_url}/top-scores", params={"live": "true"}), 401)
    problem(httpx2.get(f"{alice.http.base_url}/top-scores", params={"live": "yes"}), 400)
    operator.http.post(f"{PATH}/thaw", json=WHY)


def test_what_cannot_be_is_refused_and_players_have_no_say(operator: Player, alice: Player, stores: Stores) -> None:
    for verb in ("freeze", "thaw", "reveal"):
        problem(alice.http.post(f"{PATH}/{verb}", json=WHY), 403, "forbidden")
        problem(operator.http.post(f"/admin/boards/nowhere/{verb}", json=WHY), 404, "not-found")
        for period in ("2001-W01", "x"):
            answer = operator.http.post(f"{PATH}/{verb}", json={**WHY, "period": period})
            problem(answer, 404, "not-found")
        for body in ({}, {"reason": ""}, {**WHY, "more": 1}):
            problem(operator.http.post(f"{PATH}/{verb}", json=body), 400, "malformed-request")
    problem(alice.http.get("/admin/boards"), 403, "forbidden")
    past = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    for wrong in (past, "2026-01-01T00:00:00", "soon"):
        assert (
            problem(operator.http.post(f"{PATH}/freeze", json={**WHY, "at": wrong}), 400)["code"] == "malformed-request"
        )
    for places in (0, 101, "1"):
        answer = operator.http.post(f"{PATH}/reveal", json={**WHY, "places": places})
        problem(answer, 400, "malformed-request")
    assert stores.value("SELECT count(*) FROM audit_events WHERE kind LIKE 'board%' AND actor = 'nobody'") == 0
    assert stores.value("SELECT bool_or(frozen_from IS NOT NULL) FROM boards") is False


def test_board_is_frozen_revealed_and_thawed_from_a_shell(engine: sa.Engine, stores: Stores) -> None:
    for points in (10, 20):
        give(engine, add_user(engine), points)
    why = ("--reason", "a contest")
    planned = manage(stores, "freeze", "all-time", "--at", "2100-01-01T12:00", *why)
    assert planned.output == "all-time will be frozen from 2100-01-01T12:00:00Z.\n"
    assert manage(stores, "freeze", "all-time", *why).output.startswith("all-time is frozen since 20")
    again = manage(stores, "freeze", "all-time", *why)
    assert (again.exit_code, again.stderr) == (1, "Error: The board is frozen already.\n")
    assert manage(stores, "reveal", "all-time", *why).output == "all-time: 1 of 2 places are revealed.\n"
    assert manage(stores, "thaw", "all-time", *why).output == "all-time is not frozen.\n"
    manage(stores, "freeze", "all-time", *why)
    last = manage(stores, "reveal", "all-time", "--places", "9", *why)
    assert last.output == "all-time: all places are revealed, it is not frozen any more.\n"
    assert manage(stores, "thaw", "nowhere", *why).stderr == "Error: There is no board 'nowhere'.\n"
    assert manage(stores, "thaw", "all-time", "--period", "x", *why).stderr == "Error: There is no such period.\n"
    assert manage(stores, "freeze", "all-time").exit_code == 2
