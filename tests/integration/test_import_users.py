"""Lists of users, by an operator's request and by bin/manage: all of a list or nothing, and nobody twice."""

import csv
import stat
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.accounts import bulk
from app.accounts.create import NewUser, create_user
from app.domain.errors import InvalidList
from app.domain.user_list import read_list
from db.transaction import in_transaction
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores, problem
from tests.support.shell import manage as in_shell


def send(operator: Player, text: str, **more: Any) -> httpx2.Response:
    return operator.http.post("/admin/users/import", json={"csv": text, **more})


def login(web: Process, username: str, password: str) -> int:
    body = {"username": username, "password": password}
    return httpx2.post(f"{web.url}/auth/login", json=body, timeout=10).status_code


def made(stores: Stores, new: NewUser) -> None:
    in_transaction(stores.engine, lambda conn: create_user(conn, new, actor="shell"))


def users(stores: Stores) -> int:
    return int(stores.value("SELECT count(*) FROM users"))


def manage(stores: Stores, *args: object, **env: str) -> "Any":
    return in_shell(stores, *map(str, args), **env)


class TestRequest:
    def test_whole_list_is_made_and_again_makes_nobody(self, web: Process, operator: Player, stores: Stores) -> None:
        ada, zoe = unique("ada"), unique("zoe")
        text = f"username;displayName;email;password\n{ada};Ada L.;{ada}@example.org;{PASSWORD}\n\n{zoe};Zoë;;\n"
        dry = send(operator, text, dryRun=True)
        assert dry.status_code == 200
        assert [(it["line"], it["userId"]) for it in dry.json()["created"]] == [(2, None), (4, None)]
        assert stores.value("SELECT count(*) FROM users WHERE username IN (:a, :z)", a=ada, z=zoe) == 0

        answer = send(operator, text, reason="class 7b")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        first, second = answer.json()["created"]
        assert answer.json()["skipped"] == []
        assert {**first, "userId": None} == dry.json()["created"][0]
        assert (second["username"], second["displayName"], second["email"]) == (zoe, "Zoë", None)
        assert "password" not in first
        assert [login(web, ada, PASSWORD), login(web, zoe, second["password"])] == [200, 200]
        events = stores.rows(
            "SELECT kind, actor, reason FROM audit_events WHERE user_id IN (:a, :z)",
            a=first["userId"],
            z=second["userId"],
        )
        assert events == [("user_created", operator.user_id, "class 7b")] * 2

        again = send(operator, text + f"{unique('new')};;;\n").json()
        assert [it["line"] for it in again["created"]] == [5]
        assert again["skipped"] == [{"line": 2, "username": ada}, {"line": 4, "username": zoe}]
        assert login(web, zoe, second["password"]) == 200

    def test_somebody_else_of_that_name_or_address_is_a_mistake(
        self, web: Process, operator: Player, alice: Player, stores: Stores
    ) -> None:
        before = users(stores)
        text = (
            f"username,displayName,email\n{unique('new')},,\n{alice.username},,other@example.org\n"
            f"{alice.username.upper()}x,Alice,{alice.username}@EXAMPLE.org\n{alice.username},Alice,\n"
        )
        body = problem(send(operator, text), 400, "invalid-list")
        assert [it["line"] for it in body["errors"]] == [5]  # twice in the list itself
        body = problem(send(operator, text[: text.rindex(alice.username)]), 400, "invalid-list")
        assert [it["line"] for it in body["errors"]] == [3, 4]
        assert alice.username not in web.output().lower().partition("request.invalid")[2]
        body = problem(send(operator, f"username,displayName\n{alice.username},Alice\n"), 400, "invalid-list")
        assert "no display name" in body["errors"][0]["detail"]
        assert users(stores) == before

    def test_every_mistake_is_answered_and_nothing_is_done(self, operator: Player, stores: Stores) -> None:
        before = users(stores)
        text = f"username,email,password\n{unique('fine')},,\nab,x,short\n"
        body = problem(send(operator, text), 400, "invalid-list")
        assert [it["line"] for it in body["errors"]] == [3, 3, 3]
        assert [it["detail"].partition(":")[0] for it in body["errors"]] == ["username", "email", "password"]
        assert body["detail"] == "3 mistakes, the first on line 3; nothing was done."
        many = "username\n" + "".join(f"many{number:03}\n" for number in range(101))
        assert problem(send(operator, many), 400, "invalid-list")["errors"][0]["line"] == 102
        assert users(stores) == before

    def test_name_taken_meanwhile_undoes_the_whole_list(self, operator: Player, stores: Stores) -> None:
        first, second = unique("first"), unique("second")
        listed = read_list(f"username\n{first}\n{second}\n", most=9).users

        def work(conn: sa.Connection) -> None:
            plan = bulk.plan(conn, listed)
            made(stores, NewUser(second))
            bulk.add(conn, [(it, "a hash") for it in plan.new], actor="shell", reason=None)

        with pytest.raises(InvalidList) as refused:
            in_transaction(stores.engine, work)
        assert [it.line for it in refused.value.problems] == [3]
        assert stores.value("SELECT count(*) FROM users WHERE username = :name", name=first) == 0

    def test_blocked_names_players_and_large_bodies_are_refused(
        self, service: Service, operator: Player, alice: Player, tmp_path: Path
    ) -> None:
        problem(alice.http.post("/admin/users/import", json={"csv": "username\nfriend\n"}), 403, "forbidden")
        problem(send(operator, "username\n" + "x" * 17_000), 413)
        blocked = tmp_path / "blocked.txt"
        blocked.write_text("rudeword\n")
        web = service.web(BLOCKED_NAMES_FILE=str(blocked))
        answer = operator.http.post(f"{web.url}/admin/users/import", json={"csv": "username\nrudeword\n"})
        assert problem(answer, 400, "invalid-list")["errors"][0]["line"] == 2


