"""What axe-core finds on the pages: nothing serious, in light and in dark, whatever they show."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_operator import choose, found
from tests.browser.windows import Windows, act, guest_message, heading, sign_in
from tests.support.people import Player, set_role
from tests.support.service import Process, Stores, eventually

Score = Callable[[dict[str, int]], None]
SCHEMES = ["light", "dark"]


def findings(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical, each with where it is."""
    found: list[Any] = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [it for it in found if it["impact"] in ("serious", "critical")]
    return [f"{it['id']}: {it['help']} {[node['html'] for node in it['nodes'][:3]]}" for it in serious]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_board_and_the_sign_in(windows: Windows, web: Process, score: Score, scheme: str) -> None:
    score({f"player-{n:02}": 1000 - n * 7 for n in range(12)})
    windows.provoke("/auth/login")
    page = windows.open(web.url, color_scheme=scheme)
    expect(page.locator("#rows tr")).to_have_count(10)
    assert findings(page) == []
    sign_in(page, "nobody", "wrong password")
    expect(guest_message(page)).to_contain_text("Wrong")
    page.get_by_role("button", name="New here?").click()
    expect(page.get_by_role("button", name="Create account")).to_be_visible()
    assert findings(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_playing(windows: Windows, web: Process, alice: Player, score: Score, stores: Stores, scheme: str) -> None:
    score({f"player-{n:02}": 1000 - n * 7 for n in range(12)})
    score({alice.username: 5})  # below the ten
    for _ in range(3):
        alice.score()
    ids = [row[0] for row in stores.rows("SELECT id FROM actions WHERE user_id = :id", id=alice.user_id)]
    for action_id, outcome in zip(ids, ("cleared", "held", "reversed"), strict=True):
        settled = "UPDATE actions SET settlement = :to, settled_at = now() WHERE id = :id"
        stores.execute(settled, id=action_id, to=outcome)
    page = windows.open(web.url, color_scheme=scheme)
    sign_in(page, alice.username)
    expect(act(page, "Quest")).to_be_visible()
    expect(page.locator("#around-rows .own")).to_be_visible()
    page.get_by_text("Your actions").click()
    expect(page.locator("#actions li")).to_have_count(3)
    assert findings(page) == []
    act(page, "Quest").click()
    act(page, "Action").click()
    expect(page.locator(".runs")).to_have_count(2)
    assert findings(page) == []
    act(page, "Action").click()
    expect(page.locator("#player-message")).to_contain_text("+10")
    assert findings(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_operators_page(windows: Windows, web: Process, alice: Player, stores: Stores, scheme: str) -> None:
    alice.score(2)
    set_role(stores, alice.user_id)
    eventually(lambda: alice.http.get("/admin/flags").status_code == 200, what="that it may operate")
    page = windows.open(f"{web.url}/operator", color_scheme=scheme)
    assert findings(page) == []
    sign_in(page, alice.username)
    for section in ("now", "decide", "players", "boards", "share", "activity", "settings"):
        page.evaluate("(section) => { location.hash = section }", section)
        expect(page.locator(f"#{section}")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert findings(page) == [], section
    choose(found(page, alice.username), "Suspend")
    expect(page.get_by_role("group", name="Why suspend")).to_be_visible()
    assert findings(page) == []
    page.keyboard.press("Escape")
    choose(page.locator("#users tr"), "Give points")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_page_about_the_api(windows: Windows, web: Process, scheme: str) -> None:
    page = windows.open(f"{web.url}/docs", color_scheme=scheme)
    expect(page.locator("#content, main").get_by_text("/top-scores").first).to_be_visible()
    assert findings(page) == []


def test_axe_finds_what_is_wrong(windows: Windows, web: Process) -> None:
    # That the checks above can fail.
    page = windows.open(web.url)
    expect(heading(page)).to_be_hidden()
    page.evaluate("document.body.append(document.createElement('button'))")
    assert any("button-name" in it for it in findings(page))
