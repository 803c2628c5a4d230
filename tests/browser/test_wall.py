"""The wall: boards on a screen for a hall, in each of its states, for a night, and in the browser of a TV."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.board.publish import publish
from db.redis import Publisher
from tests.browser.test_accessibility import findings
from tests.browser.windows import Windows
from tests.support.board import ALL_TIME
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Stores

Score = Callable[[dict[str, int]], None]

HD = {"width": 1920, "height": 1080}
TEN = {
    "mira_k": 18_420,
    "Oluwaseun": 17_905,
    "chloe.martin": 16_880,
    "Team Rocket Science": 15_250,
    "Yuki_H": 13_960,
    "amber-heron": 12_440,
    "priya-n": 12_440,
    "keen-swift": 10_930,
    "nadia_b": 9_780,
    "sam.okafor": 9_310,
}
FITS = """() => {
  const inside = ({ left, right, top, bottom }) =>
    left >= -3 && top >= -3 && right <= innerWidth + 3 && bottom <= innerHeight + 3;
  const rows = [...document.querySelectorAll("#board tbody tr")];
  const words = [...document.querySelectorAll("#board .score, #clock-time, #state")];
  const cut = words.filter((it) => it.scrollWidth > it.clientWidth + 1);
  return rows.length === 10 && rows.every((it) => inside(it.getBoundingClientRect())) && cut.length === 0
    && document.documentElement.scrollWidth <= innerWidth;
}"""


@pytest.fixture
def stands(stores: Stores, score: Score) -> None:
    """Have ten people on the board, and nobody else."""
    clear(stores)
    score(TEN)


def clear(stores: Stores) -> None:
    """Take everybody off the board."""
    stores.execute("TRUNCATE standings, top_scores")
    stores.execute("UPDATE boards SET version = version + 1, updated_at = now()")
    publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)


def wall_row(page: Page, name: str) -> Locator:
    """Somebody's row."""
    return page.locator("#board tbody tr", has=page.get_by_text(name, exact=True))


def expect_wall_score(page: Page, name: str, points: int) -> None:
    """Wait until the wall shows somebody with these points."""
    expect(wall_row(page, name).locator(".score")).to_have_text(f"{points:,}")


@pytest.mark.parametrize(
    ("width", "height", "theme"),
    [(1920, 1080, "dark"), (3840, 2160, "dark"), (1280, 800, "light"), (1080, 1920, "dark"), (320, 568, "light")],
)
def test_ten_fill_the_screen_and_are_read_from_afar(
    windows: Windows, web: Process, stands: None, width: int, height: int, theme: str
) -> None:
    page = windows.open(f"{web.url}/wall?theme={theme}", viewport={"width": width, "height": height})
    expect(page.locator("#board tbody tr")).to_have_count(10)
    expect(page.locator("#state")).to_have_text("Live")
    page.wait_for_function(FITS)
    unit = min(height / 100, width * 0.5625 / 100) if width > height else min(height * 0.5625 / 100, width / 100)
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('#board .who')].map((it) => parseFloat(getComputedStyle(it).fontSize))"
    )
    assert min(sizes) >= 5.69 * unit  # 28 mm capitals on 55 inches: read at 15 m
    assert max(sizes) >= 8.19 * unit
    expect(wall_row(page, "mira_k").locator(".note")).to_have_text("leads by 515")
    expect(wall_row(page, "amber-heron").locator(".note")).to_have_text("first to reach 12,440")
    assert findings(page) == []


def test_longest_names_and_largest_scores_are_not_cut(
    windows: Windows, web: Process, stands: None, score: Score
) -> None:
    longest = "W" * 32
    score({longest: 9_007_199_254_740})
    for size in (HD, {"width": 1080, "height": 1920}):
        page = windows.open(f"{web.url}/wall", viewport=size)
        expect_wall_score(page, longest, 9_007_199_254_740)
        page.wait_for_function(FITS)


