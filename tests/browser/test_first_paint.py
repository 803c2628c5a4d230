"""How soon the board is there for a guest whose every round trip takes 150 ms: how many follow one after the other."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Page, expect

from tests.browser.windows import Windows
from tests.support.people import unique
from tests.support.service import Process

ROUND_TRIP_MS = 150

PAINTED = "() => document.querySelector('#rows tr') && performance.now()"


class Waterfall:
    """What a page asks the network for until the board is there, and what waited for what."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self.sent: list[dict[str, Any]] = []
        self._answered: dict[str, float] = {}
        self._kept: set[str] = set()
        self._cdp.send("Network.enable")
        conditions = {"offline": False, "latency": ROUND_TRIP_MS, "downloadThroughput": -1, "uploadThroughput": -1}
        self._cdp.send("Network.emulateNetworkConditions", conditions)
        self._cdp.on("Network.requestWillBeSent", lambda it: self.sent.append(it))
        self._cdp.on("Network.requestServedFromCache", lambda it: self._kept.add(it["requestId"]))
        self._cdp.on("Network.responseReceived", self._on_answer)

    def _on_answer(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache") or event["response"].get("fromPrefetchCache"):
            self._kept.add(event["requestId"])
        self._answered[event["requestId"]] = event["timestamp"]

    def asked(self) -> list[dict[str, Any]]:
        """Return the requests that went to the service."""
        return [it for it in self.sent if it["requestId"] not in self._kept]

    def depth(self, path: str) -> int:
        """Return how many requests followed each other up to the one for a path, itself included."""
        last = next(it for it in self.asked() if urlsplit(it["request"]["url"]).path == path)
        depth, began = 1, last["timestamp"]
        while earlier := [it for it in self.asked() if self._answered.get(it["requestId"], float("inf")) <= began]:
            depth, began = depth + 1, max(earlier, key=lambda it: self._answered[it["requestId"]])["timestamp"]
        return depth


def paths(requests: list[dict[str, Any]]) -> list[str]:
    return [urlsplit(it["request"]["url"]).path for it in requests]


def test_board_is_there_after_two_round_trips_once_its_files_are_kept(
    windows: Windows, web: Process, score: Callable[[dict[str, int]], None]
) -> None:
    score({unique("first"): 10})
    page = windows.open("about:blank", beside=(web.url,))
    for visit in ("cold", "warm"):
        waterfall = Waterfall(page)
        page.goto(web.url, wait_until="commit")
        painted = page.wait_for_function(PAINTED).json_value()
        asked = paths(waterfall.asked())
        print(f"{visit}: {len(asked)} requests until the board was there, after {painted:.0f} ms")
        expect(page.locator("#rows tr").first).to_be_visible()
    assert [path for path in asked if path.startswith("/static/")] == []
    assert re.fullmatch(r"/top-scores(/stream)?", next(it for it in asked if it.startswith("/top-scores")))
    assert waterfall.depth(next(it for it in asked if it.startswith("/top-scores"))) == 2
    assert len(asked) <= 6, asked
