"""Playing: with the mouse, with the keyboard alone, and against the rules."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.windows import Windows, act, connection, guest_message, heading, message, play, sign_in
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores


@pytest.fixture
def page(windows: Windows, web: Process, alice: Player) -> Page:
    """A window in which alice is signed in, and there is something to do."""
    page = windows.open(web.url)
    sign_in(page, alice.username)
    expect(act(page, "Quest")).to_be_visible()
    return page


def test_action_says_what_it_is_worth_and_counts(page: Page) -> None:
    expect(act(page, "Action")).to_have_text(re.compile(r"Action\s*\+10"))
    act(page, "Action").click()
    expect(act(page, "Action")).to_have_text(re.compile(r"Finish Action\s*0:0\d\s*\+10"))
    act(page, "Action").click()
    expect(message(page)).to_have_text("+10 for Action")
    expect(act(page, "Action")).to_have_text(re.compile(r"Action\s*\+10"))
    expect(page.locator("#own-total")).to_have_text("10")


def test_action_can_be_given_up(page: Page) -> None:
    act(page, "Action").click()
    page.get_by_role("button", name="Give up").click()
    expect(message(page)).to_have_text("Given up.")
    expect(act(page, "Action")).to_be_focused()
    expect(page.locator(".runs")).to_have_count(0)


def test_actions_of_several_types_run_beside_each_other_and_outlive_a_reload(page: Page) -> None:
    for title in ("Quest", "Action"):
        act(page, title).click()
        expect(act(page, title)).to_contain_text(f"Finish {title}")
    page.reload()
    expect(page.locator(".runs")).to_have_count(2)
    act(page, "Action").click()
    expect(message(page)).to_have_text("+10 for Action")
    expect(act(page, "Quest")).to_contain_text("Finish Quest")


def test_action_that_was_completed_elsewhere_says_what_it_earned(windows: Windows, page: Page, alice: Player) -> None:
    windows.provoke("/actions/")
    act(page, "Action").click()
    expect(act(page, "Action")).to_contain_text("Finish")
    alice.end(page.evaluate("() => JSON.parse(sessionStorage.getItem('actions'))[0]"))
    act(page, "Action").click()
    expect(message(page)).to_have_text("+10 for Action")


def test_too_soon_is_known_before_the_server_is_asked(page: Page) -> None:
    complete = act(page, "Quest")
    complete.click()
    expect(complete).to_have_attribute("aria-disabled", "true")
    complete.click(force=True)
    expect(message(page)).to_contain_text("Not yet: this takes")
    expect(complete).to_have_attribute("aria-disabled", "false")
    complete.click()
    expect(message(page)).to_have_text("+50 for Quest")


def test_fraud_rule_that_refuses_is_explained(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/actions/")
    page = windows.open(web.url)

    def forget_least_duration(route: Route) -> None:
        answer = route.fetch()
        types = [{**rules, "minSeconds": 0} for rules in answer.json()["types"]]
        route.fulfill(response=answer, body=json.dumps({"types": types}))

    page.route("**/action-types", forget_least_duration)
    sign_in(page, alice.username)
    act(page, "Quest").click()
    expect(act(page, "Quest")).to_contain_text("Finish")
    act(page, "Quest").click()
    expect(message(page)).to_contain_text("Not counted: that was against the rules.")
    expect(page.locator(".runs")).to_have_count(1)


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
    expect(rows.nth(0)).to_contain_text("Given up")
    expect(rows.nth(1)).to_contain_text("Held for review")
    expect(rows.nth(2)).to_contain_text("+10")
    page.get_by_role("button", name="Show older ones").click()
    expect(rows).to_have_count(14)
    expect(page.get_by_role("button", name="Show older ones")).to_be_hidden()
    play(page)
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
    play(page)
    expect(message(page)).to_have_text("+10 for Action")
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
    start = act(page, "Action")
    start.click()
    page.get_by_role("button", name="Give up").click()
    expect(message(page)).to_have_text("Given up.")
    start.click()
    expect(message(page)).to_have_text(re.compile(r"too often .* try again in 0:02\."))
    expect(message(page)).to_have_text(re.compile(r"try again in 0:01\."))
    expect(message(page)).to_have_text("You can try again now.")
    start.click()
    expect(page.locator(".runs")).to_have_count(1)


def test_keyboard_alone_can_do_everything(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    keyboard = page.keyboard
    expect(page.locator("#guest")).to_be_visible()
    expect(page.get_by_role("tab", name="All time")).to_be_visible()

    def press(*keys: str) -> None:
        for key in keys:
            keyboard.press(key)

    expect(page.get_by_role("button", name="Join", exact=True)).to_be_visible()
    press("Tab", "Enter")  # "Join", which is the first of all
    expect(page.get_by_label("Username")).to_be_focused()
    username = unique("keys")
    keyboard.type(username)
    press("Tab")
    keyboard.type(PASSWORD)
    press("Enter")
    expect(heading(page)).to_be_focused()
    expect(heading(page)).to_have_text(username)
    expect(act(page, "Quest")).to_be_visible()

    press("Tab", "Tab", "Enter")  # what there is to do
    complete = act(page, "Quest")
    expect(complete).to_be_focused()
    expect(complete).to_have_attribute("aria-disabled", "true")
    expect(complete).to_have_attribute("aria-disabled", "false")
    press("Enter")
    expect(message(page)).to_have_text("+50 for Quest")
    expect(complete).to_be_focused()

    # A tab, "Over time", the field that finds, one's actions, one's account.
    press(*["Tab"] * 6, "Enter")
    expect(guest_message(page)).to_have_text("You are signed out on this device.")
    expect(page.locator("#guest-title")).to_be_focused()
    expect(connection(page)).to_have_text("Live")