def test_lobby_shows_how_to_join_until_somebody_scores(
    windows: Windows, web: Process, stores: Stores, score: Score
) -> None:
    clear(stores)
    page = windows.open(f"{web.url}/wall#join=cdfg-2345", viewport=HD)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(page.locator("#lobby-code")).to_have_text("CDFG 2345")
    expect(page.locator("#lobby-url")).to_have_text(web.url.removeprefix("http://"))
    page.wait_for_function("() => document.getElementById('qr').naturalWidth > 0")
    inside = page.locator("#lobby-code").evaluate("it => it.scrollWidth <= it.clientWidth + 1")
    assert inside
    assert findings(page) == []
    name = unique("first")
    score({name: 50})
    expect_wall_score(page, name, 50)
    expect(page.locator("#lobby")).to_be_hidden()
    expect(page.locator("#join")).to_contain_text("CDFG 2345")
    page.keyboard.press("j")
    expect(page.locator("#lobby")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#lobby")).to_be_hidden()
    # What the code is the page alone knows: but for the picture, nobody was told.
    assert [url for url in asked if "CDFG" in url.upper() and "/join-qr.svg" not in url] == []


def test_climber_is_ringed_and_told_of_for_ten_minutes(
    windows: Windows, web: Process, stands: None, score: Score
) -> None:
    page = windows.open(f"{web.url}/wall", fake_clock=True, viewport=HD)
    expect_wall_score(page, "keen-swift", 10_930)
    score({"keen-swift": 2_000})
    page.clock.fast_forward(1_000)
    climber = wall_row(page, "keen-swift")
    expect(climber.locator(".mark")).to_have_text("▲ 2")
    ring = climber.evaluate("it => parseFloat(getComputedStyle(it, '::after').borderTopWidth)")
    assert ring > 2
    expect(page.locator("#moved")).to_have_text(re.compile(r"▲ 2\s+keen-swift\s+climbs most in 10 minutes"))
    page.clock.fast_forward(7_000)
    expect(climber.locator(".mark")).to_be_hidden()
    page.clock.fast_forward(600_000)
    page.clock.fast_forward(2_000)
    expect(page.locator("#moved")).to_be_hidden()


def test_wall_says_when_it_is_away_and_of_when_its_board_is(windows: Windows, web: Process, stands: None) -> None:
    windows.provoke("/top-scores", "/boards", "/about", "/ws", "/join-qr.svg")
    page = windows.open(f"{web.url}/wall", viewport=HD)
    expect(page.locator("#state")).to_have_text("Live")
    page.context.set_offline(True)
    # It is said after ten seconds without the service, not at once.
    expect(page.locator("#state")).to_have_text(
        re.compile(r"Reconnecting · this is the board of \d\d:\d\d:\d\d"), timeout=90_000
    )
    expect(page.locator("#board tbody tr")).to_have_count(10)
    assert findings(page) == []
    page.context.set_offline(False)
    expect(page.locator("#state")).to_have_text("Live", timeout=60_000)


def test_pause_and_freeze_are_told_and_nothing_moves(
    windows: Windows, web: Process, operator: Player, stands: None, score: Score
) -> None:
    page = windows.open(f"{web.url}/wall", viewport=HD)
    expect(page.locator("#state")).to_have_text("Live")
    _switch(operator, enabled=False)
    expect(page.locator("#state")).to_have_text(re.compile(r"Paused by the organizers · this is the board of \d\d:"))
    score({"keen-swift": 5_000})
    _switch(operator, enabled=True)
    expect(page.locator("#state")).to_have_text("Live")
    expect_wall_score(page, "keen-swift", 15_930)
    _freeze(operator)
    expect(page.locator("#badge")).to_have_text(re.compile(r"❄ Frozen at \d\d:\d\d"))
    expect(page.locator("#state")).to_contain_text("Frozen: scores still count")
    assert findings(page) == []
    assert operator.http.post("/admin/boards/all-time/thaw", json={"reason": "over"}).status_code == 200
    expect(page.locator("#badge")).to_be_hidden()
    expect(page.locator("#state")).to_have_text("Live")


def test_ceremony_reveals_from_the_last_place_up_by_a_key(
    windows: Windows, web: Process, operator: Player, score: Score, stores: Stores
) -> None:
    windows.provoke("/admin/boards/all-time/reveal", "/auth/login")
    clear(stores)
    score({"ada": 300, "bea": 200, "cleo": 100})
    stage = windows.open(f"{web.url}/wall#ceremony", viewport=HD)
    hall = windows.open(f"{web.url}/wall", viewport=HD)
    expect(wall_row(stage, "ada")).to_be_visible()
    stage.keyboard.press("Space")
    form = stage.locator("#sign-in")
    expect(form).to_be_visible()
    assert findings(stage) == []
    form.get_by_label("Username").fill(operator.username)
    form.get_by_label("Password").fill("a wrong one")
    form.get_by_role("button").click()
    expect(stage.locator("#sign-in-message")).to_have_text("Wrong username or password.")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button").click()
    expect(form).to_be_hidden()
    stage.keyboard.press("Space")
    expect(stage.locator("#state")).to_contain_text("isn't frozen")
    _freeze(operator)
    score({"bea": 500, "dora": 150})  # nobody sees it before the ceremony
    expect(stage.locator("#badge")).to_be_visible()
    for left, key, name in ((3, "Space", "cleo"), (2, "Enter", "dora"), (1, "PageDown", "ada")):
        _press(stage, key)
        for page in (stage, hall):
            expect(page.locator("#board .sealed")).to_have_count(left)
            expect(wall_row(page, name)).to_be_visible()
            expect(page.locator("#clock-time")).to_have_text(f"Place {left}")
            expect(page.locator("#board .next")).to_have_count(1)
        expect(stage.locator("#state")).to_have_text("Press space for the next place")
        expect(hall.locator("#state")).to_have_text(f"{4 - left} of 4 places revealed")
        assert findings(stage) == []
    stage.wait_for_timeout(1_000)
    stage.mouse.click(900, 500)
    for page in (stage, hall):
        expect_wall_score(page, "bea", 700)
        expect(page.locator("#board .sealed")).to_have_count(0)
    expect(hall.locator("#state")).to_have_text("Live")


def _press(page: Page, key: str) -> None:
    """Press a key that reveals; one that follows too fast would be taken for a bounce of the last."""
    page.wait_for_timeout(1_000)
    with page.expect_response("**/reveal"):
        page.keyboard.press(key)


def test_boards_take_turns(windows: Windows, web: Process, stands: None) -> None:
    page = windows.open(f"{web.url}/wall?boards=all-time,daily&every=5", fake_clock=True, viewport=HD)
    title = page.locator("#board-title")
    expect(title).to_have_text("All time")
    page.clock.fast_forward(6_000)
    expect(title).to_have_text("Today")
    expect(page.locator("#clock-word")).to_have_text("ends in")
    expect(page.locator("#board tbody tr")).to_have_count(10)
    page.keyboard.press("ArrowLeft")
    expect(title).to_have_text("All time")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text("Today")


def test_wall_is_left_by_keys_touch_and_remote_control(windows: Windows, web: Process, stands: None) -> None:
    page = windows.open(web.url, viewport=HD)
    page.get_by_role("link", name="Wall view").click()
    ways: tuple[Callable[[], object], ...] = (
        lambda: page.keyboard.press("Escape"),
        lambda: page.evaluate("() => dispatchEvent(new KeyboardEvent('keydown', { keyCode: 461, bubbles: true }))"),
        lambda: page.get_by_role("button", name="Leave the wall").click(),
        _long_press(page),
    )
    for leave in ways:
        expect(page.locator("#board tbody tr")).to_have_count(10)
        expect(page.locator("#event")).to_have_text("Scoreboard")
        expect(page.locator("#controls")).to_have_css("opacity", "0")
        page.mouse.move(500, 500)
        page.mouse.move(510, 500)
        expect(page.locator("#controls")).to_have_css("opacity", "1")
        leave()
        page.wait_for_url(f"{web.url}/")
        page.goto(f"{web.url}/wall")


def _long_press(page: Page) -> Callable[[], Any]:
    def press() -> None:
        page.mouse.down()

    return press


def test_night_shifts_the_picture_and_takes_up_a_new_release(windows: Windows, web: Process, stands: None) -> None:
    released: list[str] = []

    def about(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "version": released[0] if released else "1"})

    page = windows.open("about:blank", beside=(web.url,))
    page.context.route("**/about", about)
    page.clock.install(time=datetime(2026, 11, 28, 3, 57, tzinfo=UTC))
    page.goto(f"{web.url}/wall")
    expect(page.locator("#event")).to_have_text("Scoreboard")
    page.evaluate("() => { window.sameDocument = true; }")
    seen = set()
    for _ in range(10):
        page.clock.run_for(60_000)
        seen.add(page.evaluate("() => document.body.style.transform"))
    assert len(seen) >= 8  # of two pixels each
    assert page.evaluate("() => window.sameDocument")  # past four o'clock, and nothing new
    released.append("2")
    page.clock.run_for(61_000)
    page.wait_for_function("() => !window.sameDocument")
    expect(page.locator("#board tbody tr")).to_have_count(10)


