"""Joining by a code: the operator shows it on a screen, and the page offers what works."""

import re
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_operator import answer
from tests.browser.windows import Windows, guest_message, heading, sign_in
from tests.support.people import PASSWORD, Player, listener, set_role, unique
from tests.support.service import Process, Service, Stores, eventually


@pytest.fixture(scope="module")
def coded(service: Service) -> Process:
    return service.web(REGISTRATION="code", ASK_EMAIL="true", SERVICE_NAME="Class 7b")


def join(page: Page, username: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


def test_code_goes_from_the_operators_screen_to_a_pupils_account(
    windows: Windows, coded: Process, stores: Stores
) -> None:
    operator = Player(coded.url, listener(stores, "operator").username, register=False)
    set_role(stores, operator.user_id)
    eventually(lambda: operator.http.get("/admin/flags").status_code == 200, what="that it may operate")
    desk = windows.open(f"{coded.url}/operator#share", viewport={"width": 1280, "height": 900})
    sign_in(desk, operator.username)
    desk.get_by_label("Uses").fill("1")
    desk.get_by_label("Note").fill("7b, Tuesday")
    desk.get_by_role("button", name="Make a code").click()
    drawn = desk.get_by_role("img", name=re.compile("^QR code of "))
    expect(drawn).to_be_visible()
    assert drawn.evaluate("it => it.complete && it.naturalWidth > 0")
    code = desk.locator("#new-code-text").inner_text()
    assert re.fullmatch(r"\w{4} \w{4}", code)
    card = desk.locator("#codes li", has_text="7b, Tuesday")
    expect(card).to_contain_text("used 0 of 1 times")

    phone = windows.open(str(drawn.get_attribute("alt")).removeprefix("QR code of "))
    expect(phone.get_by_label("Join code")).to_have_value(code.replace(" ", ""))
    expect(phone.get_by_label("Username")).to_be_focused()
    expect(phone).to_have_title("Class 7b")
    assert urlsplit(phone.url).query == ""
    phone.reload()
    expect(phone.get_by_label("Join code")).to_have_value(code.replace(" ", ""))
    expect(phone.get_by_text("can reach you")).to_be_visible()
    username = unique("pupil")
    join(phone, username)
    expect(heading(phone)).to_have_text(username)

    windows.provoke("/auth/register")
    late = windows.open(coded.url)
    late.get_by_role("button", name="Join", exact=True).click()
    expect(late.get_by_label("Join code")).to_be_focused()
    late.get_by_label("Join code").fill(code.lower())
    join(late, unique("late"))
    expect(guest_message(late)).to_contain_text("used up")

    desk.reload()
    expect(card).to_contain_text("used 1 of 1 times")
    expect(desk.locator("#new-code")).to_be_hidden()
    card.get_by_role("button", name="Delete").click()
    answer(desk, "the class is full")
    expect(card).to_have_count(0)
    operator.close()


def test_open_board_asks_for_neither_code_nor_address(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/?join=K7QM9XT2")
    expect(page.get_by_role("button", name="Create account")).to_be_visible()
    for label in ("Join code", "E-mail"):
        expect(page.get_by_label(label)).to_be_hidden()
    username = unique("player")
    join(page, username)
    expect(heading(page)).to_have_text(username)


def test_closed_board_offers_no_form_that_is_refused(windows: Windows, service: Service) -> None:
    closed = service.web(REGISTRATION="closed")
    page = windows.open(f"{closed.url}/?join=K7QM9XT2")
    expect(page.get_by_text("No account yet?")).to_be_visible()
    expect(page.get_by_role("button", name="New here?")).to_be_hidden()
    expect(page.locator("#sign-in .primary")).to_have_text("Sign in")
    expect(page.locator("#sign-in .primary")).to_be_visible()


def test_code_in_an_address_is_in_no_log_and_no_referrer(web: Process) -> None:
    answer = httpx2.get(f"{web.url}/?join=K7QM9XT2")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "K7QM9XT2" not in answer.text
    assert "K7QM9XT2" not in web.output()
