"""`bin/manage`: make admins, set passwords, make demo players."""

import os
import subprocess
import sys
import uuid

import httpx2
import pytest

from tests.support.people import PASSWORD, Player, unique
from tests.support.person import found_in_database, found_in_redis
from tests.support.service import ROOT, Process, Service, Stores, eventually, free_port, problem
from tests.support.shell import manage

NEW_PASSWORD = "another horse battery"
SECRET = "of-this-test-alone-and-of-no-other-0123456789"


def refusal(stores: Stores, *args: str, **env: str) -> str:
    """Return the words of a command that must fail, in a line and without a traceback."""
    ended = manage(stores, *args, **env)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr


def login(web: Process, username: str, password: str) -> httpx2.Response:
    return httpx2.post(f"{web.url}/auth/login", json={"username": username, "password": password}, timeout=10)


class TestCreateAdmin:
    @pytest.mark.parametrize("taken", ["name and address", "name", "address"])
    def test_existing_users_are_left_alone(self, stores: Stores, web: Process, taken: str) -> None:
        squatter = Player(web.url, unique("ada"))
        squatter.close()
        name = unique("other") if taken == "address" else squatter.username.upper()
        email = "ada@real.example" if taken == "name" else f"{squatter.username}@example.org"
        refused = manage(stores, "create-admin", name, "--email", email, PASSWORD=NEW_PASSWORD)
        assert refused.returncode == 1
        assert "--promote" in refused.stderr
        assert stores.value("SELECT role FROM users WHERE id = :id", id=squatter.user_id) == "player"
        assert stores.value("SELECT count(*) FROM audit_events WHERE user_id = :id", id=squatter.user_id) == 0
        assert login(web, squatter.username, PASSWORD).status_code == 200

    def test_admin_is_made_who_can_log_in(self, stores: Stores, web: Process) -> None:
        name = unique("Admin")
        ended = manage(stores, "create-admin", name, "--email", f"{name}@example.org", PASSWORD=PASSWORD)
        assert ended.returncode == 0, ended.stderr
        assert name in ended.stdout
        assert PASSWORD not in ended.stdout
        user_id, role = stores.rows("SELECT id::text, role FROM users WHERE username = :name", name=name)[0]
        assert role == "admin"
        assert login(web, name, PASSWORD).json()["userId"] == user_id
        events = stores.rows("SELECT kind, actor FROM audit_events WHERE user_id = :id", id=user_id)
        assert events == [("role_changed", "shell")]

    def test_promote_makes_a_player_an_admin_who_keeps_the_password(self, stores: Stores, alice: Player) -> None:
        assert alice.http.get("/admin/flags").status_code == 403
        ended = manage(stores, "create-admin", alice.username.upper(), "--promote", "--reason", "helps")
        assert ended.returncode == 0, ended.stderr
        eventually(lambda: alice.http.get("/admin/flags").status_code == 200, within=5, what="the role in the process")
        alice.login()
        events = stores.rows(
            "SELECT kind, actor, reason, details FROM audit_events WHERE user_id = :id", id=alice.user_id
        )
        assert events == [("role_changed", "shell", "helps", {"role": "admin"})]

    def test_promote_twice_is_no_mistake_and_nobody_is_told(self, stores: Stores, alice: Player) -> None:
        for _ in range(2):
            assert manage(stores, "create-admin", alice.username, "--promote").returncode == 0
        count = "SELECT count(*) FROM audit_events WHERE user_id = :id"
        assert stores.value(count, id=alice.user_id) == 1
        assert "no user" in refusal(stores, "create-admin", unique("nobody"), "--promote")

    def test_promote_takes_no_address_and_creating_needs_none(self, stores: Stores, alice: Player) -> None:
        assert "--email" in refusal(stores, "create-admin", alice.username, "--promote", "--email", "x@example.org")
        name = unique("admin")
        assert manage(stores, "create-admin", name, PASSWORD=PASSWORD).returncode == 0
        assert stores.rows("SELECT email, role FROM users WHERE username = :name", name=name) == [(None, "admin")]


