"""The operator's page: what an operator does there moves the board in other windows."""

import os
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.windows import Windows, connection, expect_score, guest_message, row, sign_in
from tests.support.people import Player, unique
from tests.support.service import ROOT, Process, Service, Stores, eventually

RULES = "[velocity]\ncompletions_per_minute = 3\n"


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A worker that holds what a player completes beyond three in a minute."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text(RULES)
    service.beat()
    return service.worker(FRAUD_FILE=str(rules))


@pytest.fixture
def desk(windows: Windows, web: Process, operator: Player) -> Page:
    """The page, with an operator signed in."""
    page = windows.open(f"{web.url}/operator", viewport={"width": 1280, "height": 900})
    sign_in(page, operator.username)
    expect(page.get_by_role("heading", name="Held actions")).to_be_visible()
    return page


def answer(page: Page, reason: str, points: str | None = None) -> None:
    """Fill in the dialog, and do it."""
    dialog = page.get_by_role("dialog")
    if points is not None:
        dialog.get_by_label("Points").fill(points)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_be_hidden()


def test_held_action_released_or_reversed_moves_the_board(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page, stores: Stores
) -> None:
    board = windows.open(web.url)
    player.score(times=4)
    held = "SELECT count(*) FROM actions WHERE user_id = :id AND settlement = 'held'"
    eventually(lambda: stores.value(held, id=player.user_id) == 1, what="a held action")
    expect_score(board, player.username, 30)
    card = desk.locator("#held li", has_text=player.username)
    expect(card).to_contain_text("velocity")
    card.get_by_role("button", name="Release").click()
    answer(desk, "looked at")
    expect(card).to_have_count(0)
    expect_score(board, player.username, 40)
    reasons = stores.rows("SELECT kind, reason FROM audit_events WHERE user_id = :id ORDER BY id", id=player.user_id)
    assert ("released", "looked at") in [tuple(it) for it in reasons]


def test_player_is_suspended_adjusted_and_reinstated(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page
) -> None:
    board = windows.open(web.url)
    player.score()
    expect_score(board, player.username, 10)
    desk.get_by_label("Name or e-mail").fill(player.username)
    desk.get_by_role("button", name="Find").click()
    found = desk.locator("#users li", has_text=player.username)
    found.get_by_role("button", name="Suspend").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_be_visible()  # a reason is needed
    answer(desk, "too fast")
    expect(row(board, player.username)).to_have_count(0)
    expect(found).to_contain_text("suspended")
    found.get_by_role("button", name="Reinstate").click()
    answer(desk, "")
    expect_score(board, player.username, 10)
    found.get_by_role("button", name="Adjust").click()
    answer(desk, "a prize", points="15")
    expect_score(board, player.username, 25)
    found.get_by_role("button", name="Adjust").click()
    desk.get_by_role("button", name="Leave it").click()
    expect(found).to_contain_text("25 points")

    found.get_by_role("button", name="Hide").click()
    answer(desk, "a tester")
    expect(row(board, player.username)).to_have_count(0)
    expect(found).to_contain_text("active, hidden")
    found.get_by_role("button", name="Show").click()
    answer(desk, "")
    expect_score(board, player.username, 25)

    desk.get_by_label("Player, by name or id").fill(player.username)
    desk.get_by_role("button", name="Show", exact=True).click()
    events = desk.locator("#trail li")
    expect(events).to_have_count(5)
    expect(events.first).to_contain_text(f"shown: {player.username}")
    expect(events.nth(2)).to_contain_text(f"adjusted: {player.username}, 15 points")
    expect(events.nth(4)).to_contain_text("too fast")
    desk.get_by_label("Kind").select_option("hidden")
    desk.get_by_role("button", name="Show", exact=True).click()
    expect(events).to_have_count(1)
    expect(events).to_contain_text("a tester")
    windows.provoke("/adjust")
    found.get_by_role("button", name="Adjust").click()
    answer(desk, "too much", points="-500")
    expect(desk.locator("#message")).to_have_attribute("data-tone", "bad")


def test_switch_stops_and_starts_pushes_and_the_audit_is_right(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page
) -> None:
    board = windows.open(web.url)
    sign_in(board, player.username)
    player.score()
    expect_score(board, player.username, 10)
    flag = desk.locator("#flags li", has_text="broadcast")
    flag.get_by_role("button", name="Switch off").click()
    answer(desk, "")
    expect(flag).to_contain_text("no socket gets an update")
    flag.get_by_role("button", name="Switch on").click()
    answer(desk, "")
    expect(flag).to_contain_text("on")
    player.score()
    expect_score(board, player.username, 20)
    desk.get_by_role("button", name="Check the invariants").click()
    expect(desk.locator("#checks li", has_text="top-scores")).to_contain_text("right")
    expect(desk.locator("#checks .bad")).to_have_count(0)


def test_traffic_is_counted_and_plotted(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page
) -> None:
    expect(connection(desk)).to_have_text("Live")
    player.score(times=2)
    counter = desk.locator("#counters div", has_text="completions/min").locator("dd")
    expect(counter).to_have_text(re.compile(r"^[1-9]"))
    expect(desk.locator("#plot path")).to_have_count(2)
    expect(desk.get_by_role("img", name="Settle lag")).to_be_visible()
    lines = "() => document.querySelector('#plot .completions')?.getAttribute('d')"
    desk.wait_for_function(f"() => (({lines})() ?? '').split('L').length > 2")
    drawn = len(desk.evaluate(lines).split("L"))
    desk.reload()
    desk.wait_for_function(f"(before) => (({lines})() ?? '').split('L').length > before", arg=drawn)
    desk.get_by_role("button", name="Sign out", exact=True).click()
    expect(guest_message(desk)).to_contain_text("signed out")
    expect(desk.locator("#held li")).to_have_count(0)


