"""The page at /docs: everything that is described can be read there, without anything from elsewhere."""

import httpx2
from playwright.sync_api import expect

from tests.browser.windows import Windows
from tests.support.service import Process


def test_every_operation_and_the_socket_can_be_read(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs", viewport={"width": 1280, "height": 900})
    rest = httpx2.get(f"{web.url}/openapi.json", timeout=10).json()
    described = {it["operationId"]: it for methods in rest["paths"].values() for it in methods.values()}
    expect(page.locator("section.operation")).to_have_count(len(described) + 1)
    for name, it in described.items():
        section = page.locator(f"#{name}")
        expect(section.get_by_role("heading")).to_have_text(it["summary"])
        for status in it["responses"]:
            expect(section.get_by_role("rowheader", name=status, exact=True)).to_be_visible()
    expect(page.locator("#endAction")).to_contain_text('status: "cancelled" | "completed"')
    expect(page.locator("#websocket")).to_contain_text("top_scores_update")
    expect(page.locator("#topScores").get_by_text("If-None-Match", exact=True)).to_have_js_property("tagName", "CODE")
    expect(page.locator("body")).not_to_contain_text("`")
    page.get_by_role("link", name="Log in", exact=True).click()
    expect(page.locator("#login")).to_be_in_viewport()


def test_phone_scrolls_it_down_only(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs", viewport={"width": 360, "height": 700}, color_scheme="dark")
    expect(page.locator("#websocket")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_description_that_cannot_be_had_is_told(windows: Windows, web: Process) -> None:
    windows.provoke("/openapi.json")
    page = windows.open(f"{web.url}/docs")
    page.route("**/openapi.json", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("can't be loaded")
