"""DELETE /users/:userId: nothing of the person is left, and everything of the scores."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from websockets.exceptions import ConnectionClosed

from app.board import audit, correct, erase, publish, settle
from app.domain.errors import ScoreboardError
from app.domain.ids import ActionId, UserId, new_id
from db import persons
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import ALL_TIME, BOARDS, VETTING, completed, first_ten, top
from tests.support.people import PASSWORD, Player, add_user, set_role, unique
from tests.support.person import found_in_database, found_in_redis
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.sockets import listening, message

ADDRESS = "203.0.113.77"
BOTH: Any = {"actor": "shell", "reason": "x"}


@pytest.fixture(scope="module")
def other(service: Service) -> Process:
    """A second web process on the same stores."""
    return service.web()


def erased(player: Player, password: str = PASSWORD, **options: Any) -> httpx2.Response:
    return player.http.request("DELETE", f"/users/{player.user_id}", json={"password": password}, **options)


def settled(stores: Stores, player: Player) -> ActionId:
    """Complete an action and settle it without a worker."""
    action_id = ActionId(player.started())
    assert player.end(action_id).status_code == 200
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, [action_id], VETTING))
    publish.publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)
    return action_id


def violations(stores: Stores) -> dict[str, int]:
    """Return the invariants that don't hold, key and versions included."""
    checks = in_transaction(stores.engine, lambda conn: audit.audit(conn, BOARDS))
    checks += audit.published(stores.engine, Publisher.on(stores.redis), BOARDS)
    # Not the outbox: no worker runs here.
    return {check.name: check.violations for check in checks if check.violations and check.name != "outbox"}


def status_of(stores: Stores, user_id: str) -> str:
    return str(stores.value("SELECT status FROM users WHERE id = :id", id=user_id))


@pytest.fixture
def no_admins(stores: Stores) -> None:
    stores.execute("UPDATE users SET role = 'player'")


def test_erase_leaves_no_name_or_address_anywhere(service: Service, alice: Player, bob: Player, stores: Stores) -> None:
    limits: Any = {
        f"RATE_LIMIT_{it}": "1000/hour" for it in ("USER", "IP", "LOGIN_IP", "LOGIN_ACCOUNT", "CREATE", "WS")
    }
    limited = service.web(TRUSTED_PROXIES="127.0.0.0/8", **limits)
    here = httpx2.Client(base_url=limited.url, headers={**alice.http.headers, "X-Forwarded-For": ADDRESS}, timeout=10)
    alice.http.close()
    alice.http = here
    alice.login()
    name, email = alice.username, f"{alice.username}@example.org"
    for _ in range(3):
        settled(stores, alice)
    open_one = alice.start(metadata={"nick": name, "device": f"{name.title()}'s phone"}).json()["actionId"]
    waiting = alice.started()
    assert alice.end(waiting).status_code == 200
    both = stores.rows("SELECT id::text FROM users WHERE id IN (:a, :b)", a=alice.user_id, b=bob.user_id)
    assert len(both) == 2
    for user, reason in (
        (alice, "says she is somebody else"),
        (bob, f"the same as {name.upper()}."),
        (bob, f"mailed from <{email}>, see {name}, {name}2 and x-{name}"),
    ):
        in_transaction(
            stores.engine,
            lambda conn, user=user, reason=reason: correct.adjust(  # type: ignore[misc]
                conn, BOARDS, UserId(user.user_id), 5, actor="shell", reason=reason
            ),
        )
    stores.execute(
        "INSERT INTO audit_events (kind, actor, details) VALUES ('flag_changed', 'shell', CAST(:it AS jsonb))",
        it=json.dumps({"name": "broadcast", "asked by": name, "enabled": True}),
    )
    stores.execute(
        "INSERT INTO join_codes (id, code_hash, uses, note, created_by) VALUES (:id, '', 1, :note, 'shell')",
        id=new_id(),
        note=f"for {name.title()}.",
    )
    publish.publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)
    assert set(found_in_database(stores.engine, name, email, ADDRESS)) == {
        *("users.username", "users.username_key", "users.email", "top_scores.username"),
        *("actions.client_ip", "actions.metadata", "audit_events.reason", "audit_events.details", "join_codes.note"),
    }
    assert b"top_scores:10" in found_in_redis(stores.redis, name)

    answer = erased(alice)

    assert (answer.status_code, answer.content) == (204, b"")
    # Who has another name that begins with this one, or ends with it, is another user.
    stores.execute("UPDATE audit_events SET reason = replace(reason, :it, '')", it=f"{name}2 and x-{name}")
    assert found_in_database(stores.engine, name, email, ADDRESS) == []
    assert found_in_redis(stores.redis, name, email, ADDRESS) == []
    assert stores.value("SELECT note FROM join_codes") == "for [erased]."
    assert stores.rows("SELECT reason FROM audit_events WHERE user_id = :id ORDER BY id", id=bob.user_id) == [
        ("the same as [erased].",),
        ("mailed from <[erased]>, see [erased], ",),
    ]
    assert stores.rows("SELECT details FROM audit_events WHERE kind = 'flag_changed'") == [
        ({"name": "broadcast", "asked by": "[erased]", "enabled": True},)
    ]
    hers = "SELECT kind, actor, reason, points FROM audit_events WHERE user_id = :id ORDER BY id"
    assert stores.rows(hers, id=alice.user_id) == [
        ("adjusted", "shell", None, 5),
        ("erased", alice.user_id, None, None),
    ]
    row = "SELECT username, username_key, email, password_hash, status, role FROM users WHERE id = :id"
    assert stores.rows(row, id=alice.user_id) == [(None, None, None, None, "erased", "player")]
    kept = "SELECT count(*), sum(score) FROM actions WHERE user_id = :id"
    assert stores.rows(kept, id=alice.user_id) == [(5, 40)]
    assert stores.value("SELECT status FROM actions WHERE id = :id", id=open_one) == "started"
    assert violations(stores) == {}
    # What waited to be settled still is, and still reaches no board.
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, [ActionId(waiting)], VETTING))
    publish.publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)
    assert alice.user_id not in dict(top(stores.engine))
    assert violations(stores) == {}


