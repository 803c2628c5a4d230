"""The board moves in every window, and comes back after whatever took it away."""

import re
import signal
from collections.abc import Callable

import httpx2
import sqlalchemy as sa
from playwright.sync_api import expect

from app.board.publish import publish
from db.redis import Publisher
from tests.browser.windows import Windows, connection, expect_score, heading, message, play, sign_in, sign_up
from tests.support.board import ALL_TIME
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually

AWAY = re.compile(r"^You are offline · board of \d\d:\d\d:\d\d$")

Score = Callable[[dict[str, int]], None]

PUSHED = 3.0
"""Seconds within which a page shows what it is told, on a busy machine too; what it asks for comes every five."""


def test_action_completed_in_one_window_moves_the_board_in_all(
    windows: Windows, web: Process, worker: Process, alice: Player, bob: Player
) -> None:
    alice.score()  # the worker is awake
    hers, his = windows.open(web.url), windows.open(web.url)
    sign_in(hers, alice.username)
    sign_in(his, bob.username)
    for page in (hers, his):
        expect(connection(page)).to_have_text("Live")
        expect_score(page, alice.username, 10)

    play(hers)
    expect_score(his, alice.username, 20, within=PUSHED)
    expect_score(hers, alice.username, 20, within=PUSHED)
    expect(message(hers)).to_have_text("+10 for Action")
    for number in ("#own-score", "#own-total"):
        expect(hers.locator(number)).to_have_text("20", timeout=1_000 * PUSHED)


def test_board_is_polled_without_sign_in(windows: Windows, web: Process, score: Score) -> None:
    page = windows.open(web.url, fake_clock=True)
    expect(connection(page)).to_have_text("Live")
    name = unique("polled")
    score({name: 40})
    page.clock.fast_forward(5_000)
    expect_score(page, name, 40)


def test_updated_is_when_the_board_changed_polled_or_live(
    windows: Windows, web: Process, score: Score, stores: Stores, alice: Player
) -> None:
    score({unique("earlier"): 30})
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE boards SET version = version + 1, updated_at = now() - interval '3 days'"))
    update = publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)
    eventually(lambda: httpx2.get(f"{web.url}/top-scores").headers["etag"] == update.etag, what="the older board")
    page = windows.open(web.url)
    updated = page.locator("#updated")
    expect(updated).to_have_attribute("datetime", re.compile(re.escape(update.timestamp[:19])))
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")
    expect(updated).to_have_attribute("datetime", re.compile(re.escape(update.timestamp[:19])))


def test_page_is_live_again_without_reload_after_web_restart(windows: Windows, service: Service, score: Score) -> None:
    windows.provoke("/ws", "/auth/refresh", "/top-scores", "/users/")
    first = service.web()
    page = windows.open(first.url)
    sign_up(page, unique("erin"))
    expect(connection(page)).to_have_text("Live")
    page.evaluate("() => { window.sameDocument = true; }")

    first.signal(signal.SIGTERM)
    expect(connection(page)).to_have_text(re.compile(r"^Reconnecting… · board of \d\d:\d\d:\d\d$"))
    first.stop()
    service.web(port=first.port)
    expect(connection(page)).to_have_text("Live", timeout=20_000)
    name = unique("later")
    score({name: 50})
    expect_score(page, name, 50)
    assert page.evaluate("() => window.sameDocument")


def test_offline_is_said_and_online_is_live_again(windows: Windows, web: Process, score: Score) -> None:
    windows.provoke("/ws", "/auth/refresh", "/top-scores", "/users/")
    page = windows.open(web.url)
    username = unique("dave")
    sign_up(page, username)
    expect(connection(page)).to_have_text("Live")

    page.context.set_offline(True)
    expect(connection(page)).to_have_text(AWAY)
    name = unique("missed")
    score({name: 60})
    page.context.set_offline(False)
    expect(connection(page)).to_have_text("Live", timeout=20_000)
    expect_score(page, name, 60)
    expect(heading(page)).to_have_text(username)


def test_own_numbers_below_the_ten_are_right_within_two_seconds(
    windows: Windows, web: Process, score: Score, alice: Player
) -> None:
    score({unique(f"top{number}"): 1_000_000 + number for number in range(10)})
    passing = unique("passing")
    score({alice.username: 30_000, passing: 20_000})
    page = windows.open(web.url)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    sign_in(page, alice.username)
    rank, near = page.locator("#own-rank"), page.locator("#around-rows .own .rank")
    expect(connection(page)).to_have_text("Live")
    expect(page.locator("#own-score")).to_have_text("30,000")
    before = int(rank.inner_text())
    asked = len(requests)
    score({passing: 20_000})
    expect(rank).to_have_text(str(before + 1), timeout=1_000 * PUSHED)
    expect(near).to_have_text(str(before + 1), timeout=1_000 * PUSHED)

    page.evaluate(NOTE_NUMBERS)
    score({alice.username: 20_000})  # a prize
    expect(rank).to_have_text(str(before), timeout=1_000 * PUSHED)
    seen = page.evaluate("() => window.numbers")
    assert set(map(tuple, seen)) == {(str(before), "50,000", "50,000")}
    assert [url for url in requests[asked:] if "/users/" in url] == []  # nobody asked


def test_own_numbers_are_told_again_after_a_reconnect(windows: Windows, web: Process, score: Score) -> None:
    windows.provoke("/ws", "/auth/refresh", "/top-scores", "/users/")
    score({unique(f"top{number}"): 1_000_000 + number for number in range(10)})
    page = windows.open(web.url)
    username = unique("away")
    sign_up(page, username)
    score({username: 30_000})
    expect(page.locator("#own-score")).to_have_text("30,000")
    page.context.set_offline(True)
    expect(connection(page)).to_have_text(AWAY)
    before = int(page.locator("#own-rank").inner_text())
    score({unique("passing"): 40_000})
    page.context.set_offline(False)
    expect(connection(page)).to_have_text("Live", timeout=20_000)
    expect(page.locator("#own-rank")).to_have_text(str(before + 1), timeout=1_000 * PUSHED)


NOTE_NUMBERS = """() => {
  const fields = ["own-rank", "own-score", "own-total"].map((id) => document.getElementById(id));
  window.numbers = [];
  const note = () => window.numbers.push(fields.map((field) => field.textContent));
  const changes = { subtree: true, childList: true, characterData: true };
  new MutationObserver(note).observe(fields[0].closest("section"), changes);
}"""
