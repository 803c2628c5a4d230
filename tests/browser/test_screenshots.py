"""The pictures in docs, made anew with UPDATE_SCREENSHOTS=1: always as these tests have looked at them."""

import os
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.test_wall import HD, TEN, clear, wall_row
from tests.browser.windows import Windows
from tests.support.service import ROOT, Service, Stores


def _picture(page: Page, name: str) -> None:
    if os.environ.get("UPDATE_SCREENSHOTS"):
        page.evaluate("() => document.fonts.ready")
        page.screenshot(path=ROOT / "docs" / name)


def test_wall_before_and_during_an_event(
    windows: Windows, service: Service, stores: Stores, score: Callable[[dict[str, int]], None]
) -> None:
    web = service.web(BRAND_NAME="Spring Hackathon 2026", PUBLIC_URL="https://scores.example.org")
    clear(stores)
    page = windows.open(f"{web.url}/wall#join=K7QF2MZD", fake_clock=True, viewport=HD)
    expect(page.locator("#lobby-url")).to_have_text("scores.example.org")
    page.wait_for_function("() => document.getElementById('qr').naturalWidth > 0")
    _picture(page, "wall-lobby.png")
    score(TEN)
    expect(wall_row(page, "keen-swift").locator(".rank")).to_have_text("8")
    score({"keen-swift": 2_000})
    page.clock.fast_forward(1_000)
    expect(wall_row(page, "keen-swift").locator(".rank")).to_have_text("6")
    expect(page.locator("#moved")).to_contain_text("keen-swift")
    _picture(page, "wall.png")