def test_name_that_is_a_word_of_ours_does_no_harm(web: Process, stores: Stores) -> None:
    """Rules, keys and what the service itself wrote stay as they are."""
    for name in ("velocity", "rule", "facts", "name", "held"):
        player = Player(web.url, name)
        action_id = ActionId(player.started())
        assert player.end(action_id).status_code == 200
        in_transaction(stores.engine, lambda conn, it=action_id: settle.set_aside(conn, BOARDS, it))  # type: ignore[misc]
        stores.execute(
            "INSERT INTO audit_events (kind, actor, details) VALUES ('flag_changed', 'shell', '{\"name\": \"x\"}')"
        )
        before = stores.rows("SELECT id, kind, reason, details FROM audit_events WHERE actor <> :id", id=player.user_id)
        assert erased(player).status_code == 204
        after = stores.rows("SELECT id, kind, reason, details FROM audit_events WHERE actor <> :id", id=player.user_id)
        assert sorted(after, key=lambda row: row.id) == sorted(before, key=lambda row: row.id)
        player.close()


def test_erase_leaves_the_board_at_once_and_the_next_moves_up(
    web: Process, other: Process, alice: Player, bob: Player, stores: Stores
) -> None:
    settled(stores, alice)
    settled(stores, alice)
    settled(stores, bob)
    with listening(other, bob.token) as watching:
        assert alice.username in json.dumps(message(watching)["payload"])
        assert erased(alice).status_code == 204
        seen = message(watching)
        while alice.user_id in [row["userId"] for row in seen["payload"]]:
            seen = message(watching, within=5)
    assert bob.user_id in [row["userId"] for row in seen["payload"]]
    assert alice.username not in httpx2.get(f"{web.url}/top-scores").text
    assert alice.user_id not in dict(top(stores.engine))
    assert top(stores.engine) == first_ten(stores.engine)
    ranks = [row["rank"] for row in httpx2.get(f"{web.url}/top-scores").json()]
    assert ranks == list(range(1, len(ranks) + 1))
    mine = bob.http.get(f"/users/{bob.user_id}").json()["rank"]
    assert mine == next(row["rank"] for row in seen["payload"] if row["userId"] == bob.user_id)
    assert violations(stores) == {}


