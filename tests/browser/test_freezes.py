"""A board is frozen, revealed and thawed on the operator's page, and a wall shows what the public may see."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_wall import expect_wall_score, wall_row
from tests.browser.windows import Windows, sign_in
from tests.support.people import Player, unique
from tests.support.service import Process

WALL = {"width": 1920, "height": 1080}


@pytest.fixture
def desk(windows: Windows, web: Process, operator: Player) -> Page:
    """The organizer's page at its boards, with somebody signed in."""
    page = windows.open(f"{web.url}/operator#boards", viewport={"width": 1280, "height": 900})
    sign_in(page, operator.username)
    expect(page.locator("#freezes li").first).to_be_visible()
    return page


def decide(desk: Page, verb: str, reason: str | None = None) -> None:
    """Press a button of the board of all times, and a reason where one is asked for."""
    item = desk.locator("#freezes li", has_text="All time")
    item.get_by_role("button", name=verb).click()
    if reason is not None:
        item.get_by_role("group").get_by_role("button", name=reason).click()


def test_board_is_frozen_revealed_and_thawed(
    windows: Windows, web: Process, desk: Page, score: Callable[[dict[str, int]], None]
) -> None:
    ada, bea, cleo = (unique(name) for name in ("ada", "bea", "cleo"))
    wall = windows.open(f"{web.url}/?wall", older=True, viewport=WALL)
    rows, sealed = wall.locator("#board tbody tr"), wall.locator("#board tbody tr.sealed")
    score({ada: 3_000_000, bea: 2_000_000})
    expect_wall_score(wall, bea, 2_000_000)
    decide(desk, "Freeze", "the finish is near")
    item = desk.locator("#freezes li", has_text="All time")
    expect(item).to_contain_text("frozen since")
    expect(wall.locator("#badge")).to_have_text(re.compile(r"Frozen at \d\d:\d\d"))
    score({bea: 5_000_000, cleo: 4_000_000})
    decide(desk, "Reveal next place")
    expect(item).to_contain_text("1 of 3 places are revealed")
    expect(wall.locator("#state")).to_have_text("1 of 3 places revealed")
    expect(sealed).to_have_count(2)
    expect(sealed.last).to_have_class(re.compile("next"))
    expect(rows.last).to_contain_text(ada)
    decide(desk, "Reveal next place")
    expect(sealed).to_have_count(1)
    expect(wall_row(wall, cleo)).to_be_visible()
    expect(wall_row(wall, bea)).to_have_count(0)
    decide(desk, "Show it all", "the ceremony")
    expect(item).to_contain_text("is shown as it is")
    expect_wall_score(wall, bea, 7_000_000)
    expect(sealed).to_have_count(0)
    expect(wall.locator("#state")).to_have_text("Live")
