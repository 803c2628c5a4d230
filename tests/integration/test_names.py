"""Display names and renames: where they are shown at once, who may give which, and what is left of them afterwards."""

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.board import audit, correct, erase, publish, rebuild, rename, settle
from app.domain.ids import UserId
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import ALL_TIME, BOARDS, VETTING, completed
from tests.support.keys import add_key, with_key
from tests.support.people import PASSWORD, Player, add_user, set_role, unique
from tests.support.person import found_in_database, found_in_redis
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.shell import manage as in_shell
from tests.support.sockets import listening, message

NAME = "Zoë 🦊 شادي"


@pytest.fixture(scope="module")
def web(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    blocked = tmp_path_factory.mktemp("rules") / "blocked.txt"
    blocked.write_text("# not here\ntroll\n*moderator*\n", encoding="utf-8")
    return service.web(BLOCKED_NAMES_FILE=str(blocked))


@pytest.fixture
def operator(bob: Player, stores: Stores) -> Player:
    set_role(stores, bob.user_id)
    eventually(lambda: bob.http.get("/admin/users").status_code == 200, within=5, what="the role")
    return bob


@pytest.fixture
def placed(alice: Player, stores: Stores) -> Player:
    """Somebody on the board."""
    ids = completed(stores.engine, UserId(alice.user_id))
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    publish.publish_all(stores.engine, Publisher.on(stores.redis), BOARDS)
    eventually(lambda: row_of(alice), what="the own row")
    return alice


def row_of(player: Player) -> dict[str, Any] | None:
    """Return a player's row of GET /top-scores."""
    return next((it for it in player.http.get("/top-scores").json() if it["userId"] == player.user_id), None)


def shows(player: Player, row: dict[str, Any]) -> None:
    """Wait until the board shows just this of a player, and nothing of a name that isn't there: Redis brings it."""

    def shown() -> bool:
        found = row_of(player) or {}
        return {name: found.get(name) for name in ("username", "displayName")} == {"displayName": None, **row}

    eventually(shown, within=5, what=f"a row with {row}")


def named(player: Player, name: Any) -> Any:
    return player.http.patch(f"/users/{player.user_id}", json={"displayName": name})


def violations(stores: Stores) -> dict[str, int]:
    checks = in_transaction(stores.engine, lambda conn: audit.audit(conn, BOARDS))
    checks += audit.published(stores.engine, Publisher.on(stores.redis), BOARDS)
    return {check.name: check.violations for check in checks if check.violations and check.name != "outbox"}


def test_display_name_is_on_every_board_at_once(web: Process, placed: Player, stores: Stores) -> None:
    alice = placed
    with listening(web, alice.token) as socket:
        before = message(socket)
        answer = named(alice, f"  {NAME}\u3000")
        after = message(socket)
    assert answer.status_code == 200
    assert answer.json() == alice.http.get(f"/users/{alice.user_id}").json()
    assert (answer.json()["username"], answer.json()["displayName"]) == (alice.username, NAME)
    (was,) = [row for row in before["payload"] if row["userId"] == alice.user_id]
    assert list(was) == ["userId", "username", "score", "rank"]
    (row,) = [row for row in after["payload"] if row["userId"] == alice.user_id]
    assert list(row.items()) == [*was.items(), ("displayName", NAME)]
    assert (after["epoch"], after["version"]) == (before["epoch"], before["version"] + 1)
    answer = alice.http.get("/top-scores")
    assert answer.json() == after["payload"]
    assert answer.headers["etag"] == f'"{after["epoch"]}-{after["version"]}"'
    stored = stores.redis.get("top_scores:10")
    assert stored
    assert json.loads(stored) == after
    shown = "SELECT username, display_name FROM top_scores WHERE user_id = :id AND board_id = 'all-time'"
    assert stores.rows(shown, id=alice.user_id) == [(alice.username, NAME)]
    assert violations(stores) == {}

    assert named(alice, NAME).json()["displayName"] == NAME
    assert alice.http.get("/top-scores").headers["etag"] == answer.headers["etag"], "nothing has changed"
    assert named(alice, None).json()["displayName"] is None
    eventually(lambda: row_of(alice) == was, within=5, what="the row as it was")
    assert violations(stores) == {}


def test_display_name_of_a_newcomer_comes_with_the_first_points(alice: Player, stores: Stores) -> None:
    assert named(alice, NAME).status_code == 200
    assert row_of(alice) is None
    ids = completed(stores.engine, UserId(alice.user_id))
    in_transaction(stores.engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    publish.publish_all(stores.engine, Publisher.on(stores.redis), BOARDS)
    eventually(lambda: (row_of(alice) or {}).get("displayName") == NAME, what="the row")
    assert violations(stores) == {}


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], {"displayName": 1}, {"displayName": ""}, {"displayName": " "}, {"displayName": "x" * 33}),
        *({"displayName": "ab\u202ecd"}, {"displayName": "a\nb"}, {"displayName": "a", "username": "other"}),
    ],
)
def test_malformed_display_name_is_refused(alice: Player, stores: Stores, body: Any) -> None:
    problem(alice.http.patch(f"/users/{alice.user_id}", json=body), 400, "malformed-request")
    assert stores.value("SELECT display_name FROM users WHERE id = :id", id=alice.user_id) is None


