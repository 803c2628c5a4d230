"""Webhooks without a database: what is written for whom, when a failure is tried again, and where they may go."""

import json
import socket
import threading
import time
from typing import Any

import pytest

from app.domain.errors import Malformed
from app.domain.webhook_messages import body
from app.domain.webhooks import LONGEST_DELAY, check_url, delay, host_of
from app.outgoing import post
from app.outgoing.checked import CheckedConnection, PrivateAddress
from app.outgoing.post import Outcome
from tests.support.receiver import Receiver, status

BOARD: dict[str, Any] = {
    "board": "weekly",
    "period": "2026-W48",
    "epoch": "e",
    "version": 3,
    "payload": [
        {"userId": "1", "username": "ann", "displayName": "*Ann* <@everyone> & [x](y)", "score": 20, "rank": 1},
        {"userId": "2", "username": "ben_b", "score": 10, "rank": 2},
    ],
    "timestamp": "2026-11-28T12:00:00.000Z",
}


def test_body_is_the_envelope_of_standard_webhooks() -> None:
    written = json.loads(body("top10.changed", BOARD["timestamp"], BOARD, None, service="Quiz"))
    assert written == {"type": "top10.changed", "timestamp": BOARD["timestamp"], "data": BOARD}


def test_body_for_discord_calls_nobody_and_has_no_marks_of_players() -> None:
    written = json.loads(body("top10.changed", "", BOARD, "discord", service="Quiz"))
    assert written == {
        "content": r"Quiz: the board weekly 2026\-W48 has changed: "
        r"1. \*Ann\* \<\@everyone\> & \[x\]\(y\) 20, 2. ben\_b 10",
        "allowed_mentions": {"parse": []},
    }


def test_body_for_slack_has_no_marks_of_players() -> None:
    text = json.loads(body("period.closed", "", BOARD, "slack", service="Quiz"))["text"]
    assert text.startswith("Quiz: weekly 2026-W48 is over: 1. *\u200bAnn*\u200b &lt;@\u200beveryone&gt; &amp; [x]")


@pytest.mark.parametrize("template", ["discord", "slack"])
def test_every_event_has_a_sentence(template: Any) -> None:
    player = {"userId": "1", "username": "mallory", "actionId": "2", "rule": "velocity", "bySystem": True}
    for event, data in {
        "top10.changed": BOARD | {"payload": [], "frozen": True},
        "period.closed": BOARD,
        "action.held": player,
        "user.suspended": player,
        "webhook.test": {},
    }.items():
        text = str(json.loads(body(event, "", data, template, service="Quiz")))
        assert "Quiz: " in text
        assert ("mallory" in text) is (data is player)
    many = BOARD | {"payload": [BOARD["payload"][0] | {"displayName": "x" * 500}] * 10}
    assert len(json.loads(body("top10.changed", "", many, "discord", service="Quiz"))["content"]) < 2000


def test_delay_grows_to_an_hour_and_heeds_the_receiver() -> None:
    assert [delay(it) for it in (1, 2, 3, 4, 5, 6, 60)] == [5, 30, 120, 600, 1800, 3600, 3600]
    assert (delay(1, asked=90), delay(4, asked=1), delay(1, asked=1e9)) == (90, 600, LONGEST_DELAY)


def test_check_url_tells_nothing_of_the_address() -> None:
    secret = "https://user:s3cret@example.com/hooks/s3cret"
    with pytest.raises(Malformed) as refused:
        check_url(secret, private_addresses=True)
    assert "s3cret" not in refused.value.detail
    assert host_of(secret) == "example.com"
    check_url("https://discord.com/api/webhooks/1/abc?wait=true", private_addresses=False)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let a name have other addresses each time that it is resolved; return what is connected to."""
    left = list(answers)
    connected: list[str] = []

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (it, 443)) for it in left.pop(0)]

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


def test_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    # A name that would lead into the private network when it is asked a second time: it isn't.
    connected = resolving(monkeypatch, ["10.0.0.1", "93.184.215.14"], ["127.0.0.1"])
    connection = CheckedConnection("https://rebind.example/", private_network=False, patience=1)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()
    assert connected == ["93.184.215.14"]
    with pytest.raises(PrivateAddress):
        connection.connect()
    assert connected == ["93.184.215.14"]


def test_post_gives_up_on_an_answer_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "PATIENCE", 0.4)
    over = threading.Event()

    def drip(handler: Any) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not over.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            pass

    with Receiver() as receiver:
        receiver.answer = drip
        began = time.monotonic()
        assert post.post(receiver.url, b"{}", {}, private_network=True) == Outcome(None, "took too long")
        assert time.monotonic() - began < 30
        over.set()


def test_post_tells_what_was_answered_and_nothing_of_the_receiver() -> None:
    with Receiver() as receiver:
        receiver.answer = status(429, Retry_After="7")
        assert post.post(receiver.url, b"{}", {}, private_network=True) == Outcome(429, "answered 429", 7)
        receiver.answer = status(503, Retry_After="tomorrow")
        assert post.post(receiver.url, b"{}", {}, private_network=True) == Outcome(503, "answered 503", None)
        receiver.answer = status(200)
        assert post.post(receiver.url, b"{}", {}, private_network=True).taken
    gone = post.post(receiver.url, b"{}", {}, private_network=True)
    assert (gone.status, gone.error) == (None, "no answer (ConnectionRefusedError)")
