"""Signing up, in and out, and what becomes of a session that ends by itself."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.windows import Windows, connection, guest_message, heading, open_form, sign_in, sign_up
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service

LIFE = 6
"""Seconds that the short-lived tokens live."""

WATCH = """() => {
    window.said = [];
    const connection = document.querySelector("#connection");
    new MutationObserver(() => said.push(connection.textContent)).observe(connection, { childList: true });
}"""
"""Collects what is said of the connection from now on."""

# The clock is an hour ahead, so that the client takes each token for one that is over, and leaves it to the server.
OPAQUE = """async () => {
    const now = Date.now;
    Date.now = () => now() + 3_600_000;
    window.states = [];
    window.codes = [];
    const { follow } = await import("/scoreboard.js");
    window.live = follow("/", { token: nextToken });
    live.addEventListener("error", ({ code }) => codes.push(code));
    live.subscribe((board, state) => states.push(state));
}"""


def short_lived_token(web: Process, player: Player) -> str:
    """Log in at the process whose tokens end soon."""
    body = {"username": player.username, "password": PASSWORD}
    return str(httpx2.post(f"{web.url}/auth/login", json=body).json()["accessToken"])


@pytest.fixture(scope="module")
def short_lived(service: Service) -> Process:
    """A web process whose tokens end soon."""
    return service.web(ACCESS_TOKEN_TTL=str(LIFE))


def test_newcomer_signs_up_and_is_still_there_after_a_reload(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    username = unique("Zoe")
    sign_up(page, username)
    expect(connection(page)).to_have_text("Live")
    page.reload()
    expect(heading(page)).to_have_text(username)
    expect(connection(page)).to_have_text("Live")


def test_name_that_is_taken_is_said_and_another_one_works(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/auth/register")
    page = windows.open(web.url)
    open_form(page, joining=True)
    page.get_by_label("Username").fill(alice.username.upper())
    page.get_by_label("Password", exact=True).fill("a fine password")
    page.get_by_role("button", name="Create account").click()
    expect(guest_message(page)).to_contain_text("taken")
    username = unique("other")
    page.get_by_label("Username").fill(username)
    page.get_by_role("button", name="Create account").click()
    expect(heading(page)).to_have_text(username)


def test_wrong_password_is_said_and_the_right_one_signs_in(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/auth/login")
    page = windows.open(web.url)
    sign_in(page, alice.username, "not the password")
    expect(guest_message(page)).to_have_text("Wrong username or password.")
    sign_in(page, alice.username)
    expect(heading(page)).to_have_text(alice.username)
    expect(heading(page)).to_be_focused()


def test_signing_out_everywhere_ends_the_session_in_every_window(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/ws", "/auth/refresh", "/top-scores", "/users/")
    here, there = windows.open(web.url), windows.open(web.url)
    for page in (here, there):
        sign_in(page, alice.username)
        expect(connection(page)).to_have_text("Live")
    here.get_by_role("button", name="Sign out everywhere").click()
    expect(guest_message(here)).to_have_text("You are signed out, on every device.")
    expect(connection(here)).to_have_text("Live")
    expect(guest_message(there)).to_have_text("Your session has ended. Please sign in again.")
    assert here.evaluate("() => sessionStorage.length") == 0
    sign_in(there, alice.username)
    expect(connection(there)).to_have_text("Live")


def test_signing_out_ends_every_tab_of_this_browser_and_no_other(windows: Windows, web: Process, alice: Player) -> None:
    here, elsewhere = windows.open(web.url), windows.open(web.url)
    beside = windows.open_beside(here, web.url)
    asleep = windows.open_beside(here, web.url)
    for page in (here, elsewhere, beside, asleep):
        sign_in(page, alice.username)
        expect(connection(page)).to_have_text("Live")
    asleep.goto(f"{web.url}/docs")  # it keeps its session for when it comes back
    here.get_by_role("button", name="Sign out", exact=True).click()
    for page in (here, beside):
        expect(guest_message(page)).to_have_text("You are signed out on this device.")
        assert page.evaluate("() => sessionStorage.length") == 0
    asleep.go_back()
    expect(asleep.locator("#guest")).to_be_visible()
    assert asleep.evaluate("() => sessionStorage.length") == 0
    elsewhere.reload()
    expect(connection(elsewhere)).to_have_text("Live")
    assert alice.http.get(f"/users/{alice.user_id}").status_code == 200
    sign_in(here, alice.username)
    expect(connection(here)).to_have_text("Live")
    here.reload()
    expect(connection(here)).to_have_text("Live")


def test_token_is_renewed_silently_before_it_ends(windows: Windows, short_lived: Process, alice: Player) -> None:
    page = windows.open(short_lived.url)
    with page.expect_websocket() as opened, page.expect_response("**/auth/refresh", timeout=2_000 * LIFE):
        sign_in(page, alice.username)
        expect(heading(page)).to_have_text(alice.username)
        expect(connection(page)).to_have_text("Live")
        page.evaluate(WATCH)
    first = opened.value
    # A second socket, opened with the second token, takes over before the first one's token is over.
    with page.expect_websocket(timeout=2_000 * LIFE) as opened:
        assert not first.is_closed()
    with page.expect_response("**/auth/refresh", timeout=2_000 * LIFE):
        pass
    assert first.is_closed()
    assert not opened.value.is_closed()
    assert page.evaluate("() => said") == []
    expect(connection(page)).to_have_text("Live")
    expect(heading(page)).to_have_text(alice.username)


def test_socket_of_an_expired_token_is_replaced_with_a_newer_one(
    windows: Windows, short_lived: Process, alice: Player
) -> None:
    windows.provoke("/ws")
    page = windows.open(short_lived.url)
    given = [short_lived_token(short_lived, alice)]

    asked: list[str] = []

    def next_token() -> str:
        if len(asked) == 1:
            given.append(short_lived_token(short_lived, alice))
        asked.append(given[-1])
        return given[-1]

    page.expose_function("nextToken", next_token)
    page.evaluate(OPAQUE)
    page.wait_for_function("() => states.includes('reconnecting') && states.at(-1) === 'live'", timeout=20_000)
    assert page.evaluate("() => codes") == []  # a younger token was there
    page.wait_for_function("() => states.at(-1) === 'ended'", timeout=20_000)  # the same token again: no use
    assert page.evaluate("() => codes") == ["unauthorized"]
    assert asked == [given[0], given[1], given[1]]


def test_clock_that_is_put_back_does_not_lose_the_renewal(windows: Windows, web: Process, alice: Player) -> None:
    page = windows.open(web.url, fake_clock=True)
    sign_in(page, alice.username)
    expect(heading(page)).to_have_text(alice.username)
    expect(connection(page)).to_have_text("Live")
    page.clock.set_system_time(datetime.now(UTC) - timedelta(seconds=10))
    with page.expect_websocket():  # the silence of so long a time has been noticed
        page.clock.fast_forward(2_400_000)
    expect(connection(page)).to_have_text("Live")
    with page.expect_response("**/auth/refresh"):
        page.clock.fast_forward(10_000)


def test_session_ends_with_a_reason_when_not_renewed(windows: Windows, short_lived: Process, alice: Player) -> None:
    windows.provoke("/auth/refresh", "/ws", "/top-scores", "/users/")
    page = windows.open(short_lived.url)
    sign_in(page, alice.username)
    expect(heading(page)).to_have_text(alice.username)
    expect(connection(page)).to_have_text("Live")
    page.context.set_offline(True)
    expect(guest_message(page)).to_have_text("Your session has expired. Please sign in again.")
    page.context.set_offline(False)
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")


def test_suspended_player_is_told_so(windows: Windows, web: Process, service: Service, alice: Player) -> None:
    windows.provoke("/auth/login")
    page = windows.open(web.url)
    with service.stores.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE users SET status = 'suspended' WHERE username = %s", (alice.username,))
    sign_in(page, alice.username)
    expect(guest_message(page)).to_contain_text("This account is suspended.")


def test_password_is_changed_and_the_page_stays_live(windows: Windows, web: Process, player: Player) -> None:
    page, other = windows.open(web.url), windows.open(web.url)
    for window in (page, other):
        sign_in(window, player.username)
        expect(connection(window)).to_have_text("Live")
    page.get_by_text("Your account").click()
    windows.provoke("/password")
    page.get_by_label("Current password").fill("not the password")
    page.locator("#new-password").get_by_label("New password").fill("another-password")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("#account-message")).to_have_text("The password is wrong.")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("#account-message")).to_contain_text("The password is changed")
    windows.provoke("/auth/refresh")
    expect(guest_message(other)).to_contain_text("Your session has ended", timeout=10_000)
    page.reload()
    expect(heading(page)).to_have_text(player.username)
    expect(connection(page)).to_have_text("Live")


def test_account_is_erased_for_good(windows: Windows, web: Process, player: Player) -> None:
    page = windows.open(web.url)
    sign_in(page, player.username)
    page.get_by_text("Your account").click()
    page.locator("#erase").get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Erase it").click()
    expect(heading(page)).to_have_text(player.username)  # the box has to be ticked
    page.get_by_label("Erase my account for good").check()
    page.get_by_role("button", name="Erase it").click()
    expect(guest_message(page)).to_have_text("Your account is erased.")
    windows.provoke("/auth/login")
    sign_in(page, player.username)
    expect(guest_message(page)).to_have_text("Wrong username or password.")
