"""A receiver of webhooks, in threads of the test's own: it takes, fails, hangs and lies as it is told."""

import http.server
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from standardwebhooks import Webhook


class Received(NamedTuple):
    """A message: its id, the headers (in small letters), and the body."""

    id: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def verified(self, secret: str) -> dict[str, Any]:
        """Return the body as a receiver does that checks its signature."""
        return dict(Webhook(secret).verify(self.body, self.headers))


Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]
"""What writes an answer; the message was noted before."""


def status(code: int, **headers: str) -> Answer:
    """Answer with a status."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Receiver:
    """Notes what comes, and answers as `answer` says: 204 until it is set."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = status(204)
        self.over = threading.Event()
        """Set at the end: what hangs waits for it."""
        receiver = self

        class _Handler(Handler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(headers.get("webhook-id", ""), headers, body))
                receiver.answer(self)

            def do_GET(self) -> None:
                receiver.received.append(Received("GET", {}, b""))
                status(204)(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="receiver", kwargs={"poll_interval": 0.05}
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/s3cret"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of what came of one kind, in the order in which it came."""
        return [it.json["data"] for it in self.received if it.body and it.json.get("type") == kind]
