"""Signing up, in and out, and what becomes of a session that ends by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.windows import Windows, connection, guest_message, heading, sign_in, sign_up
from tests.service import Player, Process, Service, unique

LIFE = 4
"""Seconds that the short-lived tokens live."""


@pytest.fixture(scope="module")
def short_lived(service: Service) -> Process:
    """A web process whose tokens end soon."""
    return service.web(ACCESS_TOKEN_TTL=str(LIFE))


def test_a_newcomer_signs_up_and_is_still_there_after_a_reload(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    username = unique("Zoe")
    sign_up(page, username)
    expect(connection(page)).to_have_text("Live")
    page.reload()
    expect(heading(page)).to_have_text(username)
    expect(connection(page)).to_have_text("Live")


def test_a_name_that_is_taken_is_said_and_another_one_works(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/auth/register")
    page = windows.open(web.url)
    page.get_by_role("button", name="New here?").click()
    page.get_by_label("Username").fill(alice.username.upper())
    page.get_by_label("E-mail").fill(f"{unique('other')}@example.org")
    page.get_by_label("Password", exact=True).fill("a fine password")
    page.get_by_role("button", name="Create account").click()
    expect(guest_message(page)).to_contain_text("taken")
    username = unique("other")
    page.get_by_label("Username").fill(username)
    page.get_by_role("button", name="Create account").click()
    expect(heading(page)).to_have_text(username)


def test_a_wrong_password_is_said_and_the_right_one_signs_in(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/auth/login")
    page = windows.open(web.url)
    sign_in(page, alice.username, "not the password")
    expect(guest_message(page)).to_have_text("Wrong username or password.")
    sign_in(page, alice.username)
    expect(heading(page)).to_have_text(alice.username)
    expect(heading(page)).to_be_focused()


def test_signing_out_ends_the_session_in_every_window(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/ws", "/auth/refresh", "/top-scores", "/users/")
    here, there = windows.open(web.url), windows.open(web.url)
    for page in (here, there):
        sign_in(page, alice.username)
        expect(connection(page)).to_have_text("Live")
    here.get_by_role("button", name="Sign out").click()
    expect(guest_message(here)).to_have_text("You are signed out, on every device.")
    expect(connection(here)).to_have_text("Sign in for live updates")
    expect(guest_message(there)).to_have_text("Your session has ended. Please sign in again.")
    assert here.evaluate("() => sessionStorage.length") == 0
    sign_in(there, alice.username)
    expect(connection(there)).to_have_text("Live")


def test_a_token_is_renewed_silently_before_it_ends(windows: Windows, short_lived: Process, alice: Player) -> None:
    page = windows.open(short_lived.url)
    with page.expect_response("**/auth/refresh", timeout=2_000 * LIFE):
        sign_in(page, alice.username)
    # The socket that the first token opened ends with it; the next one is opened with the second.
    with page.expect_websocket(timeout=2_000 * LIFE):
        pass
    with page.expect_response("**/auth/refresh", timeout=2_000 * LIFE):
        pass
    expect(connection(page)).to_have_text("Live")
    expect(heading(page)).to_have_text(alice.username)


def test_a_clock_that_is_put_back_does_not_lose_the_renewal(windows: Windows, web: Process, alice: Player) -> None:
    page = windows.open(web.url, fake_clock=True)
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")
    page.clock.set_system_time(datetime.now(UTC) - timedelta(seconds=10))
    with page.expect_websocket():  # the silence of so long a time has been noticed
        page.clock.fast_forward(2_400_000)
    expect(connection(page)).to_have_text("Live")
    with page.expect_response("**/auth/refresh"):
        page.clock.fast_forward(10_000)


def test_a_token_that_can_not_be_renewed_ends_the_session_with_a_reason(
    windows: Windows, short_lived: Process, alice: Player
) -> None:
    windows.provoke("/auth/refresh", "/ws", "/top-scores", "/users/")
    page = windows.open(short_lived.url)
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")
    page.context.set_offline(True)
    expect(guest_message(page)).to_have_text("Your session has expired. Please sign in again.")
    page.context.set_offline(False)
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")


def test_a_suspended_player_is_told_so(windows: Windows, web: Process, service: Service, alice: Player) -> None:
    windows.provoke("/auth/login")
    page = windows.open(web.url)
    with service.stores.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE users SET status = 'suspended' WHERE username = %s", (alice.username,))
    sign_in(page, alice.username)
    expect(guest_message(page)).to_contain_text("This account is suspended.")