def test_sockets_are_closed_and_tokens_refused_in_every_process(web: Process, other: Process, alice: Player) -> None:
    action_id = alice.started()
    with listening(web, alice.token) as here, listening(other, alice.token) as there:
        message(here), message(there)
        assert erased(alice).status_code == 204
        for process in (web, other):
            url = f"{process.url}/users/{alice.user_id}"
            problem(alice.http.post(f"{url}/actions", json={"status": "started"}), 401, "unauthorized")
            problem(alice.http.put(f"{url}/actions/{action_id}", json={"status": "completed"}), 401, "unauthorized")
            problem(alice.http.post(f"{process.url}/auth/refresh"), 401, "unauthorized")
            problem(alice.http.request("DELETE", url, json={"password": PASSWORD}), 401, "unauthorized")
            eventually(lambda url=url: alice.http.get(url).status_code == 401, within=5, what="401 for reads")  # type: ignore[misc]
        for websocket in (here, there):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    message(websocket, within=5)
            assert websocket.close_code == 4401
    problem(
        httpx2.post(f"{web.url}/auth/login", json={"username": alice.username, "password": PASSWORD}),
        401,
        "wrong-credentials",
    )


def test_erased_name_and_address_can_be_registered_again(web: Process, alice: Player, stores: Stores) -> None:
    settled(stores, alice)
    assert erased(alice).status_code == 204
    again = Player(web.url, alice.username)
    assert again.user_id != alice.user_id
    assert again.http.get(f"/users/{again.user_id}").json()["totalScore"] == 0
    assert erased(again).status_code == 204
    assert violations(stores) == {}
    again.close()


def test_erase_without_the_right_password_erases_nobody(alice: Player, bob: Player, stores: Stores) -> None:
    problem(erased(alice, "wrong horse battery"), 403, "wrong-password")
    path = f"/users/{alice.user_id}"
    problem(bob.http.request("DELETE", path, json={"password": PASSWORD}), 403, "forbidden")
    problem(bob.http.request("DELETE", path, json={"password": PASSWORD}, headers={"authorization": ""}), 401)
    malformed: list[Any] = [{}, {"password": 1}, {"password": PASSWORD, "reason": "x"}, []]
    for body in malformed:
        problem(alice.http.request("DELETE", path, json=body), 400)
    problem(alice.http.request("DELETE", path), 415)
    assert alice.start().status_code == 201
    assert status_of(stores, alice.user_id) == "active"


def test_erase_of_a_suspended_player_is_allowed_and_final(alice: Player, stores: Stores) -> None:
    user_id = UserId(alice.user_id)
    in_transaction(stores.engine, lambda conn: correct.suspend(conn, BOARDS, user_id, **BOTH))
    assert erased(alice).status_code == 204
    for change in (
        lambda conn: correct.reinstate(conn, BOARDS, user_id, **BOTH),
        lambda conn: correct.suspend(conn, BOARDS, user_id, **BOTH),
        lambda conn: correct.adjust(conn, BOARDS, user_id, 5, **BOTH),
    ):
        with pytest.raises(correct.WrongState, match="was erased"):
            in_transaction(stores.engine, change)
    assert status_of(stores, user_id) == "erased"


def test_last_admin_stays_until_there_is_another(alice: Player, bob: Player, stores: Stores, no_admins: None) -> None:
    set_role(stores, alice.user_id)
    problem(erased(alice), 409, "last-admin")
    assert alice.http.get(f"/users/{alice.user_id}").status_code == 200
    set_role(stores, bob.user_id)
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=bob.user_id)
    problem(erased(alice), 409, "last-admin")
    stores.execute("UPDATE users SET status = 'active' WHERE id = :id", id=bob.user_id)
    assert erased(alice).status_code == 204
    problem(erased(bob), 409, "last-admin")


def test_erase_of_a_suspended_admin_is_not_of_the_last_one(stores: Stores, no_admins: None) -> None:
    admin = add_user(stores.engine, "admin")
    stores.execute("UPDATE users SET role = 'admin', status = 'suspended' WHERE id = :id", id=admin)
    assert in_transaction(stores.engine, lambda conn: erase.erase(conn, BOARDS, admin, **BOTH))


