"""Every page works in a browser of five years ago, such as the one in a TV."""

import pytest
from playwright.sync_api import expect

from tests.browser.older import older_css
from tests.browser.test_operator import choose, found
from tests.browser.test_signatures import FOLLOW, named
from tests.browser.windows import Windows, act, connection, expect_score, guest_message, message, play, sign_in
from tests.support.people import Player, unique
from tests.support.service import ROOT, Process, Service

STATIC = ROOT / "app" / "static"


def test_older_browser_plays_and_signs_out(windows: Windows, web: Process, worker: Process, alice: Player) -> None:
    page = windows.open(web.url, older=True)
    assert page.evaluate("() => [AbortSignal.timeout, [].at, window.structuredClone].every((it) => it === undefined)")
    expect(connection(page)).to_have_text("Live")
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")
    play(page)
    expect(message(page)).to_have_text("+10 for Action")
    expect_score(page, alice.username, 10)
    page.get_by_text("Your actions").click()
    expect(page.locator("#actions li")).to_have_count(1)
    act(page, "Quest").click()
    fill = page.locator(".runs .act-fill")
    assert fill.evaluate("(it) => getComputedStyle(it).position") == "absolute"
    page.get_by_role("button", name="Give up").click()
    expect(message(page)).to_have_text("Given up.")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(guest_message(page)).to_have_text("You are signed out on this device.")


def test_older_browser_operates(windows: Windows, web: Process, operator: Player, alice: Player) -> None:
    page = windows.open(f"{web.url}/operator#players", older=True)
    sign_in(page, operator.username)
    expect(connection(page)).to_have_text("Live")
    user = found(page, alice.username)
    choose(user, "Give points")
    page.locator("#give").get_by_label("Points").fill("25")
    page.locator("#give").get_by_label("Reason").fill("a prize")
    page.locator("#give").get_by_role("button", name="Do it").click()
    expect(user).to_contain_text("25")
    expect(page.locator("#give")).to_be_hidden()
    choose(user, "Suspend")
    user.get_by_role("button", name="too fast").click()
    expect(user).to_contain_text("suspended")


def test_older_browser_reads_the_api_page(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs", older=True)
    expect(page.locator("#login")).to_contain_text("password")


def test_older_browser_follows_a_signed_board(windows: Windows, service: Service) -> None:
    web = service.web(SIGNING_KEY=named(bytes(range(32))))
    player = Player(web.url, unique("signed"))
    page = windows.open(web.url, older=True)
    page.evaluate(FOLLOW, {"url": "/", "token": player.token, "keys": "/.well-known/jwks.json"})
    page.wait_for_function("() => states[states.length - 1] === 'live'")
    assert page.evaluate("() => reasons") == []
    player.close()


@pytest.mark.parametrize(
    ("sheet", "kept"),
    [
        (".a { color: red; }", ".a { color: red; }"),
        (".a:has(.b) { color: red; } .c { top: 0; }", " .c { top: 0; }"),
        (".a { color: red; & .b { top: 0; } }", ".a { color: red;  }"),
        (".a { color: red; .b { top: 0; } }", ".a { color: red; }"),
        ("@media (x) { .a:has(b) { top: 0; } .c { top: 0; } }", "@media (x) { .c { top: 0; } }"),
        (".a { height: 10dvh; top: 0; }", ".a {  top: 0; }"),
    ],
)
def test_older_css_is_what_an_old_parser_keeps(sheet: str, kept: str) -> None:
    assert older_css(sheet).split() == kept.split()