class TestCommand:
    def test_import_writes_passwords_that_work(self, web: Process, stores: Stores, tmp_path: Path) -> None:
        ada, zoe = unique("ada"), unique("zoe")
        file, slips = tmp_path / "class.csv", tmp_path / "slips.csv"
        file.write_text(f"\ufeffusername,displayName,password\r\n{ada},=Ada,{PASSWORD}\r\n{zoe},Zoë,\r\n")
        before = users(stores)
        dry = manage(stores, "import-users", file, "--dry-run", "--output", slips)
        assert (dry.returncode, dry.stdout) == (0, ""), dry.stderr
        assert "2 users would be made" in dry.stderr
        assert (slips.exists(), users(stores)) == (False, before)

        done = manage(stores, "import-users", file, "--output", slips, "--reason", "class 7b")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "2 users were made, 0 were there already." in done.stderr
        assert stat.S_IMODE(slips.stat().st_mode) == 0o600
        (slip,) = csv.DictReader(slips.read_text(encoding="utf-8").splitlines())
        assert (slip["username"], slip["displayName"]) == (zoe, "Zoë")
        assert [login(web, ada, PASSWORD), login(web, zoe, slip["password"])] == [200, 200]
        assert slip["password"] not in done.stderr

        again = manage(stores, "import-users", file, "--output", slips)
        assert (again.returncode, again.stdout) == (0, "")
        assert f"line 3: {zoe} is there already" in again.stderr
        file.write_text(f"username\n{unique('new')}\n")
        refused = manage(stores, "import-users", file, "--output", slips)
        assert refused.returncode == 1
        assert "exists" in refused.stderr
        assert users(stores) == before + 2
        assert [*csv.DictReader(slips.read_text(encoding="utf-8").splitlines())] == [slip]

    def test_import_tells_every_mistake_by_line(self, stores: Stores, alice: Player, tmp_path: Path) -> None:
        before = users(stores)
        file = tmp_path / "class.csv"
        for content, told in (
            (f"username,email\n{unique('fine')},\nab,x\n", ["line 3: username", "line 3: email", "2 mistakes"]),
            (f"username,email\n{alice.username},x@y.org\n", ["line 2: username", "another e-mail address"]),
            ("", ["line 1: the list is empty"]),
        ):
            file.write_text(content)
            ended = manage(stores, "import-users", file)
            assert (ended.returncode, ended.stdout) == (1, "")
            for words in told:
                assert words in ended.stderr
            assert "Traceback" not in ended.stderr
        file.write_bytes("username\nzoë\n".encode("cp1252"))
        assert "line 2: not UTF-8" in manage(stores, "import-users", file).stderr
        assert users(stores) == before

    def test_without_output_the_slips_are_printed(self, web: Process, stores: Stores, tmp_path: Path) -> None:
        file, name = tmp_path / "class.csv", unique("solo")
        file.write_text(f"username\n{name}\n")
        ended = manage(stores, "import-users", file)
        assert ended.returncode == 0, ended.stderr
        (slip,) = csv.DictReader(ended.stdout.splitlines())
        assert login(web, name, slip["password"]) == 200

    @pytest.mark.parametrize("role", ["player", "admin"])
    def test_create_user_prints_a_password_unless_one_is_given(self, web: Process, stores: Stores, role: str) -> None:
        name = unique(role)
        made = manage(stores, "create-user", name, "--role", role, "--display-name", " Zoë ", "--reason", "new here")
        assert made.returncode == 0, made.stderr
        assert login(web, name, made.stdout.partition("Password: ")[2].strip()) == 200
        (row,) = stores.rows("SELECT display_name, role FROM users WHERE username = :name", name=name)
        assert tuple(row) == ("Zoë", role)
        refused = manage(stores, "create-user", name, PASSWORD=PASSWORD)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "This username is taken." in refused.stderr
        other = unique(role)
        given = manage(stores, "create-user", other, PASSWORD=PASSWORD)
        assert PASSWORD not in given.stdout
        assert login(web, other, PASSWORD) == 200
        events = "SELECT actor, reason FROM audit_events JOIN users ON users.id = user_id WHERE username = :name"
        assert stores.rows(events, name=name) == [("shell", "new here")]

    def test_reset_link_begins_with_the_public_address(self, web: Process, stores: Stores, alice: Player) -> None:
        refused = manage(stores, "reset-link", alice.username)
        assert refused.returncode == 1
        assert "PUBLIC_URL" in refused.stderr
        ended = manage(stores, "reset-link", alice.username, "--reason", "forgot it", PUBLIC_URL="https://x.org/board")
        assert ended.returncode == 0, ended.stderr
        address, _, token = ended.stdout.strip().partition("#reset=")
        assert address == "https://x.org/board/"
        body = {"token": token, "password": "another horse battery"}
        assert httpx2.post(f"{web.url}/auth/reset", json=body, timeout=10).json()["userId"] == alice.user_id
        (event,) = stores.rows("SELECT actor, reason FROM audit_events WHERE kind = 'reset_created'")
        assert tuple(event) == ("shell", "forgot it")
        assert "no user" in manage(stores, "reset-link", unique("x"), PUBLIC_URL="https://x.org").stderr
