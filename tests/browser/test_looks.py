"""How the page looks: on a phone, on a desk, and in the README."""

import os
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.windows import Windows, act, connection, expect_score, row, sign_in
from tests.support.people import Player
from tests.support.service import ROOT, Process

PLAYERS = {
    "Ingrid.S": 18_420,
    "tomasz_w": 17_905,
    "Mateo": 16_880,
    "chloe.martin": 15_250,
    "Yuki_H": 13_960,
    "priya-n": 12_440,
    "Oluwaseun": 11_870,
    "nadia_b": 10_930,
    "Felix": 9_780,
    "sam.okafor": 9_310,
    "Jonas_L": 8_650,
    "lena.k": 7_990,
}


Score = Callable[[dict[str, int]], None]

SEEN = """(part) => {
  const box = document.querySelector(part).getBoundingClientRect();
  return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
}"""


@pytest.fixture(scope="module")
def clara(web: Process) -> Iterator[Player]:
    player = Player(web.url, "Clara.V")
    yield player
    player.close()


def test_board_as_the_readme_shows_it(windows: Windows, web: Process, clara: Player, score: Score) -> None:
    score({**PLAYERS, "Clara.V": 13_200})
    page = windows.open(web.url, fake_clock=True, viewport={"width": 1280, "height": 800}, timezone_id="UTC")
    sign_in(page, clara.username)
    expect(connection(page)).to_have_text("Live")
    expect(page.locator("#own-rank")).to_have_text("6")
    expect(page.locator("#own-distance")).to_have_text("760 points to place 5")
    expect(act(page, "Quest")).to_be_visible()
    score({clara.username: 2_250, "nadia_b": 1_100})
    expect_score(page, clara.username, 15_450)
    expect(row(page, clara.username).locator(".rank")).to_have_text("4")
    expect(page.locator("#rows tr")).to_have_count(10)
    page.clock.fast_forward(3_000)  # the marks are still there
    expect(page.locator("#own-total")).to_have_text("15,450")
    expect(page.locator("#own-distance")).to_have_text("1,430 points to place 3")
    expect(page.locator("#around")).to_be_hidden()  # the board shows one's own place
    _expect_no_sideways_scroll(page)
    if os.environ.get("UPDATE_SCREENSHOTS"):
        page.screenshot(path=ROOT / "docs" / "board.png")


@pytest.mark.parametrize("width", [320, 390, 3840])
def test_page_never_scrolls_sideways(windows: Windows, web: Process, clara: Player, score: Score, width: int) -> None:
    longest = "W" * 32
    score({longest: 9_007_199_254_740, clara.username: 1})
    page = windows.open(web.url, viewport={"width": width, "height": 800})
    expect(row(page, longest)).to_be_visible()
    _expect_no_sideways_scroll(page)
    sign_in(page, clara.username)
    expect(act(page, "Quest")).to_be_visible()
    act(page, "Quest").click()
    expect(page.locator(".runs")).to_be_visible()
    _expect_no_sideways_scroll(page)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720), (1920, 1080), (3840, 2160)])
def test_what_one_does_the_board_and_the_own_place_are_seen_at_once(
    windows: Windows, web: Process, clara: Player, score: Score, width: int, height: int
) -> None:
    score({**PLAYERS, clara.username: 1})
    page = windows.open(web.url, viewport={"width": width, "height": height})
    expect(page.locator("#rows tr")).to_have_count(10)
    page.wait_for_function(SEEN, arg="#board")  # all ten, for guests
    sign_in(page, clara.username)
    expect(page.locator("#around-rows .own")).to_contain_text(clara.username)
    expect(act(page, "Quest")).to_be_visible()
    for part in ("#player", "#play", "#board", "#around"):
        page.wait_for_function(SEEN, arg=part)


def test_own_place_stays_while_the_page_is_read(windows: Windows, web: Process, clara: Player, score: Score) -> None:
    score({**PLAYERS, clara.username: 1})
    page = windows.open(web.url, viewport={"width": 360, "height": 480})
    sign_in(page, clara.username)
    expect(page.locator("#around-rows .own")).to_contain_text(clara.username)
    page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#player")).to_be_in_viewport(ratio=0.99)
    expect(page.locator("#own-distance")).to_have_text(re.compile("^[0-9,]+ points to place 1[0-9]$"))


def test_newcomer_and_a_climber_are_marked_for_a_while(windows: Windows, web: Process, score: Score) -> None:
    score(PLAYERS)
    page = windows.open(web.url, fake_clock=True, viewport={"width": 360, "height": 740})
    expect(row(page, "Felix")).to_be_visible()
    name = "a-newcomer-with-a-name-of-32-cha"
    score({name: 10_000_000, "Felix": 20_000_000})
    page.clock.fast_forward(5_000)
    newcomer = row(page, name)
    expect(newcomer.locator(".mark")).to_have_text("new")
    expect(row(page, "Felix").locator(".mark")).to_have_text(re.compile("▲ [1-9]"))
    ends = newcomer.evaluate(
        """row => [row.querySelector(".name").getBoundingClientRect().right,
                   row.querySelector(".mark").getBoundingClientRect().left]"""
    )
    assert ends[0] <= ends[1]  # one can be read beside the other
    expect(newcomer.locator(".mark")).to_have_text("", timeout=10_000)


def _expect_no_sideways_scroll(page: Page) -> None:
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