def test_erase_of_all_admins_at_once_leaves_one(stores: Stores, no_admins: None) -> None:
    for _ in range(5):
        admins = [add_user(stores.engine, "admin") for _ in range(4)]
        stores.execute("UPDATE users SET role = 'admin' WHERE id = ANY(CAST(:ids AS uuid[]))", ids=admins)

        def leave(user_id: UserId) -> str:
            try:
                in_transaction(
                    stores.engine, lambda conn: erase.erase(conn, BOARDS, user_id, actor=user_id, reason=None)
                )
            except ScoreboardError as error:
                return error.code
            return "erased"

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(leave, admins)) == ["erased", "erased", "erased", "last-admin"]
        stores.execute("UPDATE users SET role = 'player'")


def test_asked_twice_at_once_it_is_done_once(web: Process, alice: Player, stores: Stores) -> None:
    headers, url = {"authorization": f"Bearer {alice.token}"}, f"{web.url}/users/{alice.user_id}"

    def ask(_: int) -> int:
        return httpx2.request("DELETE", url, json={"password": PASSWORD}, headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(ask, range(3))) == [204, 401, 401]
    events = "SELECT count(*) FROM audit_events WHERE user_id = :id AND kind = 'erased'"
    assert stores.value(events, id=alice.user_id) == 1


def test_erase_beside_completions_and_settles_ends_right(
    engine: sa.Engine, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6):
        players = [add_user(engine) for _ in range(4)]
        ids = completed(engine, *players * 6)
        chunks = [ids[n::4] for n in range(4)]
        work = [
            *(lambda conn, it=it: settle.settle(conn, BOARDS, it, VETTING) for it in chunks),
            *(lambda conn, it=it: erase.erase(conn, BOARDS, it, **BOTH) for it in players[:2]),
            *(lambda conn, it=it: correct.adjust(conn, BOARDS, it, 5, **BOTH) for it in players),
        ]

        def run(call: Any) -> object:
            try:
                return in_transaction(engine, call)
            except ScoreboardError as error:
                return error

        with ThreadPoolExecutor(len(work)) as pool:
            results = list(pool.map(run, work))
        assert not [it for it in results if isinstance(it, ScoreboardError) and it.status >= 500], results
        publish.publish_all(engine, Publisher.on(stores.redis), BOARDS)
        assert top(engine) == first_ten(engine)
        assert not set(players[:2]) & set(dict(top(engine)))
        assert violations(stores) == {}
    assert "deadlock" not in caplog.text


@pytest.fixture
def engine(stores: Stores) -> sa.Engine:
    return stores.engine


def test_erase_by_an_admin_shows_nobody_and_may_be_repeated(
    web: Process, alice: Player, bob: Player, stores: Stores
) -> None:
    set_role(stores, bob.user_id)
    eventually(lambda: bob.http.get("/admin/users").status_code == 200, within=5, what="the role")
    settled(stores, alice)
    held = ActionId(alice.started())
    assert alice.end(held).status_code == 200
    in_transaction(stores.engine, lambda conn: settle.set_aside(conn, BOARDS, held))
    url = f"/admin/users/{alice.user_id}/erase"
    problem(bob.http.post(url, json={}), 400)
    problem(alice.http.post(url, json={"reason": "x"}), 403)
    for _ in range(2):
        answer = bob.http.post(url, json={"reason": f"{alice.username} asked for it by mail"})
        assert answer.status_code == 200
        assert answer.json()["status"] == "erased"
    eventually(
        lambda: any("user.erased" in line and alice.user_id in line for line in web.output().splitlines()),
        what="the line",
    )
    assert found_in_database(stores.engine, alice.username) == []
    events = "SELECT actor, reason FROM audit_events WHERE kind = 'erased' AND user_id = :id"
    assert stores.rows(events, id=alice.user_id) == [(bob.user_id, "[erased] asked for it by mail")]

    nobody = {"userId": alice.user_id, "username": None, "email": None, "role": "player", "status": "erased"}
    by_id = bob.http.get("/admin/users", params={"query": alice.user_id}).json()["items"]
    everybody = bob.http.get("/admin/users", params={"limit": 200}).json()["items"]
    for items in (by_id, everybody):
        mine = next(it for it in items if it["userId"] == alice.user_id)
        assert nobody.items() <= mine.items()
        assert mine["totalScore"] == 20
    assert [it["status"] == "erased" for it in everybody] == sorted(it["status"] == "erased" for it in everybody)
    assert bob.http.get("/admin/users", params={"query": alice.username}).json()["items"] == []
    listed = bob.http.get("/admin/actions?settlement=held").json()["items"]
    assert next(it for it in listed if it["actionId"] == held)["username"] is None
    assert bob.http.post(f"/admin/actions/{held}/release", json={}).json()["settlement"] == "cleared"
    problem(bob.http.post(f"/admin/users/{alice.user_id}/reinstate", json={}), 409, "wrong-state")
    assert alice.user_id not in dict(top(stores.engine))
    assert violations(stores) == {}


