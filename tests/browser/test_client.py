"""scoreboard.js as others use it: with a WebSocket of their own, and with mistakes in what they give it."""

from playwright.sync_api import Page

from tests.browser.test_signatures import EPOCH
from tests.browser.windows import Windows
from tests.support.service import Process

# Like `ws` in Node, it throws for an error that nobody hears; like React Native's, it takes text alone.
FAKE = """
window.addresses = [];
window.FakeSocket = class {
  constructor(address) {
    if (typeof address !== "string") throw new TypeError("not text");
    addresses.push(address);
    setTimeout(() => this.onopened());
  }
  onopened() {
    if (!this.onerror) throw new Error("Unhandled error event");
    this.onclose({ code: 1006 });
  }
  close() {}
};
"""


def client(page: Page, script: str) -> None:
    page.evaluate(f"() => {{ {FAKE} }}")
    page.evaluate(f"""async () => {{
        const {{ connect }} = await import("/scoreboard.js");
        window.states = [];
        {script}
    }}""")


def test_client_survives_a_refused_connection_of_ws(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    client(
        page,
        """connect({ url: new URL("HTTPS://scores.example/ws"), token: "any", WebSocket: FakeSocket, onBoard() {},
            onState: (state) => states.push(state) });""",
    )
    page.wait_for_function("() => states.includes('reconnecting')")
    assert page.evaluate("() => addresses[0]") == "wss://scores.example/ws"


def test_client_resolves_a_relative_address(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    for options, asked in (("onBoard() {}", "/ws"), ("onBoard() {}, onOwn() {}", "/ws?me=1")):
        client(page, f"""connect({{ url: "/ws", token: "any", WebSocket: FakeSocket, {options} }});""")
        page.wait_for_function("() => addresses.length > 0")
        assert page.evaluate("() => addresses[0]") == web.url.replace("http", "ws") + asked


def test_client_is_closed_from_its_first_state(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    client(
        page,
        """const live = connect({ url: "/ws", token: "any", WebSocket: FakeSocket, onBoard() {},
            onState: (state) => { states.push(state); live.close(); } });""",
    )
    page.wait_for_function("() => states.length === 1")
    assert page.evaluate("() => [states, addresses]") == [["connecting"], []]


def test_client_reports_a_mistake_in_a_callback_and_goes_on(windows: Windows, web: Process) -> None:
    page = windows.open(web.url)
    client(
        page,
        f"""window.mistakes = [];
        window.reportError = (error) => mistakes.push(error.message);
        const about = {{ type: "top_scores_update", epoch: "{EPOCH}", payload: [] }};
        const board = (version) => JSON.stringify({{ ...about, version }});
        class Telling extends FakeSocket {{
          onopened() {{ this.onmessage({{ data: board(1) }}); this.onmessage({{ data: board(2) }}); }}
        }}
        connect({{ url: "/ws", token: "any", WebSocket: Telling,
            onBoard: (board) => {{ states.push(board.version); throw new Error("no " + board.version); }} }});""",
    )
    page.wait_for_function("() => states.length === 2")
    page.wait_for_function("() => mistakes.length === 2")
    assert page.evaluate("() => [states, mistakes]") == [[1, 2], ["no 1", "no 2"]]
