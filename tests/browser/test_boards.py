"""More than one board: tabs, past periods, places, lines, and the time that is left, on the real service."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.domain import board_rules
from config import rules
from tests.browser.standings import stand_on
from tests.browser.test_accessibility import findings
from tests.browser.windows import Windows, connection, expect_score, message, play, row, sign_in
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores

FILE = """
[boards.all-time]
title = "All time"

[boards.laps]
title = "Fastest laps"
of = "value"
by = "best"
order = "lowest"
unit = "ms"

[boards.weekly]
title = "This week"
window = "weekly"
"""
LAST_WEEK = datetime.now(UTC) - timedelta(days=7)
LABEL = f"{LAST_WEEK:%G-W%V}"
NAMES = [f"walker{number:02}" for number in range(15)]

Stand = Callable[..., None]


@pytest.fixture(scope="module")
def boards_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("boards") / "boards.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def stand(stores: Stores, boards_file: Path) -> Stand:
    """Adds to the boards by name: points, or points and a value, by an action that ended now or at `moment`."""
    parsed = board_rules.parse(rules.read(boards_file))
    return lambda gains, moment=None: stand_on(stores, parsed, gains, moment)


@pytest.fixture(scope="module")
def web(service: Service, boards_file: Path, stand: Stand) -> Process:
    """A process with three boards, on which many have played last week, and this one."""
    stand({name: (100 + 10 * number, None) for number, name in enumerate(NAMES)}, LAST_WEEK)
    stand({name: (50 + 5 * number, 60_000 + 1_234 * number) for number, name in enumerate(NAMES[:12])})
    service.worker(BOARDS_FILE=str(boards_file))
    service.beat(BOARDS_FILE=str(boards_file))
    return service.web(BOARDS_FILE=str(boards_file))


@pytest.fixture
def clara(web: Process) -> Iterator[Player]:
    player = Player(web.url, unique("clara"))
    yield player
    player.close()


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=name)


def test_tabs_lead_from_board_to_board_and_the_address_keeps_it(windows: Windows, web: Process) -> None:
    page = windows.open(web.url, viewport={"width": 360, "height": 740})
    expect(tab(page, "All time")).to_have_attribute("aria-selected", "true")
    expect_score(page, "walker11", 315)

    tab(page, "All time").focus()
    page.keyboard.press("ArrowRight")
    expect(tab(page, "Fastest laps")).to_be_focused()
    expect(tab(page, "All time")).to_have_attribute("aria-selected", "true")  # an arrow chooses nothing yet
    page.keyboard.press("Enter")
    expect(row(page, "walker00").locator(".score")).to_have_text("1:00.000")
    expect(row(page, "walker00").locator(".rank")).to_have_text("1")
    expect(page.locator("#score-title")).to_have_text("Best")
    expect(page.get_by_role("tabpanel", name="Fastest laps")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect_score(page, "walker11", 105)
    assert page.url.endswith("/?board=weekly")
    page.get_by_label("Period").select_option(LABEL)
    expect_score(page, "walker14", 240)
    expect(page.locator("#ends")).to_have_text("")
    assert page.url.endswith(f"/?board=weekly&period={LABEL}")
    page.reload()
    expect_score(page, "walker14", 240)
    expect(page.get_by_label("Period")).to_have_value(LABEL)
    expect(page.get_by_role("heading", name="This week: ")).to_have_count(1)

    page.go_back()
    expect_score(page, "walker11", 105)
    expect(page.get_by_label("Period")).to_have_value("")
    page.go_back()
    expect(row(page, "walker00").locator(".score")).to_have_text("1:00.000")
    assert page.url.endswith("/?board=laps")


def test_board_that_does_not_exist_says_so(windows: Windows, web: Process) -> None:
    windows.provoke("/top-scores")
    page = windows.open(f"{web.url}/?board=nothing")
    expect(page.locator("#empty")).to_contain_text("There is no such board")
    tab(page, "All time").click()
    expect(page.locator("#rows tr")).to_have_count(10)


def test_one_socket_turns_to_the_board_that_is_looked_at(
    windows: Windows, web: Process, clara: Player, stand: Stand
) -> None:
    page = windows.open(f"{web.url}/?board=weekly")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    sign_in(page, clara.username)
    expect(connection(page)).to_have_text("Live")
    play(page)
    expect(message(page)).to_have_text("+10 for Action")
    expect(page.locator("#own-score")).to_have_text("10")
    stand({clara.username: (990, 59_000)})
    expect_score(page, clara.username, 1_000, within=5)
    expect(page.locator("#own-rank")).to_have_text("1")

    tab(page, "Fastest laps").click()
    expect(row(page, clara.username).locator(".score")).to_have_text("0:59.000")
    expect(page.locator("#own-score")).to_have_text("0:59.000")
    expect(page.locator("#own-total")).to_have_text("1,000")
    stand({clara.username: (1, 58_500)})
    expect(row(page, clara.username).locator(".score")).to_have_text("0:58.500", timeout=5_000)
    assert len(sockets) == 1

    tab(page, "This week").click()
    page.get_by_label("Period").select_option(LABEL)
    expect_score(page, "walker14", 240)
    expect(page.locator("#own-rank")).to_have_text("\u2013")
    expect(page.locator("#around")).to_be_hidden()


def test_own_neighbours_and_whoever_is_looked_for(windows: Windows, web: Process, stand: Stand) -> None:
    low = Player(web.url, unique("low"))
    stand({low.username: (3, 600_000)})
    page = windows.open(f"{web.url}/?board=weekly")
    sign_in(page, low.username)
    around = page.locator("#around")
    expect(around.get_by_role("heading", name="Around you")).to_be_visible()
    expect(around.locator("tbody tr")).to_have_count(5)
    expect(around.locator(".own .score")).to_have_text("3")
    expect(page.locator("#own-distance")).to_have_text(re.compile(r"^\d+ points to place \d+$"))
    expect(page.locator("#rows tr:visible")).to_have_count(5)
    around.get_by_role("button", name="All places").click()
    expect(page.locator("#rows tr:visible")).to_have_count(10)
    assert findings(page) == []

    page.get_by_label("Find a player").fill("WALKER1")
    found = page.locator("#found li")
    expect(found).to_have_count(2)  # those of last week alone aren't on it
    expect(page.locator("#find-message")).to_have_text("2 players:")
    assert findings(page) == []
    found.filter(has_text="walker10").get_by_role("button").click()
    expect(around.get_by_role("heading", name="Around walker10")).to_be_focused()
    expect(around.locator(".sought .name")).to_have_text("walker10")
    expect(found).to_have_count(0)
    tab(page, "Fastest laps").click()
    expect(around.locator(".sought .score")).to_have_text("1:12.340")
    around.get_by_role("button", name="Close").click()
    expect(around.get_by_role("heading", name="Around you")).to_be_visible()
    expect(around.locator(".own .score")).to_have_text("10:00.000")

    page.get_by_label("Find a player").fill("nobody at all")
    expect(page.locator("#find-message")).to_have_text("Nobody on this board is called so.")
    low.close()


def test_lines_over_time_are_drawn_once_they_are_opened(windows: Windows, web: Process, clara: Player) -> None:
    page = windows.open(f"{web.url}/?board=weekly&period={LABEL}", color_scheme="dark")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect_score(page, "walker14", 240)
    assert not [url for url in asked if "/history" in url]
    page.get_by_text("Over time").click()
    expect(page.locator("#lines-plot path")).to_have_count(10)
    expect(page.locator("#lines-names li").first).to_have_text(re.compile(r"walker14\s*240"))
    assert findings(page) == []
    tab(page, "All time").click()
    expect(page.locator("#lines-names li", has_text="walker11")).to_contain_text("315")


def test_time_that_is_left_is_counted_down_and_then_the_boards_are_asked_for(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/?board=weekly")
    expect(page.locator("#ends")).to_have_text(re.compile(r"^Ends in \d"))
    ends = datetime.now(UTC) + timedelta(seconds=3)

    def soon(route: Route) -> None:
        items = httpx2.get(f"{web.url}/boards").json()["items"]
        route.fulfill(json={"items": [{**it, "endsAt": ends.isoformat()} if "endsAt" in it else it for it in items]})

    page.route("**/boards", soon)
    page.reload()
    expect(page.locator("#ends")).to_have_text(re.compile(r"^Ends in 0:0[1-3]$"))
    with page.expect_request("**/boards", timeout=10_000):
        pass


def test_page_of_one_board_has_no_tabs(windows: Windows, service: Service, stores: Stores, tmp_path: Path) -> None:
    alone = tmp_path / "boards.toml"
    alone.write_text("[boards.all-time]\n")
    page = windows.open(service.web(BOARDS_FILE=str(alone)).url)
    expect(page.locator("#rows tr")).to_have_count(10)
    expect(page.get_by_role("heading", name="Top 10")).to_be_visible()
    for hidden in ("#boards", "#periods", "#frozen", "#ends"):
        expect(page.locator(hidden)).not_to_be_visible()
    assert page.locator("[role=tabpanel]").count() == 0