def test_tv_of_2021_shows_all_of_it(
    windows: Windows, web: Process, stands: None, score: Score, operator: Player
) -> None:
    page = windows.open(f"{web.url}/wall", tv=True, viewport=HD, reduced_motion="no-preference")
    assert page.evaluate("() => [AbortSignal.timeout, document.body.getAnimations].every((it) => it === undefined)")
    expect(page.locator("#board tbody tr")).to_have_count(10)
    page.wait_for_function(FITS)
    score({"keen-swift": 2_000})
    expect_wall_score(page, "keen-swift", 12_930)
    expect(wall_row(page, "keen-swift").locator(".rank")).to_have_text("6")
    first = page.locator("#board tbody tr").first.bounding_box()
    assert first
    assert first["width"] < 0.45 * 1920  # blocks at the left, as everywhere
    assert first["height"] > 300
    page.locator("html").evaluate("it => it.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }))")
    expect(page.locator("#lobby")).to_be_visible()


def _switch(operator: Player, *, enabled: bool) -> None:
    answer = operator.http.put("/admin/flags/broadcast", json={"enabled": enabled})
    assert answer.status_code == 200


def _freeze(operator: Player) -> None:
    assert operator.http.post("/admin/boards/all-time/freeze", json={"reason": "the end"}).status_code == 200
