"""POST /admin/users/:id/reset and POST /auth/reset: a way back in, for once and for a day."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from app.accounts import reset
from app.board import erase
from app.domain.ids import UserId
from db import password_resets
from db.transaction import in_transaction
from tests.support.board import BOARDS
from tests.support.people import PASSWORD, Player
from tests.support.service import Process, Service, Stores, problem
from tests.support.sockets import listening, message
from tests.support.tokens import authorization

NEW = "another horse battery"


def link(operator: Player, user_id: str) -> str:
    """Make a link and return its token."""
    answer = operator.http.post(f"/admin/users/{user_id}/reset")
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    return url.partition("#reset=")[2]


def use(web: Process, token: str, password: str = NEW, **more: Any) -> httpx2.Response:
    return httpx2.post(f"{web.url}/auth/reset", json={"token": token, "password": password}, timeout=10, **more)


def login(web: Process, player: Player, password: str) -> httpx2.Response:
    body = {"username": player.username, "password": password}
    return httpx2.post(f"{web.url}/auth/login", json=body, timeout=10)


def test_link_names_the_page_and_is_good_for_a_day(web: Process, operator: Player, alice: Player) -> None:
    answer = operator.http.post(f"/admin/users/{alice.user_id}/reset", json={"reason": "forgot it"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"url", "expiresAt"}
    assert re.fullmatch(rf"{re.escape(web.url)}/#reset=[A-Za-z0-9_-]{{43}}", answer.json()["url"])
    left = datetime.fromisoformat(answer.json()["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left < timedelta(hours=24, minutes=1)


def test_new_password_signs_in_and_everything_older_ends(
    web: Process, service: Service, operator: Player, alice: Player, stores: Stores
) -> None:
    other = service.web()
    token = link(operator, alice.user_id)
    stored = stores.value("SELECT token_hash FROM password_resets WHERE user_id = :id", id=alice.user_id)
    assert bytes(stored) == reset.hash_of(token)
    with listening(other, alice.token) as socket:
        message(socket)
        answer = use(web, token)
        assert answer.status_code == 200
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
    assert answer.headers["cache-control"] == "no-store"
    assert {key: value for key, value in answer.json().items() if key != "accessToken"} == {
        "expiresIn": 3600,
        "tokenType": "Bearer",
        "userId": alice.user_id,
    }
    problem(alice.start(), 401, "unauthorized")
    fresh = authorization(answer.json()["accessToken"])
    assert alice.http.get(f"/users/{alice.user_id}", headers=fresh).status_code == 200
    problem(login(web, alice, PASSWORD), 401, "wrong-credentials")
    assert login(web, alice, NEW).status_code == 200
    problem(use(web, token, "a third password"), 403, "reset-link")
    assert login(web, alice, NEW).status_code == 200

    events = stores.rows("SELECT kind, actor FROM audit_events WHERE user_id = :id ORDER BY id", id=alice.user_id)
    assert events == [
        ("reset_created", operator.user_id),
        ("password_reset", alice.user_id),
        ("logged_out", alice.user_id),
    ]
    assert stores.value("SELECT tokens_since IS NOT NULL FROM users WHERE id = :id", id=alice.user_id)
    assert token not in web.output()


def test_new_link_voids_the_older_one(web: Process, operator: Player, alice: Player, stores: Stores) -> None:
    first, second = link(operator, alice.user_id), link(operator, alice.user_id)
    problem(use(web, first), 403, "reset-link")
    assert stores.value("SELECT count(*) FROM password_resets WHERE user_id = :id", id=alice.user_id) == 1
    assert use(web, second).status_code == 200


def test_wrong_expired_and_malformed_links_are_refused_alike(
    web: Process, operator: Player, alice: Player, stores: Stores
) -> None:
    token = link(operator, alice.user_id)
    stores.execute("UPDATE password_resets SET expires_at = clock_timestamp() WHERE user_id = :id", id=alice.user_id)
    told = {use(web, it).json()["detail"] for it in (token, "", "x", "ü" * 43, token[:-1], token.lower(), "A" * 43)}
    assert len(told) == 1
    problem(use(web, token), 403, "reset-link")
    assert login(web, alice, PASSWORD).status_code == 200


def test_link_used_twice_at_once_sets_one_password(web: Process, operator: Player, alice: Player) -> None:
    token = link(operator, alice.user_id)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: use(web, token, f"{NEW} {n}"), range(6)))
    assert sorted(it.status_code for it in answers) == [200, 403, 403, 403, 403, 403]
    (winner,) = [n for n, it in enumerate(answers) if it.status_code == 200]
    assert login(web, alice, f"{NEW} {winner}").status_code == 200


def test_suspended_user_gets_no_link_and_uses_none(
    web: Process, operator: Player, alice: Player, stores: Stores
) -> None:
    token = link(operator, alice.user_id)
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=alice.user_id)
    problem(operator.http.post(f"/admin/users/{alice.user_id}/reset"), 409, "wrong-state")
    problem(use(web, token), 403, "user-suspended")
    stores.execute("UPDATE users SET status = 'active' WHERE id = :id", id=alice.user_id)
    assert use(web, token).status_code == 200  # the link wasn't used up


def test_erased_user_leaves_no_link(web: Process, operator: Player, alice: Player, stores: Stores) -> None:
    token = link(operator, alice.user_id)
    stores.execute("UPDATE users SET external_id = :x WHERE id = :id", id=alice.user_id, x=f"school-{alice.username}")
    in_transaction(
        stores.engine, lambda conn: erase.erase(conn, BOARDS, UserId(alice.user_id), actor="shell", reason="asked")
    )
    assert stores.value("SELECT count(*) FROM password_resets WHERE user_id = :id", id=alice.user_id) == 0
    assert stores.value("SELECT external_id FROM users WHERE id = :id", id=alice.user_id) is None
    problem(use(web, token), 403, "reset-link")
    problem(operator.http.post(f"/admin/users/{alice.user_id}/reset"), 409, "wrong-state")


def test_password_that_was_changed_otherwise_voids_the_link(web: Process, operator: Player, alice: Player) -> None:
    token = link(operator, alice.user_id)
    body = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert alice.http.post(f"/users/{alice.user_id}/password", json=body).status_code == 200
    problem(use(web, token), 403, "reset-link")


def test_malformed_uses_no_link_up(web: Process, operator: Player, alice: Player) -> None:
    token = link(operator, alice.user_id)
    for body in (
        {"token": token},
        {"password": NEW},
        {"token": token, "password": "short"},
        {"token": token, "password": NEW, "surplus": 1},
        {"token": "x" * 129, "password": NEW},
        {"token": None, "password": NEW},
    ):
        problem(httpx2.post(f"{web.url}/auth/reset", json=body, timeout=10), 400)
    assert use(web, token).status_code == 200


def test_only_operators_make_links_for_who_is_there(operator: Player, alice: Player, bob: Player) -> None:
    problem(alice.http.post(f"/admin/users/{bob.user_id}/reset"), 403, "forbidden")
    for nobody in ("00000000-0000-7000-8000-000000000000", "x"):
        problem(operator.http.post(f"/admin/users/{nobody}/reset"), 404, "not-found")


def test_guesses_are_limited_like_logins(service: Service, stores: Stores) -> None:
    stores.redis.flushall()
    limited = service.web(RATE_LIMIT_LOGIN_IP="3/hour")
    for _ in range(3):
        problem(use(limited, "x"), 403, "reset-link")
    assert problem(use(limited, "x"), 429, "rate-limited")["policy"] == "login_ip"


def test_expired_links_are_swept_away_and_others_stay(
    operator: Player, alice: Player, bob: Player, stores: Stores
) -> None:
    link(operator, alice.user_id), link(operator, bob.user_id)
    stores.execute(
        "UPDATE password_resets SET expires_at = now() - interval '1 s' WHERE user_id = :id", id=alice.user_id
    )
    erase.forget(stores.engine, client_ip_days=30)
    left = stores.rows(
        "SELECT user_id::text FROM password_resets WHERE user_id IN (:a, :b)", a=alice.user_id, b=bob.user_id
    )
    assert left == [(bob.user_id,)]
    assert in_transaction(stores.engine, lambda conn: password_resets.forget_expired(conn, limit=10)) == 0