class TestDemote:
    def test_admin_becomes_a_player_within_5_s(self, stores: Stores, alice: Player, bob: Player) -> None:
        for player in (alice, bob):
            assert manage(stores, "create-admin", player.username, "--promote").returncode == 0
        eventually(lambda: alice.http.get("/admin/flags").status_code == 200, within=5, what="the role")
        ended = manage(stores, "demote", alice.username, "--reason", "leaves")
        assert (ended.returncode, ended.stdout) == (0, f"{alice.username} is a player now.\n")
        eventually(lambda: alice.http.get("/admin/flags").status_code == 403, within=5, what="the refusal")
        newest = "SELECT actor, reason, details FROM audit_events WHERE user_id = :id ORDER BY id DESC LIMIT 1"
        assert stores.rows(newest, id=alice.user_id) == [("shell", "leaves", {"role": "player"})]

    def test_last_active_admin_stays(self, stores: Stores, alice: Player, bob: Player) -> None:
        stores.execute("UPDATE users SET role = 'player'")
        for player in (alice, bob):
            assert manage(stores, "create-admin", player.username, "--promote").returncode == 0
        stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=bob.user_id)
        assert "another admin" in refusal(stores, "demote", alice.username)
        assert stores.value("SELECT role FROM users WHERE id = :id", id=alice.user_id) == "admin"

    def test_unknown_user_is_reported(self, stores: Stores) -> None:
        assert "no user" in refusal(stores, "demote", unique("nobody"))


class TestCreateAdminRefuses:
    @pytest.mark.parametrize(
        ("name", "email", "password", "word"),
        [
            ("ab", "x@example.org", PASSWORD, "username"),
            ("<script>", "x@example.org", PASSWORD, "username"),
            ("somebody", "x", PASSWORD, "email"),
            ("somebody", "x@example.org", "short", "password"),
            ("somebody", "x@example.org", "x" * 129, "password"),
        ],
    )
    def test_invalid_values_are_refused_by_name(
        self, stores: Stores, name: str, email: str, password: str, word: str
    ) -> None:
        assert word in refusal(stores, "create-admin", name, "--email", email, PASSWORD=password)
        assert stores.value("SELECT count(*) FROM users WHERE role = 'admin' AND username = :name", name=name) == 0


class TestSetPassword:
    def test_new_one_works_the_old_one_does_not_and_tokens_end(
        self, stores: Stores, web: Process, service: Service, alice: Player
    ) -> None:
        other = service.web()
        for process in (web, other):
            assert alice.http.get(f"{process.url}/users/{alice.user_id}").status_code == 200
        ended = manage(stores, "set-password", alice.username.upper(), PASSWORD=NEW_PASSWORD)
        assert ended.returncode == 0, ended.stderr
        assert NEW_PASSWORD not in ended.stdout + ended.stderr

        problem(alice.start(), 401, "unauthorized")
        for process in (web, other):
            url = f"{process.url}/users/{alice.user_id}"
            eventually(lambda url=url: alice.http.get(url).status_code == 401, within=5, what="the end of the token")  # type: ignore[misc]
        problem(login(web, alice.username, PASSWORD), 401, "wrong-credentials")
        assert login(web, alice.username, NEW_PASSWORD).status_code == 200
        events = stores.rows("SELECT kind, actor FROM audit_events WHERE user_id = :id", id=alice.user_id)
        assert events == [("logged_out", "shell")]

    def test_reason_is_recorded(self, stores: Stores, alice: Player) -> None:
        ended = manage(stores, "set-password", alice.username, "--reason", "forgot it", PASSWORD=NEW_PASSWORD)
        assert ended.returncode == 0, ended.stderr
        events = stores.rows("SELECT kind, actor, reason FROM audit_events WHERE user_id = :id", id=alice.user_id)
        assert events == [("logged_out", "shell", "forgot it")]

    def test_unknown_name_is_reported(self, stores: Stores) -> None:
        assert "nobody-here" in refusal(stores, "set-password", "nobody-here", PASSWORD=NEW_PASSWORD)

    def test_password_that_nobody_may_have_is_refused(self, stores: Stores, web: Process, alice: Player) -> None:
        assert "password" in refusal(stores, "set-password", alice.username, PASSWORD="short")
        assert login(web, alice.username, PASSWORD).status_code == 200


