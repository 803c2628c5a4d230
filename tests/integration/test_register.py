"""POST /auth/register."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.support.people import PASSWORD, unique
from tests.support.service import Process, Service, Stores, problem


@pytest.fixture
def visitor(web: Process) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=web.url, timeout=10) as client:
        yield client


def form(**fields: Any) -> dict[str, Any]:
    """Return the body of a registration that is taken, but for what a test sets."""
    name = unique("player")
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD, **fields}


def users(stores: Stores) -> int:
    return int(stores.value("SELECT count(*) FROM users"))


def test_newcomer_is_registered_active_and_without_points(visitor: httpx2.Client, stores: Stores) -> None:
    body = form()
    answer = visitor.post("/auth/register", json=body)
    assert answer.status_code == 201
    (row,) = stores.rows(
        "SELECT id::text, username, email, role, status, token_version, total_score, password_hash FROM users"
        " WHERE username = :username",
        username=body["username"],
    )
    assert answer.json() == {"userId": row.id, "username": body["username"]}
    assert row[1:7] == (body["username"], body["email"], "player", "active", 0, 0)
    assert row.password_hash.startswith("$argon2id$")
    assert PASSWORD not in row.password_hash


def test_one_password_registered_twice_is_stored_differently(visitor: httpx2.Client, stores: Stores) -> None:
    ids = [visitor.post("/auth/register", json=form()).json()["userId"] for _ in range(2)]
    hashes = stores.value(
        "SELECT count(DISTINCT password_hash) FROM users WHERE id = ANY(CAST(:ids AS uuid[]))", ids=ids
    )
    assert hashes == 2


@pytest.mark.parametrize("change", [str, str.upper, str.swapcase], ids=["same", "upper", "swapped"])
def test_username_is_unique_whatever_its_case(visitor: httpx2.Client, stores: Stores, change: Any) -> None:
    name = unique("Mixed")
    assert visitor.post("/auth/register", json=form(username=name)).status_code == 201
    before = users(stores)
    problem(visitor.post("/auth/register", json=form(username=change(name))), 409, "already-taken")
    assert users(stores) == before


@pytest.mark.parametrize("change", [str, str.upper], ids=["same", "upper"])
def test_email_address_is_unique_whatever_its_case(visitor: httpx2.Client, stores: Stores, change: Any) -> None:
    email = f"{unique('mail')}@example.org"
    assert visitor.post("/auth/register", json=form(email=email)).status_code == 201
    before = users(stores)
    problem(visitor.post("/auth/register", json=form(email=change(email))), 409, "already-taken")
    assert users(stores) == before


def test_without_an_email_address_anybody_can_register(visitor: httpx2.Client) -> None:
    for _ in range(2):  # none is not an address, of which there could be only one
        without = form()
        del without["email"]
        for body in (without, form(email=None)):
            assert visitor.post("/auth/register", json=body).status_code == 201
            login = {"username": body["username"], "password": PASSWORD}
            token = visitor.post("/auth/login", json=login).json()
            headers = {"authorization": f"Bearer {token['accessToken']}"}
            assert visitor.get(f"/users/{token['userId']}", headers=headers).json()["email"] is None


@pytest.mark.parametrize("name", ["Zoe", "0zo", "a_.-", "Q" * 32], ids=len)
def test_usernames_at_the_edge_of_the_rule_are_taken(visitor: httpx2.Client, name: str) -> None:
    answer = visitor.post("/auth/register", json=form(username=name))
    assert (answer.status_code, answer.json().get("username")) == (201, name)


@pytest.mark.parametrize("password", ["8 bytes!", "x" * 128, "ü" * 8, "🔑" * 128, " " * 8])
def test_passwords_at_the_edge_of_the_rule_are_taken_and_log_in(visitor: httpx2.Client, password: str) -> None:
    body = form(password=password)
    assert visitor.post("/auth/register", json=body).status_code == 201
    login = {"username": body["username"], "password": password}
    assert visitor.post("/auth/login", json=login).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 33),
        ("username", "_abc"),
        ("username", ".abc"),
        ("username", "-abc"),
        ("username", "a b c"),
        ("username", "abc\n"),
        ("username", "äbc"),
        ("username", "abс"),  # noqa: RUF001 - a Cyrillic letter that looks Latin
        ("username", "<b>abc"),
        ("username", ""),
        ("username", None),
        ("username", 123),
        ("password", "short77"),
        ("password", "x" * 129),
        ("password", ""),
        ("password", None),
        ("password", ["correct horse battery"]),
        ("email", ""),
        ("email", "nobody"),
        ("email", "@example.org"),
        ("email", "nobody@"),
        ("email", "no body@example.org"),
        ("email", "nobody@example.org\r\nBcc: all@example.org"),
        ("email", f"{'x' * 300}@example.org"),
        ("email", True),
    ],
)
def test_field_that_breaks_its_rule_is_refused_by_name(
    visitor: httpx2.Client, stores: Stores, field: str, value: object
) -> None:
    before = users(stores)
    body = problem(visitor.post("/auth/register", json=form(**{field: value})), 400, "malformed-request")
    assert field in body["detail"]
    assert users(stores) == before


@pytest.mark.parametrize("field", ["username", "password"])
def test_missing_field_is_named(visitor: httpx2.Client, field: str) -> None:
    body = form()
    del body[field]
    assert field in problem(visitor.post("/auth/register", json=body), 400)["detail"]


def test_register_as_admin_is_impossible(visitor: httpx2.Client, stores: Stores) -> None:
    before = users(stores)
    assert "role" in problem(visitor.post("/auth/register", json=form(role="admin")), 400)["detail"]
    assert users(stores) == before


def test_register_answers_without_password_or_hash(visitor: httpx2.Client, web: Process) -> None:
    secret = "a password nobody logs"
    answer = visitor.post("/auth/register", json=form(password=secret))
    refused = visitor.post("/auth/register", json=form(password=secret, email="none"))
    assert (answer.status_code, refused.status_code) == (201, 400)
    for text in (answer.text, refused.text, web.output()):
        assert secret not in text
        assert "argon2" not in text


def test_closed_registration_lets_nobody_in(service: Service, stores: Stores) -> None:
    closed = service.web(REGISTRATION="closed")
    before = users(stores)
    problem(httpx2.post(f"{closed.url}/auth/register", json=form()), 403, "registration-closed")
    problem(httpx2.post(f"{closed.url}/auth/register", content=b"?"), 403, "registration-closed")
    assert users(stores) == before


def test_production_is_closed_unless_it_says_open(service: Service) -> None:
    secret = "of-this-test-alone-and-of-no-other-0123456789"
    closed = service.web(APP_ENV="production", SECRET_KEY=secret)
    problem(httpx2.post(f"{closed.url}/auth/register", json=form()), 403, "registration-closed")
    opened = service.web(APP_ENV="production", SECRET_KEY=secret, REGISTRATION="open")
    assert httpx2.post(f"{opened.url}/auth/register", json=form()).status_code == 201


def test_name_registered_by_six_at_once_is_given_once(visitor: httpx2.Client, stores: Stores) -> None:
    name = unique("wanted")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: visitor.post("/auth/register", json=form(username=name)), range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    assert stores.value("SELECT count(*) FROM users WHERE username = :name", name=name) == 1
