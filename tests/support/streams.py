"""Streams of Server-Sent Events: one way to open them, and what is read from them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.clock import now
from tests.support.sockets import Server, raw_peer

PATH = "/top-scores/stream"


class Event(NamedTuple):
    """One event, as a browser would hand it over, and `retry` besides."""

    name: str
    id: str | None
    data: str
    retry: str | None = None

    @property
    def json(self) -> dict[str, Any]:
        """The message that is its data."""
        return dict(json.loads(self.data))


class Stream:
    """The events of one connection, read without a client library: chunk by chunk, as they are sent."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self._read = self._text = b""
        self._chunks = True
        head, _, self._read = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> dict[str, Any]:
        """The body of a refusal."""
        length = int(self.headers["content-length"])
        while len(self._read) < length:
            self._more(10)
        return dict(json.loads(self._read[:length]))

    def next(self, *, within: float = 10.0) -> Event:
        """Read the next event.

        Raises:
            TimeoutError: when none has come by then.
            EOFError: when the stream has ended.
        """
        ends = now() + within
        while b"\n\n" not in self._text:
            if not self._chunks:
                raise EOFError
            self._chunk(ends)
        text, _, self._text = self._text.partition(b"\n\n")
        fields: dict[str, list[Any]] = {}
        for line in text.decode().split("\n"):
            name, _, value = line.partition(": ")
            fields.setdefault(name, []).append(value)
        (number,) = fields.get("id") or [None]
        (retry,) = fields.get("retry") or [None]
        (name,) = fields.get("event", ["message"])
        return Event(name, number, "\n".join(fields["data"]), retry)

    def update(self, *, within: float = 10.0) -> Event:
        """Read until a board comes."""
        return self._of("top_scores_update", within)

    def heartbeat(self, *, within: float = 10.0) -> dict[str, Any]:
        """Read until a heartbeat comes, and return its message."""
        return self._of("heartbeat", within).json

    def end(self, *, within: float = 10.0) -> Event:
        """Read until the stream ends, with the event that says why, and the connection with it."""
        ends = now() + within
        while (event := self.next(within=ends - now())).name != "end":
            pass
        while self._chunks:
            self._chunk(ends)
        self.peer.settimeout(max(0.01, ends - now()))
        assert self.peer.recv(1) == b"", "the connection is open"
        return event

    def _of(self, kind: str, within: float) -> Event:
        ends = now() + within
        while (event := self.next(within=ends - now())).json.get("type") != kind:
            pass
        return event

    def _chunk(self, ends: float) -> None:
        while b"\r\n" not in self._read:
            self._more(ends - now())
        size, _, rest = self._read.partition(b"\r\n")
        length = int(size, 16)
        while len(rest) < length + 2:
            self._more(ends - now())
            rest = self._read.partition(b"\r\n")[2]
        assert rest[length : length + 2] == b"\r\n"
        self._text, self._read = self._text + rest[:length], rest[length + 2 :]
        self._chunks = length > 0

    def _until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._more(10)
        return self._read

    def _more(self, within: float) -> None:
        self.peer.settimeout(max(0.01, within))
        received = self.peer.recv(65_536)
        if not received:
            raise EOFError
        self._read += received


@contextmanager
def streaming(
    server: Server,
    query: str = "",
    *,
    authorization: str | None = None,
    last: str | None = None,
    receive_buffer: int | None = None,
) -> Iterator[Stream]:
    """Open a stream; `last` is the header Last-Event-ID."""
    with raw_peer(server, receive_buffer=receive_buffer) as peer:
        headers = {"Authorization": authorization, "Last-Event-ID": last}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        peer.sendall(f"GET {PATH}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        yield Stream(peer)


def refused(server: Server, query: str = "", authorization: str | None = None) -> tuple[int, str]:
    """Try to open a stream, and return the status and code of the problem that refuses it."""
    with streaming(server, query, authorization=authorization) as stream:
        assert stream.headers["content-type"] == "application/problem+json"
        assert stream.body["status"] == stream.status
        assert stream.status not in (429, 503) or int(stream.headers["retry-after"]) > 0
        return stream.status, stream.body["code"]
