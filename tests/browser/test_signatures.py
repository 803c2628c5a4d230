"""The client verifies what it is sent, in a browser: against the service, and against one that forges."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page
from websockets.sync.server import ServerConnection, serve

from app.domain.signing import Key, Signer
from tests.browser.windows import Windows
from tests.support.people import Player, unique
from tests.support.service import Process, Service

OLD, NEW, FOREIGN = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
EPOCH = "0190b5a0-0000-7000-8000-000000000000"
FOLLOW = """
async ({url, token, keys}) => {
  const { follow } = await import("/scoreboard.js");
  window.boards = [];
  window.states = [];
  window.reasons = [];
  window.live = follow(url, { token, keys });
  live.addEventListener("error", ({ code }) => reasons.push(code));
  live.subscribe((board, state) => {
    if (board && boards[boards.length - 1] !== board) boards.push(board);
    states.push(state);
  });
}
"""


def named(seed: bytes) -> str:
    return f"ed25519:{base64.b64encode(seed).decode()}"


def signed(seed: bytes, version: int, name: str = "mallory", score: int = 10) -> dict[str, Any]:
    rows = [{"userId": EPOCH, "username": name, "score": score, "rank": 1}]
    message = {"type": "top_scores_update", "board": "all-time", "epoch": EPOCH, "version": version}
    message = {**message, "payload": rows, "timestamp": "2026-01-01T00:00:00.000Z"}
    return Signer(Key("ed25519", seed)).sign(message)


@contextmanager
def sending(*frames: str) -> Iterator[str]:
    """Serve these frames to whoever connects, and give the address."""
    over = threading.Event()

    def handle(connection: ServerConnection) -> None:
        for frame in frames:
            connection.send(frame)
        over.wait(30)

    with serve(handle, "127.0.0.1", 0, subprotocols=["scoreboard.v1"]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        over.set()
        server.shutdown()
        thread.join(10)


def wait_for_name(page: Page, name: str) -> None:
    found = "(name) => boards.at(-1)?.payload.some((it) => it.username === name)"
    page.wait_for_function(found, arg=name, timeout=25_000)


def test_signed_boards_are_taken_and_a_rotated_key_is_asked_for(windows: Windows, service: Service) -> None:
    windows.provoke("/ws", "/top-scores")
    first = service.web(SIGNING_KEY=named(OLD))
    player = Player(first.url, unique("signed"))
    page = windows.open(first.url)
    page.evaluate(FOLLOW, {"url": "/", "token": player.token, "keys": "/.well-known/jwks.json"})
    page.wait_for_function("() => states.at(-1) === 'live'")
    before = page.evaluate("() => boards.at(-1).signature.keyId")
    assert before == Key("ed25519", OLD).key_id

    first.stop()
    service.web(port=first.port, SIGNING_KEY=named(NEW), SIGNING_KEYS_RETIRED=named(OLD))
    player.score()
    service.beat()
    service.worker(SIGNING_KEY=named(NEW), SIGNING_KEYS_RETIRED=named(OLD))
    wait_for_name(page, player.username)
    assert page.evaluate("() => boards.at(-1).signature.keyId") == Key("ed25519", NEW).key_id
    reasons = set(page.evaluate("() => reasons"))
    assert reasons <= {"unavailable"}  # said by a process that is stopping
    player.close()


def test_forged_message_is_dropped_with_a_notice(windows: Windows, web: Process) -> None:
    strange = 'é\u2028 "\\/<\u0001𝄞'
    forged = {**signed(OLD, 3), "version": 9}
    hmac = {**signed(OLD, 4), "signature": {**signed(OLD, 4)["signature"], "alg": "HMAC-SHA256"}}
    unsigned = signed(OLD, 2)
    del unsigned["signature"]
    no_base64 = {**signed(OLD, 5), "signature": {**signed(OLD, 5)["signature"], "value": "?"}}
    frames = [unsigned, forged, signed(FOREIGN, 6), hmac, no_base64, signed(OLD, 1, strange, 2**53 - 1)]
    keys = Signer(Key("ed25519", OLD)).jwks()
    page = windows.open(web.url, bypass_csp=True)
    with sending("{", *(json.dumps(it) for it in frames)) as url:
        page.evaluate(FOLLOW, {"url": url, "token": "any", "keys": keys})
        wait_for_name(page, strange)
        assert page.evaluate("() => boards.map((it) => it.version)") == [1]
        reasons = ["unreadable", "unsigned", "wrong-signature", "unknown-key", "unknown-key", "wrong-signature"]
        assert page.evaluate("() => reasons") == reasons
        page.evaluate("() => live.close()")


def test_messages_without_keys_are_not_verified(windows: Windows, web: Process) -> None:
    page = windows.open(web.url, bypass_csp=True)
    with sending(json.dumps(signed(FOREIGN, 7))) as url:
        page.evaluate(FOLLOW, {"url": url, "token": "any", "keys": None})
        wait_for_name(page, "mallory")
        page.evaluate("() => live.close()")
