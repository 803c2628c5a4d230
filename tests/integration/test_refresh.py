"""POST /auth/refresh."""

import pytest

from tests.support.people import Player
from tests.support.service import Process, Service, Stores, problem
from tests.support.tokens import authorization, from_now, signed

DAY = 24 * 3600


def test_valid_token_gives_another_one_that_works(alice: Player) -> None:
    answer = alice.http.post("/auth/refresh")
    assert answer.status_code == 200
    body = answer.json()
    assert body == {
        "accessToken": body["accessToken"],
        "expiresIn": 3600,
        "tokenType": "Bearer",
        "userId": alice.user_id,
    }
    assert body["accessToken"] != alice.token
    for token in (alice.token, body["accessToken"]):
        assert alice.http.get(f"/users/{alice.user_id}", headers=authorization(token)).status_code == 200


def test_refresh_without_a_valid_token_is_refused(web: Process, alice: Player) -> None:
    del alice.http.headers["authorization"]
    problem(alice.http.post("/auth/refresh"), 401, "unauthorized")
    expired = signed(alice, iat=from_now(-20), exp=from_now(-10))
    problem(alice.http.post("/auth/refresh", headers=authorization(expired)), 401, "unauthorized")


def test_refresh_ends_thirty_days_after_the_login(alice: Player) -> None:
    nearly, over = (signed(alice, auth_time=from_now(-30 * DAY + seconds)) for seconds in (60, -60))
    assert alice.http.post("/auth/refresh", headers=authorization(nearly)).status_code == 200
    problem(alice.http.post("/auth/refresh", headers=authorization(over)), 401, "unauthorized")
    # The token itself is as good as any until it expires.
    assert alice.http.get(f"/users/{alice.user_id}", headers=authorization(over)).status_code == 200


def test_chain_of_refreshes_does_not_move_the_login(alice: Player) -> None:
    token = signed(alice, auth_time=from_now(-30 * DAY + 60))
    began = from_now(-30 * DAY + 60)
    for _ in range(3):
        alice.token = alice.http.post("/auth/refresh", headers=authorization(token)).json()["accessToken"]
        assert abs(alice.claims["auth_time"] - began) <= 2
        token = alice.token


def test_token_without_a_time_of_login_counts_from_its_issue(alice: Player) -> None:
    answer = alice.http.post("/auth/refresh", headers=authorization(signed(alice, without="auth_time")))
    assert answer.status_code == 200
    issued = alice.claims["iat"]
    alice.token = answer.json()["accessToken"]
    assert alice.claims["auth_time"] == issued


def test_logged_out_token_is_refreshed_in_no_process(service: Service, alice: Player) -> None:
    other = service.web()
    assert alice.http.post(f"{other.url}/auth/refresh").status_code == 200
    assert alice.http.post("/auth/logout").status_code == 204
    for url in ("/auth/refresh", f"{other.url}/auth/refresh"):
        problem(alice.http.post(url), 401, "unauthorized")


def test_suspended_player_gets_none(stores: Stores, alice: Player) -> None:
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    problem(alice.http.post("/auth/refresh"), 403, "user-suspended")


def test_user_who_is_gone_gets_none(stores: Stores, alice: Player) -> None:
    stores.execute("DELETE FROM users WHERE id = :id", id=alice.user_id)
    problem(alice.http.post("/auth/refresh"), 401, "unauthorized")


@pytest.mark.parametrize("ttl", [7, 100])
def test_life_of_a_token_is_a_setting(service: Service, alice: Player, ttl: int) -> None:
    process = service.web(ACCESS_TOKEN_TTL=str(ttl))
    body = alice.http.post(f"{process.url}/auth/refresh").json()
    alice.token = body["accessToken"]
    assert body["expiresIn"] == ttl
    assert alice.claims["exp"] - alice.claims["iat"] == ttl
    process.stop()