def test_erased_user_is_named_so_and_nothing_is_offered(
    web: Process, player: Player, operator: Player, desk: Page
) -> None:
    player.score()
    answer = operator.http.post(f"/admin/users/{player.user_id}/erase", json={"reason": "asked for it"})
    assert answer.status_code == 200
    desk.get_by_label("Name or e-mail").fill(player.user_id)
    desk.get_by_role("button", name="Find").click()
    found = desk.locator("#users li")
    expect(found).to_have_text(re.compile(rf"^An erased user{player.user_id}player · erased · 10 points in total$"))
    expect(found.get_by_role("button")).to_have_count(0)


def test_held_action_of_an_erased_user_names_nobody(
    web: Process, worker: Process, player: Player, operator: Player, desk: Page, stores: Stores
) -> None:
    player.score(times=4)
    held = "SELECT id::text FROM actions WHERE user_id = :id AND settlement = 'held'"
    eventually(lambda: stores.rows(held, id=player.user_id), what="a held action")
    assert operator.http.post(f"/admin/users/{player.user_id}/erase", json={"reason": "left"}).status_code == 200
    desk.reload()
    expect(desk.locator("#held li", has_text="An erased user").first).to_contain_text("An erased user: 10 points")
    expect(desk.locator("#held")).not_to_contain_text("null")


def test_player_is_turned_away_and_stays_signed_in_elsewhere(windows: Windows, web: Process, player: Player) -> None:
    page = windows.open(web.url)
    sign_in(page, player.username)
    expect(connection(page)).to_have_text("Live")
    desk = windows.open_beside(page, f"{web.url}/operator")
    sign_in(desk, player.username)
    expect(guest_message(desk)).to_contain_text("for operators")
    expect(desk.get_by_role("heading", name="Held actions")).to_be_hidden()
    assert desk.evaluate("() => sessionStorage.length") == 0
    page.reload()
    expect(connection(page)).to_have_text("Live")
    assert player.http.get(f"/users/{player.user_id}").status_code == 200


def test_operator_signs_out_here_and_everywhere(windows: Windows, web: Process, operator: Player, desk: Page) -> None:
    desk.get_by_role("button", name="Sign out", exact=True).click()
    expect(guest_message(desk)).to_have_text("You are signed out on this device.")
    assert operator.http.get("/admin/flags").status_code == 200
    sign_in(desk, operator.username)
    desk.get_by_role("button", name="Sign out everywhere").click()
    expect(guest_message(desk)).to_have_text("You are signed out, on every device.")
    eventually(lambda: operator.http.get("/admin/flags").status_code == 401, what="that the older token is over")


def test_service_goes_away_and_comes_back(windows: Windows, service: Service, operator: Player) -> None:
    web = service.web()
    windows.provoke("/admin/")
    page = windows.open(f"{web.url}/operator")
    sign_in(page, operator.username)
    expect(connection(page)).to_have_text("Live")
    web.kill()
    expect(connection(page)).to_have_text("The service can't be reached")
    service.web(port=web.port)
    expect(connection(page)).to_have_text("Live", timeout=30_000)


@pytest.mark.parametrize("width", [360, 1280])
def test_operator_page_looks_right(
    windows: Windows, web: Process, worker: Process, operator: Player, player: Player, width: int, tmp_path: Path
) -> None:
    player.score(times=4)
    page = windows.open(f"{web.url}/operator", viewport={"width": width, "height": 900}, fake_clock=True)
    sign_in(page, operator.username)
    expect(page.locator("#held li").first).to_contain_text("points")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=tmp_path / f"operator-{width}.png", full_page=True)
    if width > 1000 and os.environ.get("UPDATE_SCREENSHOTS"):
        others = [Player(web.url, name) for name in ("Ingrid.S", "tomasz_w", "Mateo")]
        for turn in range(40):  # something to plot
            others[turn % 3].score(times=1 + turn % 4)
            with page.expect_response("**/admin/stats"):
                page.clock.fast_forward(7_000)
        for other in others:
            other.close()
        page.screenshot(path=ROOT / "docs" / "operator.png")


def test_service_key_is_made_shown_once_and_revoked(web: Process, desk: Page) -> None:
    name = unique("server")
    desk.get_by_label("Name of the key").fill(name)
    desk.get_by_role("button", name="Make a key").click()
    expect(desk.locator("#message")).to_contain_text("Choose what the key may do")
    desk.get_by_label("report actions of any player").check()
    desk.get_by_role("button", name="Make a key").click()
    shown = desk.get_by_label(f"The key {name}")
    expect(shown).to_have_value(re.compile(r"sbk_[\w-]{43}"))
    expect(shown).to_be_focused()
    key = shown.input_value()
    desk.get_by_role("button", name="Copy").click()
    expect(desk.locator("#message")).to_contain_text("The key is")
    card = desk.locator("#keys li", has_text=name)
    expect(card).to_contain_text("actions")
    expect(card).to_contain_text("never used")
    with httpx2.Client(base_url=web.url, headers={"authorization": f"Bearer {key}"}) as server:
        assert server.get("/top-scores").status_code == 200
        desk.reload()
        expect(card).to_be_visible()
        expect(shown).to_be_hidden()
        assert key not in desk.content()
        card.get_by_role("button", name="Revoke").click()
        answer(desk, "no longer needed")
        expect(card).to_have_count(0)
        assert server.get("/top-scores").status_code == 401