def test_display_name_is_for_its_owner_alone(alice: Player, bob: Player, stores: Stores) -> None:
    url, body = f"/users/{alice.user_id}", {"displayName": NAME}
    problem(bob.http.patch(url, json=body), 403, "forbidden")
    problem(bob.http.patch(url, json=body, headers={"authorization": ""}), 401, "unauthorized")
    in_transaction(
        stores.engine, lambda conn: correct.suspend(conn, BOARDS, UserId(alice.user_id), actor="shell", reason="x")
    )
    problem(alice.http.patch(url, json=body), 403, "user-suspended")
    assert alice.http.get(url).status_code == 200
    assert bob.http.post("/auth/logout").status_code == 204
    problem(bob.http.patch(f"/users/{bob.user_id}", json=body), 401, "unauthorized")
    assert stores.rows(
        "SELECT count(*) FROM users WHERE display_name IS NOT NULL AND id IN (:a, :b)", a=alice.user_id, b=bob.user_id
    ) == [(0,)]


def test_server_names_a_player_by_its_key_and_is_recorded(web: Process, placed: Player, stores: Stores) -> None:
    url, name = f"/users/{placed.user_id}", unique("key")
    with with_key(web, add_key(stores, "users", name=name)) as server:
        assert server.patch(url, json={"displayName": NAME}).json()["displayName"] == NAME
        problem(server.patch(url, json={"displayName": "a troll"}), 400, "blocked-name")
    with with_key(web, add_key(stores, "actions")) as server:
        problem(server.patch(url, json={"displayName": "other"}), 403, "scope")
    shows(placed, {"username": placed.username, "displayName": NAME})
    events = "SELECT actor, details FROM audit_events WHERE user_id = :id AND kind = 'renamed'"
    assert stores.rows(events, id=placed.user_id) == [(f"key:{name}", {"oldDisplayName": None, "newDisplayName": NAME})]


def test_token_that_ended_a_moment_ago_changes_no_name(alice: Player, stores: Stores) -> None:
    assert named(alice, NAME).status_code == 200
    # Without the event by which this process would hear of it.
    stores.execute("UPDATE users SET token_version = token_version + 1 WHERE id = :id", id=alice.user_id)
    problem(named(alice, "Mallory"), 401, "unauthorized")
    assert stores.value("SELECT display_name FROM users WHERE id = :id", id=alice.user_id) == NAME


def test_blocked_name_can_be_given_by_operators_alone(alice: Player, operator: Player, stores: Stores) -> None:
    for name in ("The TROLL", "t.r.o.l.l", "xModerators"):
        problem(named(alice, name), 400, "blocked-name")
    for name in ("troll-1", "Moderator7"):
        body = {"username": name, "password": PASSWORD}
        problem(alice.http.post("/auth/register", json=body), 400, "blocked-name")
    url, body = f"/admin/users/{alice.user_id}/rename", {"displayName": "Troll", "reason": "an agreed joke"}
    assert operator.http.post(url, json=body).json()["displayName"] == "Troll"
    problem(named(alice, "Troll"), 400, "blocked-name")
    assert named(alice, "Trollope").status_code == 200