def test_erase_of_many_actions_is_done_at_once_and_then_swept(stores: Stores) -> None:
    user_id = add_user(stores.engine)
    number = erase.AT_ONCE + 1700
    stores.execute(
        """
        INSERT INTO actions (id, user_id, type, client_ip, metadata, status, end_at)
        SELECT gen_random_uuid(), :id, 'default', '203.0.113.77', '{"nick": "x"}',
            CASE n % 2 WHEN 0 THEN 'started' ELSE 'cancelled' END, CASE n % 2 WHEN 1 THEN now() END
        FROM generate_series(1, :number) AS n
        """,
        id=user_id,
        number=number,
    )
    left = "SELECT count(*) FROM actions WHERE user_id = :id AND (client_ip IS NOT NULL OR metadata <> '{}')"
    in_transaction(stores.engine, lambda conn: erase.erase(conn, BOARDS, user_id, **BOTH))
    assert stores.value(left, id=user_id) == number - erase.AT_ONCE
    # One that was on its way when its user was erased, older by its id than all others.
    stores.execute(
        "INSERT INTO actions (id, user_id, type, client_ip) VALUES (:new, :id, 'default', '203.0.113.77')",
        id=user_id,
        new="00000000-0000-7000-8000-000000000001",
    )
    # Those of other tests would use up the time for erasures, and this one might be passed over for that.
    stores.execute("DELETE FROM erasures WHERE user_id <> :id", id=user_id)
    erase.forget(stores.engine, client_ip_days=30)
    assert stores.value(left, id=user_id) == number - erase.AT_ONCE + 1  # too soon: more may be on its way
    stores.execute("UPDATE erasures SET erased_at = erased_at - interval '61 seconds'")

    def forgotten() -> bool:
        erase.forget(stores.engine, client_ip_days=30)
        return bool(stores.value("SELECT count(*) = 0 FROM erasures WHERE user_id = :id", id=user_id))

    eventually(forgotten, what="the end of the erasure")
    assert stores.value(left, id=user_id) == 0
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=user_id) == number + 1


def test_erase_is_never_done_by_half(stores: Stores) -> None:
    user_id = add_user(stores.engine, unique("half"))
    for change in (
        "status = 'erased'",
        "username = NULL, username_key = NULL",
        "status = 'erased', username = NULL, username_key = NULL",
    ):
        with pytest.raises(sa.exc.IntegrityError):
            stores.execute(f"UPDATE users SET {change} WHERE id = :id", id=user_id)


def test_erase_looks_through_a_long_history_of_words_in_batches(
    alice: Player, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.execute("DELETE FROM erasures")
    name, email = alice.username, f"{alice.username}@example.org"
    stores.execute(
        "INSERT INTO audit_events (kind, actor, reason)"
        " SELECT 'flag_changed', 'shell', 'asked by ' || :name || ' ' || n FROM generate_series(1, 25) AS n",
        name=name,
    )
    monkeypatch.setattr(erase, "EVENTS_AT_ONCE", 10)
    monkeypatch.setattr(erase, "IN_FLIGHT", 0.0)
    in_transaction(
        stores.engine, lambda conn: erase.erase(conn, BOARDS, UserId(alice.user_id), actor="shell", reason="asked for")
    )
    named = "SELECT count(*) FROM audit_events WHERE strpos(reason, :name) > 0"
    assert stores.value(named, name=name) > 0
    assert stores.value("SELECT username FROM erasures WHERE user_id = :id", id=alice.user_id) == name
    while stores.value("SELECT count(*) FROM erasures"):
        in_transaction(stores.engine, lambda conn: persons.finish_erasures(conn, age=0, limit=500, events=10))
    assert stores.value(named, name=name) == 0
    assert stores.value("SELECT count(*) FROM audit_events WHERE strpos(reason, 'asked by [erased]') > 0") == 25
    assert found_in_database(stores.engine, name, email) == []
