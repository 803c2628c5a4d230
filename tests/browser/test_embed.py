"""The board on a page of another origin: in a frame, and as an element."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.browser.test_accessibility import findings
from tests.browser.windows import Windows
from tests.support.people import Player
from tests.support.service import Process, Service, free_port

OTHERS = """<!doctype html><html lang="de"><title>A page of somebody else</title><body>
<iframe title="Board" src="{url}/embed?rows=2&amp;theme=dark&amp;lang=fr" width="360" height="300"></iframe>
<score-board id="board" rows="2" theme="light"></score-board>
<script type="module">
  import {{ follow }} from "{url}/scoreboard.js";
  import "{url}/score-board.js";
  follow("{url}").subscribe((value) => value && document.getElementById("board").show(value));
</script></body></html>"""


class Site:
    """A page of another origin, which is told what to answer."""

    def __init__(self, port: int) -> None:
        site = self
        self.html = ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(site.html.encode() if self.path == "/" else b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.origin = f"http://localhost:{port}"
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site(free_port())
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture(scope="module")
def web(service: Service, worker: Process, site: Site) -> Process:
    return service.web(EMBED_ORIGINS=site.origin, ALLOWED_ORIGINS=site.origin, BRAND_NAME="Spring race")


def test_board_is_shown_live_on_a_page_of_another_origin(
    windows: Windows, web: Process, site: Site, score: Callable[[dict[str, int]], None]
) -> None:
    score({"mira_k": 18_420, "oluwaseun": 17_905, "chloe": 16_880})
    site.html = OTHERS.format(url=web.url)
    windows.provoke("/favicon.ico")
    page = windows.open(site.origin, beside=(web.url,))
    frame = page.frame_locator("iframe")
    expect(frame.locator("#state")).to_have_text("en direct")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    expect(frame.get_by_role("heading")).to_contain_text("Spring race")
    names = [it.locator("tbody .name") for it in (frame, page)]
    for shown in names:
        expect(shown).to_have_text(["mira_k", "oluwaseun"])
    score({"chloe": 5_000})
    for shown in names:
        expect(shown).to_have_text(["chloe", "mira_k"])
    light = page.locator("score-board").evaluate("it => getComputedStyle(it).getPropertyValue('--card').trim()")
    assert light == "#fffefb", "the element has the palette, and the page around it doesn't"
    assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--card')") == ""


def test_overlay_is_seen_through_but_for_its_rows_in_an_older_browser_too(
    windows: Windows, web: Process, score: Callable[[dict[str, int]], None]
) -> None:
    score({"mira_k": 18_420})
    page = windows.open(f"{web.url}/embed?transparent=1&rows=1&board=weekly", older=True)
    expect(page.locator("#message, tbody tr").locator("visible=true")).to_have_count(1)
    clear = "it => getComputedStyle(it).backgroundColor"
    assert [page.locator(it).evaluate(clear) for it in ("html", "body", "main")] == ["rgba(0, 0, 0, 0)"] * 3
    assert page.locator("header").evaluate(clear) != "rgba(0, 0, 0, 0)"
    assert findings(page) == []


def test_board_that_there_is_not_is_told_in_words(windows: Windows, web: Process) -> None:
    windows.provoke("/top-scores")
    page = windows.open(f"{web.url}/embed?board=nope", locale="es")
    expect(page.locator("#message")).to_have_text("Este marcador no existe.")


def test_embed_says_when_its_board_stands_still(windows: Windows, web: Process, operator: Player) -> None:
    page = windows.open(f"{web.url}/embed?board=daily", locale="de")
    expect(page.locator("#state")).to_have_text("live")
    operator.http.post("/admin/boards/daily/freeze", json={"reason": "ceremony"})
    expect(page.locator("#state")).to_have_text("eingefroren")
    operator.http.post("/admin/boards/daily/thaw", json={"reason": "over"})
    expect(page.locator("#state")).to_have_text("live")
    operator.http.put("/admin/flags/broadcast", json={"enabled": False, "reason": "break"})
    expect(page.locator("#state")).to_have_text("angehalten")
    operator.http.put("/admin/flags/broadcast", json={"enabled": True, "reason": "over"})
    expect(page.locator("#state")).to_have_text("live")


def test_embed_of_a_service_that_wants_tokens_says_so(windows: Windows, service: Service) -> None:
    process = service.web(TOP_SCORES_AUTH="required")
    windows.provoke("/top-scores", "/boards")
    page = windows.open(f"{process.url}/embed")
    expect(page.locator("#message")).to_have_text("Only people who are signed in see this board.")