def test_rename_shows_the_new_names_and_records_the_old(placed: Player, operator: Player, stores: Stores) -> None:
    alice, new = placed, unique("renamed")
    url = f"/admin/users/{alice.user_id}/rename"
    answer = operator.http.post(url, json={"username": new, "displayName": f"{NAME} ", "reason": "it was rude"})
    assert answer.status_code == 200
    assert (answer.json()["username"], answer.json()["displayName"]) == (new, NAME)
    (found,) = operator.http.get("/admin/users", params={"query": new}).json()["items"]
    assert found == answer.json()
    for query in (NAME[:5].upper(), NAME[:3]):
        found_by_name = operator.http.get("/admin/users", params={"query": query}).json()["items"]
        assert answer.json() in found_by_name
        assert all(it["displayName"].startswith("Zoë") for it in found_by_name)
    shows(alice, {"username": new, "displayName": NAME})
    assert alice.http.get(f"/users/{alice.user_id}").json()["username"] == new, "the token is still good"
    old, alice.username = alice.username, new
    alice.login()
    problem(alice.http.post("/auth/login", json={"username": old, "password": PASSWORD}), 401, "wrong-credentials")

    # The same again changes nothing; null takes the display name away; the username may change its case.
    assert operator.http.post(url, json={"displayName": NAME, "reason": "again"}).status_code == 200
    body = {"username": new.upper(), "displayName": None, "reason": "louder"}
    assert operator.http.post(url, json=body).json()["displayName"] is None
    shows(alice, {"username": new.upper()})
    assert set(row_of(alice) or {}) == {"userId", "username", "score", "rank"}
    events = "SELECT actor, reason, details FROM audit_events WHERE user_id = :id AND kind = 'renamed' ORDER BY id"
    assert stores.rows(events, id=alice.user_id) == [
        (
            operator.user_id,
            "it was rude",
            {"oldUsername": old, "newUsername": new, "oldDisplayName": None, "newDisplayName": NAME},
        ),
        (
            operator.user_id,
            "louder",
            {"oldUsername": new, "newUsername": new.upper(), "oldDisplayName": NAME, "newDisplayName": None},
        ),
    ]
    assert violations(stores) == {}


def test_rename_from_a_shell_does_the_same(placed: Player, stores: Stores) -> None:
    new, alone = unique("shell"), ["rename", placed.username, "--reason", "by mail"]

    def manage(*arguments: str) -> tuple[int, str]:
        ended = in_shell(stores, *arguments)
        assert "Traceback" not in ended.stderr
        return ended.returncode, ended.stdout + ended.stderr

    assert manage(*alone, "--username", new, "--display-name", f" {NAME}") == (0, f"{placed.username} is renamed.\n")
    shows(placed, {"username": new, "displayName": NAME})
    alone[1] = new
    assert "already" in manage(*alone, "--display-name", NAME)[1]
    both = ["--display-name", "x", "--no-display-name"]
    for wrong in ([], both, ["--display-name", "\u202e"], ["--username", "a b"]):
        assert manage(*alone, *wrong)[0] != 0
    assert manage("rename", "nobody-at-all", "--no-display-name", "--reason", "x")[0] == 1
    assert manage(*alone, "--no-display-name")[0] == 0
    shows(placed, {"username": new})
    kinds = "SELECT actor, reason FROM audit_events WHERE user_id = :id AND kind = 'renamed'"
    assert stores.rows(kinds, id=placed.user_id) == [("shell", "by mail")] * 2
    assert violations(stores) == {}


def test_rename_that_is_malformed_or_taken_changes_nothing(alice: Player, operator: Player, stores: Stores) -> None:
    url = f"/admin/users/{alice.user_id}/rename"
    malformed: list[Any] = [
        *(
            {"reason": "x"},
            {"username": "other"},
            {"username": None, "reason": "x"},
            {"username": "a b", "reason": "x"},
        ),
        *({"displayName": "\u202e", "reason": "x"}, {"displayName": "x", "reason": ""}, {"email": "x", "reason": "x"}),
    ]
    for body in malformed:
        problem(operator.http.post(url, json=body), 400, "malformed-request")
    body = {"username": operator.username.upper(), "displayName": "x", "reason": "x"}
    assert problem(operator.http.post(url, json=body), 409, "already-taken")["field"] == "username"
    problem(operator.http.post("/admin/users/nobody/rename", json=body), 404)
    problem(alice.http.post(url, json=body), 403, "forbidden")
    row = "SELECT username, display_name FROM users WHERE id = :id"
    assert stores.rows(row, id=alice.user_id) == [(alice.username, None)]
    assert stores.rows("SELECT 1 FROM audit_events WHERE kind = 'renamed' AND user_id = :id", id=alice.user_id) == []
    erased = {"reason": "asked for"}
    assert operator.http.post(f"/admin/users/{alice.user_id}/erase", json=erased).status_code == 200
    problem(operator.http.post(url, json={"displayName": "x", "reason": "x"}), 409, "wrong-state")


def test_stale_name_on_a_board_is_found_and_repaired(placed: Player, stores: Stores) -> None:
    stores.execute("UPDATE users SET display_name = :name WHERE id = :id", name=NAME, id=placed.user_id)
    assert violations(stores) == {"top-scores": len(BOARDS)}
    for board in BOARDS:
        rebuilt = in_transaction(stores.engine, lambda conn, it=board: rebuild.rebuild(conn, BOARDS, it))  # type: ignore[misc]
        assert (rebuilt[0], len(rebuilt[1])) == ([], 1)
    publish.publish_all(stores.engine, Publisher.on(stores.redis), BOARDS)
    assert violations(stores) == {}


