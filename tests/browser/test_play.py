"""Playing: with the mouse, with the keyboard alone, and against the rules."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.windows import Windows, connection, guest_message, heading, message, sign_in
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores


@pytest.fixture
def page(windows: Windows, web: Process, alice: Player) -> Page:
    """A window in which alice is signed in, and the types of actions are there."""
    page = windows.open(web.url)
    sign_in(page, alice.username)
    expect(page.get_by_role("radio", name="quest")).to_be_visible()
    return page


def test_action_says_what_it_is_worth_and_counts(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#running-hint")).to_have_text("Worth 10 points.")
    page.get_by_role("button", name="Complete").click()
    expect(message(page)).to_have_text("+10 for default")
    expect(page.locator("#own-total")).to_have_text("10")


def test_action_can_be_cancelled(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Cancel").click()
    expect(message(page)).to_have_text("Cancelled.")
    expect(page.get_by_role("button", name="Start")).to_be_focused()


def test_action_outlives_a_reload(page: Page) -> None:
    page.get_by_role("radio", name="quest").check()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#running-type")).to_have_text("quest")
    page.reload()
    expect(page.locator("#running-type")).to_have_text("quest")


def test_action_that_was_completed_elsewhere_says_what_it_earned(windows: Windows, page: Page, alice: Player) -> None:
    windows.provoke("/actions/")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="Complete")).to_be_focused()
    alice.end(page.evaluate("() => sessionStorage.getItem('action')"))
    page.get_by_role("button", name="Complete").click()
    expect(message(page)).to_have_text("+10 for default")


def test_too_soon_is_known_before_the_server_is_asked(page: Page) -> None:
    page.get_by_role("radio", name="quest").check()
    page.get_by_role("button", name="Start").click()
    complete = page.get_by_role("button", name="Complete")
    expect(complete).to_have_attribute("aria-disabled", "true")
    complete.click(force=True)
    expect(message(page)).to_contain_text("Not yet: this takes")
    expect(complete).to_have_attribute("aria-disabled", "false")
    complete.click()
    expect(message(page)).to_have_text("+50 for quest")


def test_fraud_rule_that_refuses_is_explained(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/actions/")
    page = windows.open(web.url)

    def forget_least_duration(route: Route) -> None:
        answer = route.fetch()
        types = [{**rules, "minSeconds": 0} for rules in answer.json()["types"]]
        route.fulfill(response=answer, body=json.dumps({"types": types}))

    page.route("**/action-types", forget_least_duration)
    sign_in(page, alice.username)
    page.get_by_role("radio", name="quest").check()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Complete").click()
    expect(message(page)).to_contain_text("Not counted: that was against the rules.")
    expect(page.locator("#running")).to_be_visible()


def test_own_actions_are_listed_with_what_became_of_them(
    windows: Windows, web: Process, alice: Player, stores: Stores
) -> None:
    for _ in range(12):
        alice.score()
    held, cancelled = alice.started(), alice.started()
    alice.end(held)
    alice.end(cancelled, "cancelled")
    stores.execute("UPDATE actions SET settlement = 'cleared', settled_at = now() WHERE settlement = 'pending'")
    stores.execute("UPDATE actions SET settlement = 'held' WHERE id = :id", id=held)
    page = windows.open(web.url)
    sign_in(page, alice.username)
    page.get_by_text("Your actions").click()
    rows = page.locator("#actions li")
    expect(rows).to_have_count(10)
    expect(rows.nth(0)).to_contain_text("Cancelled")
    expect(rows.nth(1)).to_contain_text("Held for review")
    expect(rows.nth(2)).to_contain_text("+10")
    page.get_by_role("button", name="Show older ones").click()
    expect(rows).to_have_count(14)
    expect(page.get_by_role("button", name="Show older ones")).to_be_hidden()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Complete").click()
    expect(rows).to_have_count(15)  # the older ones stay
    expect(rows.nth(0)).to_contain_text("Being checked")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(rows).to_have_count(0)


def test_list_of_own_actions_has_no_hole_after_a_pause(windows: Windows, web: Process, alice: Player) -> None:
    alice.score(times=21)
    page = windows.open(web.url)
    sign_in(page, alice.username)
    page.get_by_text("Your actions").click()
    rows, older = page.locator("#actions li"), page.get_by_role("button", name="Show older ones")
    older.click()
    expect(rows).to_have_count(20)
    windows.provoke("/actions?")
    page.route("**/actions?*", lambda route: route.abort())  # the list misses what comes now: more than a page
    alice.score(times=15)
    expect(page.locator("#own-total")).to_have_text("360")
    page.unroute("**/actions?*")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Complete").click()
    expect(message(page)).to_have_text("+10 for default")
    expect(rows).to_have_count(10)
    for count in (20, 30, 37):
        older.click()
        expect(rows).to_have_count(count)
    expect(older).to_be_hidden()
    times = page.locator("#actions time").evaluate_all("(all) => all.map((it) => it.dateTime)")
    assert times == sorted(set(times), reverse=True)


def test_rate_limit_counts_down_until_one_may_try_again(windows: Windows, service: Service, alice: Player) -> None:
    windows.provoke("/actions")
    limited = service.web(RATE_LIMIT_CREATE="1/2 seconds")
    page = windows.open(limited.url)
    sign_in(page, alice.username)
    start = page.get_by_role("button", name="Start")
    start.click()
    page.get_by_role("button", name="Cancel").click()
    expect(message(page)).to_have_text("Cancelled.")
    start.click()
    expect(message(page)).to_have_text(re.compile(r"too often .* try again in 0:02\."))
    expect(message(page)).to_have_text(re.compile(r"try again in 0:01\."))
    expect(message(page)).to_have_text("You can try again now.")
    start.click()
    expect(page.locator("#running")).to_be_visible()


def test_keyboard_alone_can_do_everything(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    keyboard = page.keyboard
    expect(page.locator("#guest")).to_be_visible()
    expect(page.get_by_role("tab", name="All time")).to_be_visible()

    def press(*keys: str) -> None:
        for key in keys:
            keyboard.press(key)

    # Wall view, the tabs, "Over time", username, password, sign in, "New here?".
    press(*["Tab"] * 7, "Enter")
    expect(page.get_by_label("Username")).to_be_focused()
    username = unique("keys")
    keyboard.type(username)
    press("Tab")
    keyboard.type(f"{username}@example.org")
    press("Tab")
    keyboard.type(PASSWORD)
    press("Enter")
    expect(heading(page)).to_be_focused()
    expect(heading(page)).to_have_text(username)
    expect(page.get_by_role("radio", name="quest")).to_be_visible()

    press("Tab", "Tab", "Tab")  # sign out, sign out everywhere, the types
    expect(page.get_by_role("radio", name="default")).to_be_focused()
    press("ArrowDown", "Enter")
    complete = page.get_by_role("button", name="Complete")
    expect(complete).to_be_focused()
    expect(complete).to_have_attribute("aria-disabled", "false")
    press("Enter")
    expect(message(page)).to_have_text("+50 for quest")
    expect(page.get_by_role("button", name="Start")).to_be_focused()

    press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter")
    expect(guest_message(page)).to_have_text("You are signed out on this device.")
    expect(page.locator("#guest-title")).to_be_focused()
    expect(connection(page)).to_have_text("Live")
