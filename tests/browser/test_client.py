"""scoreboard.js in a browser: as a page of the service imports it, or one of another origin."""

from playwright.sync_api import Page

from tests.browser.test_signatures import EPOCH
from tests.browser.windows import Windows
from tests.support.service import Process, Service

# Like React Native's, it takes text alone.
FAKE = """
window.sockets = [];
window.FakeSocket = class {
  constructor(address) {
    if (typeof address !== "string") throw new TypeError("not text");
    this.address = address;
    sockets.push(this);
  }
  close() {}
};
"""


def client(page: Page, script: str) -> None:
    page.evaluate(f"() => {{ {FAKE} }}")
    page.evaluate(f"""async () => {{
        const {{ follow }} = await import("/scoreboard.js");
        {script}
    }}""")
    page.wait_for_function("() => sockets.length > 0")


def test_client_resolves_a_relative_address(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    for options, asked in (("board: 'daily'", "/ws?board=daily&state=1"), ("", "/ws?state=1")):
        client(page, f"""follow("/", {{ token: "any", WebSocket: FakeSocket, {options} }});""")
        assert page.evaluate("() => sockets[0].address") == web.url.replace("http", "ws") + asked


def test_client_reports_a_mistake_in_a_callback_and_goes_on(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    client(
        page,
        """window.mistakes = [];
        window.versions = [];
        window.reportError = (error) => mistakes.push(error.message);
        const board = follow("/", { token: "any", WebSocket: FakeSocket });
        board.subscribe((value) => {
          if (!value) return;
          versions.push(value.version);
          throw new Error("no " + value.version);
        });""",
    )
    page.evaluate(
        """(epoch) => {
        const about = { type: "top_scores_update", epoch, payload: [] };
        for (const version of [1, 2]) sockets[0].onmessage({ data: JSON.stringify({ ...about, version }) });
    }""",
        EPOCH,
    )
    page.wait_for_function("() => mistakes.length === 2")
    assert page.evaluate("() => [versions, mistakes]") == [[1, 2], ["no 1", "no 2"]]


def test_page_of_another_origin_imports_and_follows(windows: Windows, service: Service, web: Process) -> None:
    """It is a spectator there, once that service names its origin."""
    other = service.web(ALLOWED_ORIGINS=web.url)
    page = windows.open(web.url, bypass_csp=True, beside=(other.url,))
    seen = page.evaluate(
        """async (url) => {
          const { follow } = await import(`${url}/scoreboard.js`);
          const board = follow(url);
          for await (const { type } of board) return [type, board.state, board.via];
        }""",
        other.url,
    )
    assert seen == ["top_scores_update", "live", "stream"]
