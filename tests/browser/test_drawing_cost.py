"""What a board costs the main thread: <score-board>, beside the drawing that it has replaced (old_board/)."""

from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Route

from tests.browser.windows import Windows
from tests.support.service import Process

OLD = Path(__file__).parent / "old_board"
BOARDS, EVERY_MS = 16, 500

FEED = """async ([boards, every, module]) => {
  const { show } = await import(module);
  const scores = Array.from({ length: 10 }, (_, at) => 20_000 - 1_500 * at);
  let seed = 7;
  const next = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let n = 0; n <= boards; n++) {
    for (let k = 0; k < 3; k++) scores[next() % 10] += 900 + (next() % 900);
    const payload = scores.map((score, at) => ({ userId: String(at), username: `player-${at}`, score }));
    payload.sort((a, b) => b.score - a.score).forEach((entry, at) => (entry.rank = at + 1));
    show({ payload });
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}"""
NEW = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Now</title>
<link rel="stylesheet" href="/static/tokens.css"><link rel="stylesheet" href="/static/base.css">
<link rel="stylesheet" href="/static/board.css"><link rel="stylesheet" href="/static/play.css"></head>
<body><main><section class="card board"><score-board id="board"></score-board></section></main></body></html>"""
ELEMENT = """import "/static/score-board.js";
export const show = (board) => document.getElementById("board").show(board);"""


def _serve(route: Route) -> None:
    name = route.request.url.rpartition("/")[2] or "index.html"
    if "/old/" in route.request.url:
        route.fulfill(path=OLD / name)
    elif name == "index.html":
        route.fulfill(body=NEW, content_type="text/html")
    else:
        route.fulfill(body=ELEMENT, content_type="text/javascript")


def _busy(client: CDPSession) -> float:
    """Seconds that the main thread has worked."""
    told = {it["name"]: it["value"] for it in client.send("Performance.getMetrics")["metrics"]}
    return float(told["TaskDuration"])


def _cost(windows: Windows, web: Process, which: str) -> float:
    """Return the seconds of work for each board."""
    page = windows.open("about:blank", beside=(web.url,), reduced_motion="no-preference")
    page.context.route(f"{web.url}/{which}/*", _serve)
    page.goto(f"{web.url}/{which}/")
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _busy(client)
    page.evaluate(FEED, [BOARDS, EVERY_MS, f"/{which}/board.js"])
    return (_busy(client) - before) / BOARDS


def test_board_costs_a_third_of_what_it_did(windows: Windows, web: Process, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = _cost(windows, web, "old"), _cost(windows, web, "new")
    with capsys.disabled():
        print(f"\nmain thread, two boards a second: {old * 1000:.0f} ms a board before, {new * 1000:.0f} ms now")
    assert new <= old / 3
