"""The wall in Chromium, as it would hang in a hall: what it shows, and the memory that it takes."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.people import Player


class Wall:
    """One page; `complaints` has what went wrong in it."""

    def __init__(self, page: Any) -> None:
        self.complaints: list[str] = []
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Performance.enable")
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def megabytes(self) -> float:
        """Return the heap of its scripts, after a collection."""
        self._devtools.send("HeapProfiler.collectGarbage")
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return float(next(it["value"] for it in metrics if it["name"] == "JSHeapUsedSize")) / 1e6

    def shows(self, player: Player) -> bool:
        """Return whether a player stands on it."""
        return player.username in str(self._page.inner_text("body"))


@contextmanager
def wall(url: str) -> Iterator[Wall | None]:
    """Open the wall, where there is a Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(f"{url}/?wall")
        yield Wall(page)
        browser.close()
