"""Join codes: made by operators, used by those who register."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from app.domain.join_codes import digest
from config.settings import DEVELOPMENT_SECRET
from tests.support.people import PASSWORD, Player, listener, set_role, unique
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem
from tests.support.shell import manage as in_shell

CODES = "/admin/join-codes"
NEW_KEY = "the-next-key-after-a-rotation-0123456789"


@pytest.fixture(scope="module")
def coded(service: Service) -> Process:
    """A web process where nobody registers without a code."""
    return service.web(REGISTRATION="code", TRUSTED_PROXIES="127.0.0.0/8")


@pytest.fixture
def operator(coded: Process, stores: Stores) -> Iterator[Player]:
    player = Player(coded.url, listener(stores, "operator").username, register=False)
    set_role(stores, player.user_id)
    eventually(lambda: player.http.get(CODES).status_code == 200, what="that it may operate")
    yield player
    player.close()


def made(operator: Player, uses: int = 1, **more: Any) -> dict[str, Any]:
    answer = operator.http.post(CODES, json={"uses": uses, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def join(process: Process, code: object, **fields: Any) -> httpx2.Response:
    """Register with a code."""
    body = {"username": unique("pupil"), "password": PASSWORD, "joinCode": code, **fields}
    return httpx2.post(f"{process.url}/auth/register", json=body, timeout=20)


def used(operator: Player, code: dict[str, Any]) -> int:
    """Return how often a code was used, as the list tells."""
    (found,) = [it for it in operator.http.get(CODES).json()["items"] if it["id"] == code["id"]]
    return int(found["used"])


def test_code_lets_so_many_register_as_it_has_uses(coded: Process, operator: Player, stores: Stores) -> None:
    code = made(operator, 2)
    answer = join(coded, code["code"])
    assert (answer.status_code, set(answer.json())) == (201, {"userId", "username"})
    event = "SELECT kind, actor, details FROM audit_events WHERE user_id = :id"
    user_id = answer.json()["userId"]
    assert stores.rows(event, id=user_id) == [("user_created", user_id, {"joinCode": code["id"]})]
    typed = f" {code['code'][:4].lower()}-{code['code'][4:].lower()} "
    assert join(coded, typed).status_code == 201
    assert used(operator, code) == 2
    before = stores.value("SELECT count(*) FROM users")
    problem(join(coded, code["code"]), 403, "join-code")
    assert (used(operator, code), stores.value("SELECT count(*) FROM users")) == (2, before)


def test_last_use_is_had_by_one_of_eight_at_once(coded: Process, operator: Player, stores: Stores) -> None:
    code = made(operator, 3)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: join(coded, code["code"]), range(8)))
    assert sorted(it.status_code for it in answers) == [201] * 3 + [403] * 5
    assert {it.json()["code"] for it in answers if it.status_code == 403} == {"join-code"}
    joined = "SELECT count(*) FROM audit_events WHERE details->>'joinCode' = :id AND kind = 'user_created'"
    assert (used(operator, code), stores.value(joined, id=code["id"])) == (3, 3)


def test_registration_that_fails_uses_no_code(coded: Process, operator: Player) -> None:
    code = made(operator, 1)
    problem(join(coded, code["code"], username=operator.username), 409, "already-taken")
    problem(join(coded, code["code"], username="!"), 400)
    problem(join(coded, code["code"], password="short"), 400)
    assert used(operator, code) == 0
    assert join(coded, code["code"]).status_code == 201


def test_no_code_or_a_wrong_one_is_refused(coded: Process, operator: Player, stores: Stores) -> None:
    code = made(operator, 5)["code"]
    other = code[:-1] + ("3" if code[-1] != "3" else "4")
    expired = made(operator, 5)
    stores.execute("UPDATE join_codes SET expires_at = now() - interval '1 s' WHERE id = :id", id=expired["id"])
    deleted = made(operator, 5)
    assert operator.http.delete(f"{CODES}/{deleted['id']}").status_code == 204
    before = stores.value("SELECT count(*) FROM users")
    told = {
        problem(join(coded, it), 403, "join-code")["detail"]
        for it in (None, "", "no", other, expired["code"], deleted["code"], "'; --", "K" * 64)
    }
    assert len(told) == 1  # nobody learns whether there is such a code
    assert "joinCode" in problem(join(coded, "K" * 65), 400)["detail"]
    assert "joinCode" in problem(join(coded, 12345678), 400)["detail"]
    assert stores.value("SELECT count(*) FROM users") == before


def test_open_board_ignores_a_code_and_a_closed_one_too(service: Service, web: Process) -> None:
    assert join(web, "no code at all").status_code == 201
    closed = service.web(REGISTRATION="closed")
    problem(join(closed, "K7QM9XT2"), 403, "registration-closed")


def test_code_is_told_once_and_kept_as_a_hash_with_a_key(coded: Process, operator: Player, stores: Stores) -> None:
    until = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    code = made(operator, 30, note="Class 7b", expiresAt=until.isoformat())
    assert re.fullmatch("[2-9CDFGHJKMNPQRTVWXY]{8}", code["code"])
    assert code["url"] == f"{coded.url}/?join={code['code']}"
    assert code["qr"].startswith("<svg ")
    known = {"id": code["id"], "uses": 30, "used": 0, "note": "Class 7b", "createdBy": operator.user_id}
    known |= {"expiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "createdAt": code["createdAt"]}
    assert {name: value for name, value in code.items() if name not in ("code", "url", "qr")} == known
    listed = operator.http.get(CODES)
    assert listed.json()["items"][0] == known
    assert code["code"] not in listed.text
    stored = stores.value("SELECT code_hash FROM join_codes WHERE id = :id", id=code["id"])
    assert bytes(stored) == digest(code["code"], DEVELOPMENT_SECRET)
    event = "SELECT actor, details FROM audit_events WHERE kind = 'join_code_created' AND details->>'joinCode' = :id"
    details = {"joinCode": code["id"], "uses": 30, "note": "Class 7b"}
    assert stores.rows(event, id=code["id"]) == [(operator.user_id, details)]
    assert code["code"] not in coded.output()


def test_link_is_that_of_the_page_as_people_see_it(service: Service, coded: Process, operator: Player) -> None:
    def link(process: Process, **headers: str) -> str:
        answer = operator.http.post(f"{process.url}{CODES}", json={"uses": 1}, headers=headers)
        return str(answer.json()["url"]).rpartition("=")[0]

    assert link(coded, host="play.example", **{"x-forwarded-proto": "https"}) == "https://play.example/?join"
    assert link(coded, host="play.example", **{"x-forwarded-proto": "javascript"}) == "http://play.example/?join"
    untrusting = service.web()
    assert link(untrusting, host="play.example", **{"x-forwarded-proto": "https"}) == "http://play.example/?join"
    named = service.web(PUBLIC_URL="https://play.example/board/")
    assert link(named, host="elsewhere.example") == "https://play.example/board/?join"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uses", 0),
        ("uses", -1),
        ("uses", 1_000_001),
        ("uses", 1.5),
        ("uses", None),
        ("note", "x" * 201),
        ("note", 7),
        ("expiresAt", "2020-01-01T00:00:00Z"),
        ("expiresAt", "2020-01-01T00:00:00+23:42"),
        ("expiresAt", "9999-12-31T23:59:59-12:00"),
        ("expiresAt", "0001-01-01T00:00:00+12:00"),
        ("expiresAt", "2099-01-01T00:00:00"),
        ("expiresAt", "tomorrow"),
        ("code", "K7QM9XT2"),
    ],
)
def test_code_that_makes_no_sense_is_refused_by_its_field(operator: Player, field: str, value: object) -> None:
    body = problem(operator.http.post(CODES, json={"uses": 1, field: value}), 400, "malformed-request")
    assert field in body["detail"]


def test_list_is_paged_newest_first_and_delete_is_recorded(operator: Player, stores: Stores) -> None:
    codes = [made(operator)["id"] for _ in range(3)][::-1]
    first = operator.http.get(CODES, params={"limit": 2}).json()
    rest = operator.http.get(CODES, params={"limit": 2, "cursor": first["nextCursor"]}).json()
    assert [it["id"] for it in [*first["items"], *rest["items"]]][:3] == codes
    problem(operator.http.get(CODES, params={"limit": 201}), 400)
    problem(operator.http.get(CODES, params={"cursor": "none"}), 400)
    path = f"{CODES}/{codes[0]}"
    assert operator.http.request("DELETE", path, json={"reason": "the lesson is over"}).status_code == 204
    problem(operator.http.delete(path), 404, "not-found")
    problem(operator.http.delete(f"{CODES}/{NOBODY}"), 404, "not-found")
    problem(operator.http.delete(f"{CODES}/none"), 404, "not-found")
    event = "SELECT actor, reason FROM audit_events WHERE kind = 'join_code_deleted' AND details->>'joinCode' = :id"
    assert stores.rows(event, id=codes[0]) == [(operator.user_id, "the lesson is over")]
    assert codes[0] not in operator.http.get(CODES).text


def test_code_outlives_the_rotation_of_the_key(service: Service, operator: Player) -> None:
    code = made(operator, 2)["code"]
    both = service.web(REGISTRATION="code", SECRET_KEY=NEW_KEY, SECRET_KEYS_RETIRED=DEVELOPMENT_SECRET)
    assert join(both, code).status_code == 201
    alone = service.web(REGISTRATION="code", SECRET_KEY=NEW_KEY)
    problem(join(alone, code), 403, "join-code")


def test_codes_are_made_listed_and_deleted_from_a_shell(coded: Process, stores: Stores) -> None:
    def manage(*args: str, **env: str) -> tuple[int, str, str]:
        ended = in_shell(stores, *args, **env)
        return ended.returncode, ended.stdout, ended.stderr

    until = datetime.now(UTC) + timedelta(days=2)
    given = ["--uses", "2", "--note", "Class 7b", "--until", f"{until:%Y-%m-%dT%H:%M}"]
    env = {"PUBLIC_URL": "https://play.example", "REGISTRATION": "code"}
    told = manage("create-join-code", *given, **env)[1]
    found = re.fullmatch(r"The join code ([0-9a-f-]{36}), for 2 uses: (\w{8})\n(\S+)\n", told)
    assert found, told
    code_id, code, link = found.groups()
    assert link == f"https://play.example/?join={code}"
    assert join(coded, code).status_code == 201
    listed = manage("list-join-codes")[1].splitlines()[0]
    assert listed == f"{code_id}  1 of 2 uses  until {until:%Y-%m-%dT%H:%M}Z  Class 7b"
    assert "REGISTRATION" in manage("create-join-code", "--uses", "1", REGISTRATION="open")[2]
    assert manage("delete-join-code", code_id, "--reason", "over")[:2] == (0, f"The join code {code_id} is deleted.\n")
    problem(join(coded, code), 403, "join-code")
    events = "SELECT kind, actor, reason FROM audit_events WHERE details->>'joinCode' = :id AND user_id IS NULL"
    assert sorted(stores.rows(events, id=code_id)) == [
        ("join_code_created", "shell", None),
        ("join_code_deleted", "shell", "over"),
    ]
    for args in (
        ["create-join-code", "--uses", "0"],
        ["create-join-code", "--uses", "1", "--until", "2020-01-01"],
        ["create-join-code", "--uses", "1", "--note", "x" * 201],
        ["delete-join-code", "none"],
        ["delete-join-code", code_id],
    ):
        status, _, words = manage(*args)
        assert status != 0
        assert "Traceback" not in words


def test_guesses_are_limited_by_address_and_by_failures_from_anywhere(
    service: Service, operator: Player, stores: Stores
) -> None:
    stores.redis.flushdb()
    limited = service.web(
        REGISTRATION="code",
        TRUSTED_PROXIES="127.0.0.0/8",
        RATE_LIMIT_LOGIN_IP="3/hour",
        RATE_LIMIT_LOGIN_ACCOUNT="1/hour",  # and so ten failures from anywhere
    )

    def guess(address: str, code: str = "KKKKKKKK") -> httpx2.Response:
        body = {"username": unique("guesser"), "password": PASSWORD, "joinCode": code}
        headers = {"x-forwarded-for": address}
        return httpx2.post(f"{limited.url}/auth/register", json=body, headers=headers, timeout=20)

    code = made(operator, 9)["code"]
    assert guess("192.0.2.100", code).status_code == 201  # a right one is no failure
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        for _ in range(3):
            problem(guess(address), 403, "join-code")
        assert problem(guess(address), 429, "rate-limited")["policy"] == "login_ip"
    problem(guess("192.0.2.4"), 403, "join-code")
    assert problem(guess("192.0.2.4"), 429, "rate-limited")["policy"] == "login_failures"
    assert problem(guess("192.0.2.5", code), 429, "rate-limited")["policy"] == "login_failures"
    assert "wrong join code" in limited.output()
    assert code not in limited.output()
