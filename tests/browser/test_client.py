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


def test_client_follows_several_boards_and_changes_which(windows: Windows, web: Process) -> None:
    """Each has versions of its own, a new connection asks for what is followed by then, and a refusal is told."""
    page = windows.open(web.url)
    client(
        page,
        f"""window.sent = [];
        window.sockets = [];
        const board = (board, version, more) => JSON.stringify(
            {{ type: "top_scores_update", board, epoch: "{EPOCH}", version, payload: [], ...more }});
        class Open extends FakeSocket {{
          readyState = 1;
          onopened() {{ sockets.push(this); this.onopen(); this.onmessage({{ data: board("daily", 1) }}); }}
          send(text) {{ sent.push(text); }}
        }}
        window.told = [];
        window.hear = (data) => {{
          sockets.at(-1).onmessage({{ data }});
          return new Promise((heard) => setTimeout(heard));
        }};
        window.tell = (...about) => hear(board(...about));
        window.say = (message) => hear(JSON.stringify(message));
        window.live = connect({{ url: "/ws?board=daily&x=1", boards: ["daily", "all-time"], token: "any",
            WebSocket: Open,
            onBoard: (it) => told.push([it.board, it.version, it.period]),
            onOwn: (it) => told.push([it.board, "own", it.score]),
            onState: (state, info) => states.push([state, info.boards, info.refusal]) }});""",
    )
    page.wait_for_function("() => told.length === 1")
    assert page.evaluate("() => addresses") == [web.url.replace("http", "ws") + "/ws?x=1&board=daily&me=1"]
    page.evaluate("""async () => {
        await tell("all-time", 1);
        await tell("daily", 1);                              // not newer
        await tell("weekly", 9);                             // not followed
        await say({ type: "own_scores", board: "all-time", score: 5 });
        live.subscribe(["weekly", "daily", "nowhere"]);
        await tell("weekly", 9, { period: "2026-W48" });
        await say({ type: "refused", boards: ["nowhere"], code: "not-found" });
        live.unsubscribe(["all-time"]);
        await tell("all-time", 2);                           // on its way
        live.unsubscribe(["weekly"]);
        live.subscribe(["weekly"]);
        await tell("weekly", 9, { period: "2026-W48" });     // told again
    }""")
    assert page.evaluate("() => told") == [
        ["daily", 1, None],
        ["all-time", 1, None],
        ["all-time", "own", 5],
        ["weekly", 9, "2026-W48"],
        ["weekly", 9, "2026-W48"],
    ]
    asked = ['["all-time"]', '["weekly","nowhere"]', '["all-time"]', '["weekly"]', '["weekly"]']
    kinds = ["subscribe", "subscribe", "unsubscribe", "unsubscribe", "subscribe"]
    assert page.evaluate("() => sent") == [f'{{"{kind}":{ids}}}' for kind, ids in zip(kinds, asked, strict=True)]
    assert page.evaluate("() => states") == [
        ["connecting", None, None],
        ["live", None, None],
        ["refused", ["nowhere"], "not-found"],
    ]
    page.evaluate("() => { sent.length = 0; live.unsubscribe(['daily']); sockets.at(-1).onclose({ code: 1006 }); }")
    page.wait_for_function("() => sockets.length === 2")
    assert page.evaluate("() => addresses.at(-1)").endswith("/ws?x=1&board=weekly&me=1")
    page.evaluate("() => { live.unsubscribe(['weekly']); sockets.at(-1).onclose({ code: 1006 }); }")
    page.wait_for_function("() => sockets.length === 3")
    assert page.evaluate("() => [addresses.at(-1).endsWith('/ws?x=1&me=1'), sent.at(-1)]") == [
        True,
        '{"unsubscribe":["all-time"]}',
    ]
