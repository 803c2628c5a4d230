"""A request that is wrong in several ways is answered for the first of them, in the contract's order.

Each test begins with a request that is wrong in every way and mends one after the other.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, problem
from tests.support.tokens import authorization, signed

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
HUGE = b"?" * 20_000
MALFORMED = b"?"


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    """A web process whose limits a test uses up."""
    return service.web(RATE_LIMIT_CREATE="4/hour", RATE_LIMIT_COMPLETE="7/hour")


@pytest.fixture
def carol(web: Process) -> Iterator[Player]:
    """Somebody else, whose limits nobody uses up."""
    player = Player(web.url, unique("carol"))
    yield player
    player.close()


def test_starting_an_action(alice: Player, bob: Player, stores: Stores) -> None:
    http, mine, others = alice.http, f"/users/{alice.user_id}/actions", f"/users/{bob.user_id}/actions"
    bad = authorization(signed(alice, key="x" * 32))

    def suspend(player: Player, status: str = "suspended") -> None:
        stores.execute("UPDATE users SET status = :status WHERE id = :id", status=status, id=player.user_id)

    suspend(alice)
    # Four requests are let through by the limit; those that come to nothing before it don't count.
    for _ in range(5):
        problem(http.post(others, content=HUGE, headers={**TEXT, **bad}), 401, "unauthorized")
        problem(http.post(others, content=HUGE, headers=TEXT), 403, "forbidden")
    problem(http.post(mine, content=HUGE, headers=TEXT), 413, "body-too-large")
    problem(http.post(mine, content=MALFORMED, headers=TEXT), 415, "unsupported-media-type")
    problem(http.post(mine, content=MALFORMED, headers=JSON), 400, "malformed-request")
    problem(alice.start(), 403, "user-suspended")
    problem(http.post(mine, content=HUGE, headers=TEXT), 429, "rate-limited")
    problem(http.post(others, content=HUGE, headers=TEXT), 403, "forbidden")
    problem(http.post(others, content=HUGE, headers={**TEXT, **bad}), 401, "unauthorized")


def test_ending_an_action(alice: Player, carol: Player, stores: Stores) -> None:
    http, mine = alice.http, f"/users/{alice.user_id}/actions"
    bad = authorization(signed(alice, key="x" * 32))
    completed: dict[str, Any] = {"status": "completed"}
    ended, carols = alice.started(), carol.started()
    stores.execute("UPDATE actions SET status = 'cancelled', end_at = now() WHERE id IN (:a, :b)", a=ended, b=carols)
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)

    foreign = f"/users/{carol.user_id}/actions/{carols}"
    for _ in range(8):
        problem(http.put(foreign, content=HUGE, headers={**TEXT, **bad}), 401, "unauthorized")
        problem(http.put(foreign, content=HUGE, headers=TEXT), 403, "forbidden")
    nothing = f"{mine}/{uuid.uuid4()}"
    problem(http.put(nothing, content=HUGE, headers=TEXT), 413, "body-too-large")
    problem(http.put(nothing, content=MALFORMED, headers=TEXT), 415, "unsupported-media-type")
    problem(http.put(f"{mine}/no-uuid", content=MALFORMED, headers=JSON), 400, "malformed-request")
    problem(http.put(nothing, json=completed), 404, "not-found")
    problem(http.put(f"{mine}/{carols}", json=completed), 403, "forbidden")
    problem(http.put(f"{mine}/{ended}", json=completed), 403, "user-suspended")
    stores.execute("UPDATE users SET status = 'active' WHERE id = :id", id=alice.user_id)
    problem(http.put(f"{mine}/{ended}", json=completed), 409, "action-cancelled")
    problem(http.put(nothing, content=HUGE, headers=TEXT), 429, "rate-limited")
    problem(http.put(foreign, content=HUGE, headers=TEXT), 403, "forbidden")


def test_rule_that_the_request_breaks_comes_last(carol: Player, bob: Player, stores: Stores) -> None:
    quest = carol.started("quest")
    problem(bob.end(quest), 403, "forbidden")
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=carol.user_id)
    problem(carol.end(quest), 403, "user-suspended")
    stores.execute("UPDATE users SET status = 'active' WHERE id = :id", id=carol.user_id)
    problem(carol.end(quest), 403, "fraud-rule")


def test_revoked_token_comes_before_everything_else(alice: Player, carol: Player) -> None:
    carols = carol.started()
    assert alice.http.post("/auth/logout").status_code == 204
    for _ in range(9):
        problem(alice.start(), 401, "unauthorized")
        problem(alice.end(carols), 401, "unauthorized")
        problem(alice.end("no-uuid"), 401, "unauthorized")
    answer = alice.http.post(f"/users/{carol.user_id}/actions", content=HUGE, headers=TEXT)
    problem(answer, 401, "unauthorized")


def test_request_refused_early_is_not_looked_up(carol: Player, stores: Stores) -> None:
    """The path of a user who doesn't exist reveals as little as that of one who does."""
    with stores.engine.begin() as conn:
        conn.execute(sa.text("LOCK TABLE actions IN ACCESS EXCLUSIVE MODE"))  # whoever looks there is answered 503
        answers = [
            carol.http.put(f"/users/{user_id}/actions/{uuid.uuid4()}", json={"status": "completed"})
            for user_id in (str(uuid.uuid4()), "no-uuid")
        ]
    bodies: list[dict[str, Any]] = [problem(answer, 403, "forbidden") for answer in answers]
    for body in bodies:
        del body["requestId"]
    assert bodies[0] == bodies[1]