def test_release_before_gives_nobody_the_name_of_another(engine: sa.Engine, stores: Stores) -> None:
    first, second = add_user(engine), add_user(engine)
    for user_id in (first, first, second):
        ids = completed(engine, user_id)
        in_transaction(engine, lambda conn, it=ids: settle.settle(conn, BOARDS, it, VETTING))  # type: ignore[misc]
    for user_id, name in ((first, "First"), (second, "Second")):
        in_transaction(
            engine,
            lambda conn, it=(user_id, name): rename.set_display_name(conn, BOARDS, *it, token_version=None),  # type: ignore[misc]
        )
    # As that release writes a board, which knows nothing of display names.
    stores.execute("""
        INSERT INTO top_scores (board_id, rank, user_id, username, score)
        SELECT 'all-time', 3 - rank, user_id, username, 30 - score FROM top_scores WHERE board_id = 'all-time'
        ON CONFLICT (board_id, rank) DO UPDATE SET user_id = excluded.user_id, username = excluded.username
    """)
    assert stores.rows(
        "SELECT user_id::text, display_name FROM top_scores WHERE board_id = 'all-time' ORDER BY rank"
    ) == [
        (second, "Second"),
        (first, "First"),
    ]


def test_message_of_the_release_before_is_replaced_once(engine: sa.Engine, stores: Stores) -> None:
    user_id = add_user(engine)
    ids = completed(engine, user_id)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    in_transaction(engine, lambda conn: rename.set_display_name(conn, BOARDS, user_id, NAME, token_version=None))
    publisher = Publisher.on(stores.redis)
    now = publish.read(engine, ALL_TIME)
    nameless = now.text.replace(f',"displayName":"{NAME}"', "")
    assert nameless != now.text
    publisher.publish([replace(now, text=nameless)])
    seen = publish.publish(engine, publisher, ALL_TIME)
    assert seen.stamp > now.stamp, "one version has the same rows everywhere"
    assert seen.rows()[0].displayName == NAME
    assert publish.publish(engine, publisher, ALL_TIME).stamp == seen.stamp
    assert stores.redis.get("top_scores:10") == seen.text.encode()


def test_erase_leaves_no_name_that_a_user_ever_was_given(placed: Player, operator: Player, stores: Stores) -> None:
    alice, given = placed, [unique("given"), f'"{unique("Q")}" \\ {NAME}', unique("Sam Smith"), unique("own")]
    url = f"/admin/users/{alice.user_id}/rename"
    bodies: list[dict[str, Any]] = [
        *({"username": given[0]}, {"displayName": given[1]}, {"displayName": given[2]}),
        *({"displayName": "龘"}, {"username": alice.username}),
    ]
    for body in bodies:
        assert operator.http.post(url, json={**body, "reason": f"{alice.username} asked"}).status_code == 200
    assert named(alice, given[3]).status_code == 200
    details = json.dumps({"asked by": given[1], "enabled": True, "number": 7})
    for actor, reason in (("shell", f"see {given[2].upper()}, {given[1]}."), (operator.user_id, f"as {given[0]} says")):
        stores.execute(
            "INSERT INTO audit_events (kind, actor, reason, details)"
            " VALUES ('flag_changed', :actor, :reason, CAST(:details AS jsonb))",
            actor=actor,
            reason=reason,
            details=details,
        )
    assert "audit_events.details" in found_in_database(stores.engine, given[2])
    assert alice.http.request("DELETE", f"/users/{alice.user_id}", json={"password": PASSWORD}).status_code == 204
    assert found_in_database(stores.engine, alice.username, *given, "龘") == []
    assert found_in_redis(stores.redis, alice.username, *given) == []
    assert stores.rows("SELECT reason, details FROM audit_events WHERE kind = 'flag_changed' ORDER BY id") == [
        (reason, {"asked by": "[erased]", "enabled": True, "number": 7})
        for reason in ("see [erased], [erased].", "as [erased] says")
    ]
    assert violations(stores) == {}


def test_user_called_true_can_be_erased(engine: sa.Engine, stores: Stores) -> None:
    """Such a name is no word in the details of others' events, where it is a value of JSON."""
    user_id = add_user(engine)
    stores.execute("UPDATE users SET username = 'true', display_name = ',', email = NULL WHERE id = :id", id=user_id)
    details = json.dumps({"enabled": True, "number": 1})
    event = "INSERT INTO audit_events (kind, actor, details) VALUES ('flag_changed', 'shell', CAST(:it AS jsonb))"
    stores.execute(event, it=details)
    assert in_transaction(engine, lambda conn: erase.erase(conn, BOARDS, user_id, actor="shell", reason="true"))
    assert stores.value("SELECT details FROM audit_events WHERE kind = 'flag_changed'") == {
        "enabled": True,
        "number": 1,
    }