class TestErase:
    def test_person_named_is_gone_and_off_the_published_board(
        self, stores: Stores, web: Process, alice: Player
    ) -> None:
        points = ("--reason", "a prize")
        assert manage(stores, "adjust", alice.username, "50", *points).returncode == 0
        assert alice.username.encode() in (stores.redis.get("top_scores:10") or b"")
        ended = manage(stores, "erase", alice.username.upper(), "--reason", f"{alice.username} asked for it")
        assert (ended.returncode, ended.stdout) == (0, f"{alice.user_id} is erased.\n"), ended.stderr
        assert found_in_database(stores.engine, alice.username) == []
        assert found_in_redis(stores.redis, alice.username) == []
        events = stores.rows(
            "SELECT kind, actor, reason FROM audit_events WHERE user_id = :id ORDER BY id", id=alice.user_id
        )
        assert events == [("adjusted", "shell", None), ("erased", "shell", "[erased] asked for it")]
        problem(alice.start(), 401, "unauthorized")
        audit = manage(stores, "audit")
        assert audit.returncode == 0, audit.stdout

    def test_by_id_can_be_repeated(self, stores: Stores, alice: Player) -> None:
        for words in ("is erased", "was erased before"):
            ended = manage(stores, "erase", alice.user_id, "--reason", "restored from a backup")
            assert (ended.returncode, ended.stdout) == (0, f"{alice.user_id} {words}.\n"), ended.stderr
        assert stores.value("SELECT count(*) FROM audit_events WHERE user_id = :id", id=alice.user_id) == 1

    def test_last_admin_is_not(self, stores: Stores, web: Process) -> None:
        stores.execute("UPDATE users SET role = 'player'")
        name = unique("admin")
        assert manage(stores, "create-admin", name, "--email", f"{name}@x.org", PASSWORD=PASSWORD).returncode == 0
        assert "another admin" in refusal(stores, "erase", name, "--reason", "leaves")
        assert login(web, name, PASSWORD).status_code == 200

    def test_unknown_user_or_no_reason_is_reported(self, stores: Stores, alice: Player) -> None:
        assert "nobody-here" in refusal(stores, "erase", "nobody-here", "--reason", "x")
        assert "no such user" in refusal(stores, "erase", str(uuid.uuid4()), "--reason", "x")
        assert "--reason" in refusal(stores, "erase", alice.username)
        assert alice.start().status_code == 201

    def test_at_a_terminal_asks_first(self, stores: Stores, alice: Player) -> None:
        for said, status in ((b"n\n", "active"), (b"y\n", "erased")):
            ours, theirs = os.openpty()
            os.write(ours, said)
            command = [sys.executable, "-m", "app.cli", "erase", alice.user_id, "--reason", "asked for it"]
            done = subprocess.run(
                command, cwd=ROOT, env=stores.environment(), stdin=theirs, capture_output=True, timeout=30, check=False
            )
            for end in (ours, theirs):
                os.close(end)
            assert done.returncode == (0 if status == "erased" else 1)
            assert stores.value("SELECT status FROM users WHERE id = :id", id=alice.user_id) == status


class TestDemo:
    def test_demo_players_are_made_once_and_log_in(self, stores: Stores, web: Process) -> None:
        first, second = manage(stores, "demo"), manage(stores, "demo")
        assert (first.returncode, second.returncode) == (0, 0)
        assert "demo-password" in first.stdout
        assert second.stdout == ""
        roles = {"alice": 403, "bob": 403, "carol": 403, "operator": 200}
        for name, status in roles.items():
            token = login(web, name, "demo-password").json()["accessToken"]
            answer = httpx2.get(f"{web.url}/admin/flags", headers={"Authorization": f"Bearer {token}"}, timeout=10)
            assert answer.status_code == status, name

    def test_production_has_none(self, stores: Stores) -> None:
        stores.execute("UPDATE users SET username = 'was-' || username, username_key = 'was-' || username_key")
        before = stores.value("SELECT count(*) FROM users")
        assert "production" in refusal(stores, "demo", APP_ENV="production", SECRET_KEY=SECRET)
        assert stores.value("SELECT count(*) FROM users") == before


@pytest.mark.parametrize(
    "args",
    [
        ["no-such-command"],
        ["create-admin"],
        ["demote"],
        ["set-password"],
        ["set-password", "somebody", "else"],
        ["erase"],
        ["demo", "surplus"],
        ["demo", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_bad_arguments_are_told_with_how_to_say_it(stores: Stores, args: list[str]) -> None:
    assert "Usage:" in refusal(stores, *args, PASSWORD=PASSWORD)


def test_help_names_the_commands(stores: Stores) -> None:
    ended = manage(stores, "--help")
    assert ended.returncode == 0
    for command in ("create-admin", "demote", "set-password", "erase", "export"):
        assert command in ended.stdout


def test_database_that_is_away_is_told_in_a_line(stores: Stores) -> None:
    away = f"postgresql://127.0.0.1:{free_port()}/x"
    words = refusal(stores, "set-password", "alice", PASSWORD=PASSWORD, DATABASE_URL=away)
    assert words.splitlines()[-1].startswith("Error: ")
    assert "database" in words.splitlines()[-1]
