"""Signing in at another issuer, a real one: by authorization code with PKCE, through its outages and new keys."""

import re
from typing import Any

import httpx2
import jwt
import pytest
from playwright.sync_api import Page, expect

from tests.browser.provider import Provider
from tests.browser.windows import Windows, guest_message, heading, play
from tests.support.people import unique
from tests.support.service import Process, Service, eventually, free_port, problem
from tests.support.tokens import authorization, sign

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def provider(service: Service, port: int) -> Provider:
    provider = Provider(service, [f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/operator"])
    provider.start()
    return provider


@pytest.fixture(scope="module")
def web(service: Service, port: int, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A web process whose users come from the provider alone."""
    file = provider.file(tmp_path_factory.mktemp("issuers") / "issuers.toml")
    process = service.web(port=port, ISSUERS_FILE=file, PASSWORD_LOGIN="off")
    url = f"{process.url}/auth/issuers"
    eventually(lambda: httpx2.get(url).json()["items"], what="the discovery")
    return process


@pytest.fixture
def page(windows: Windows, web: Process, provider: Provider) -> Page:
    return windows.open(web.url, beside=(provider.url,))


def sign_in(page: Page, name: str) -> dict[str, Any]:
    """Sign in at the provider, and return the session that the page keeps."""
    page.locator("#join").click()
    page.get_by_role("button", name="Sign in with Example Ltd").click()
    log_in_there(page, name)
    page.get_by_role("button", name="Continue").click()
    expect(heading(page)).to_have_text(f"{name} Example")
    return dict(page.evaluate("JSON.parse(sessionStorage.getItem('session'))"))


def log_in_there(page: Page, name: str) -> None:
    page.locator("[name=login]").fill(name)
    page.locator("[name=password]").fill("whatever")
    page.get_by_role("button", name="Sign-in").click()


def status(web: Process, token: str) -> int:
    return httpx2.get(f"{web.url}/users/me", headers=authorization(token)).status_code


def test_player_signs_in_at_the_provider_and_plays(page: Page, web: Process, provider: Provider) -> None:
    expect(page.locator("#sign-in")).to_be_hidden()
    name = unique("ada")
    with page.expect_response(lambda it: it.url == f"{provider.url}/token") as token_answer:
        session = sign_in(page, name)
    issued = token_answer.value.json()
    assert page.url == f"{web.url}/", "neither code nor state is left in the address"
    play(page)
    expect(page.locator("#own-total")).to_have_text("10")

    page.reload()
    expect(heading(page)).to_have_text(f"{name} Example")
    mine = httpx2.get(f"{web.url}/users/me", headers=authorization(session["accessToken"])).json()
    assert (mine["userId"], mine["username"], mine["role"]) == (session["userId"], name, "player")
    assert jwt.decode(issued["access_token"], options={"verify_signature": False})["aud"] == "scoreboard"
    other = jwt.decode(issued["id_token"], options={"verify_signature": False})
    assert other["aud"] == "page"
    problem(httpx2.get(f"{web.url}/users/me", headers=authorization(issued["id_token"])), 401, "unauthorized")

    page.get_by_role("button", name="Sign out everywhere").click()
    expect(guest_message(page)).to_contain_text("signed out, on every device")
    assert status(web, session["accessToken"]) == 401


def test_token_is_renewed_by_the_provider(windows: Windows, web: Process, provider: Provider) -> None:
    page = windows.open(web.url, beside=(provider.url,), fake_clock=True)
    before = sign_in(page, unique("ada"))["accessToken"]
    with page.expect_response(lambda it: it.url == f"{provider.url}/token"):
        page.clock.fast_forward(410_000)

    def kept() -> str:
        return str(page.evaluate("JSON.parse(sessionStorage.getItem('session')).accessToken"))

    eventually(lambda: kept() != before, what="another token")
    assert status(web, kept()) == 200


def test_operator_signs_in_at_the_provider(windows: Windows, web: Process, provider: Provider) -> None:
    page = windows.open(f"{web.url}/operator", beside=(provider.url,))
    page.get_by_role("button", name="Sign in with Example Ltd").click()
    log_in_there(page, unique("op"))
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#now")).to_be_visible()
    player = windows.open(f"{web.url}/operator", beside=(provider.url,))
    player.get_by_role("button", name="Sign in with Example Ltd").click()
    log_in_there(player, unique("ada"))
    player.get_by_role("button", name="Continue").click()
    expect(guest_message(player)).to_contain_text("for organizers")


def test_account_without_a_password_is_erased_on_the_page(page: Page, web: Process) -> None:
    sign_in(page, unique("ada"))
    page.get_by_text("Your account").click()
    expect(page.locator("#new-password")).to_be_hidden()
    expect(page.locator("#erase").get_by_label("Your password")).to_be_hidden()
    page.get_by_label("Erase my account for good").check()
    page.get_by_role("button", name="Erase it").click()
    expect(guest_message(page)).to_have_text("Your account is erased.")


def test_who_cancels_there_is_told_so_here(page: Page, web: Process) -> None:
    page.locator("#join").click()
    page.get_by_role("button", name="Sign in with Example Ltd").click()
    page.get_by_role("link", name=re.compile("Cancel")).click()
    expect(guest_message(page)).to_have_text("Signing in with Example Ltd was cancelled.")
    assert page.url == f"{web.url}/"


def test_answer_that_nobody_asked_for_is_not_taken(page: Page, web: Process) -> None:
    page.goto(f"{web.url}/?code=theirs&state=theirs")
    expect(guest_message(page)).to_contain_text("was not begun here")
    assert page.url == f"{web.url}/"
    assert page.evaluate("sessionStorage.getItem('session')") is None


def test_keys_are_rotated_tokens_forged_and_the_provider_taken_away(
    page: Page, windows: Windows, web: Process, provider: Provider
) -> None:
    old = sign_in(page, unique("ada"))["accessToken"]
    public = httpx2.get(f"{provider.url}/jwks").json()["keys"][0]
    payload = jwt.decode(old, options={"verify_signature": False})
    claims = jwt.api_jws.decode_complete(old, options={"verify_signature": False})["payload"]
    for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "HS256", "kid": public["kid"]}, {"alg": "RS256"}):
        confused = sign(claims, key=provider.keys[0].pem, header={"kid": public["kid"], **header})
        assert status(web, confused) == 401, header
    assert payload["iss"] == provider.url

    provider.rotate()
    asked = provider.asked("/jwks")
    other = windows.open(web.url, beside=(provider.url,))
    new = sign_in(other, unique("ada"))["accessToken"]
    assert jwt.get_unverified_header(new)["kid"] == provider.keys[0].kid != jwt.get_unverified_header(old)["kid"]
    assert status(web, old) == status(web, new) == 200
    assert provider.asked("/jwks") == asked + 1
    with httpx2.Client() as http:
        for number in range(100):
            headers = {"kid": f"invented-{number}"}
            forged = jwt.encode(payload, provider.keys[1].private, "RS256", headers=headers)
            assert http.get(f"{web.url}/users/me", headers=authorization(forged)).status_code == 401
    assert provider.asked("/jwks") == asked + 1

    provider.stop()
    assert status(web, old) == status(web, new) == 200
    play(page)
    expect(page.locator("#own-total")).to_have_text("10")
    provider.start()
