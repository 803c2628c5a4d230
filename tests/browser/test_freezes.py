"""A board is frozen, revealed and thawed on the operator's page, and other windows show what the public may see."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_operator import answer
from tests.browser.windows import Windows, expect_score, row, sign_in
from tests.support.people import Player, unique
from tests.support.service import Process


@pytest.fixture
def desk(windows: Windows, web: Process, operator: Player) -> Page:
    """The operator's page, with somebody signed in."""
    page = windows.open(f"{web.url}/operator", viewport={"width": 1280, "height": 900})
    sign_in(page, operator.username)
    expect(page.locator("#freezes li").first).to_be_visible()
    return page


def decide(desk: Page, verb: str) -> None:
    """Press a button of the board of all times, and say why."""
    desk.locator("#freezes li", has_text="All time").get_by_role("button", name=verb).click()
    answer(desk, "a contest")


def test_board_is_frozen_revealed_and_thawed(
    windows: Windows, web: Process, desk: Page, score: Callable[[dict[str, int]], None]
) -> None:
    ada, bea, cleo = (unique(name) for name in ("ada", "bea", "cleo"))
    board = windows.open(web.url)
    score({ada: 3_000_000, bea: 2_000_000})
    expect_score(board, bea, 2_000_000)
    decide(desk, "Freeze")
    item = desk.locator("#freezes li", has_text="All time")
    expect(item).to_contain_text("frozen since")
    score({bea: 5_000_000, cleo: 4_000_000})
    decide(desk, "Reveal next place")
    expect(item).to_contain_text("1 of 3 places are revealed")
    expect_score(board, ada, 3_000_000)
    expect(row(board, bea)).to_have_count(0)
    decide(desk, "Thaw")
    expect(item).to_contain_text("is shown as it is")
    expect_score(board, bea, 7_000_000)
    expect_score(board, cleo, 4_000_000)
