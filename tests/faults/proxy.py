"""A proxy in front of PostgreSQL that counts what is asked, and can lose a connection within its COMMIT."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import make_url

_COMMIT = b"COMMIT\0"
"""How a query ends that commits: with that alone, or after the transaction's last write."""
_WRITES_ACTIONS = re.compile(rb"UPDATE actions SET")

Cut = Literal["before", "after"]


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    deaf: bool = False
    writes: bool = False

    def cut(self) -> None:
        for it in (self.client, self.server):
            try:
                it.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # that side has gone already


class Proxy:
    """Listens on a port of its own; `queries` is everything that was asked through it.

    `cut_next(...)` loses the next connection that commits a write to `actions`: before the COMMIT has reached the
    server, or after that, when its answer does not reach the client.
    """

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url)
        assert url.port
        self._target = ("127.0.0.1", url.port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = url.set(port=self._listener.getsockname()[1]).render_as_string(hide_password=False)
        self.queries: list[bytes] = []
        self._connections: list[_Connection] = []
        self._cut: tuple[Cut, Callable[[], object]] | None = None
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Proxy":
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.cut()
        for thread in list(self._threads):
            thread.join(10)
            assert not thread.is_alive()

    def cut_next(self, where: Cut, then: Callable[[], object] = lambda: None) -> None:
        """Lose the next commit; `then` is called at once."""
        self._cut = where, then

    @property
    def has_cut(self) -> bool:
        """Whether that has happened."""
        return self._cut is None

    def asked(self, pattern: str, since: int = 0) -> int:
        """Count the queries that match, leaving out the first `since`."""
        return sum(1 for query in self.queries[since:] if re.search(pattern.encode(), query))

    def _begin(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            for it in (client, server):
                it.settimeout(None)
                it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(client, server)
            self._connections.append(connection)
            self._begin(self._forward, connection)
            self._begin(self._return, connection)

    def _forward(self, connection: _Connection) -> None:
        with connection.client:
            while data := _receive(connection.client):
                if data[:1] == b"Q":
                    self.queries.append(data)
                    connection.writes = connection.writes or _WRITES_ACTIONS.search(data) is not None
                if data.endswith(_COMMIT) and connection.writes:
                    connection.writes = False
                    if self._cuts(connection, data):
                        continue
                if not _send(connection.server, data):
                    break
            connection.cut()

    def _cuts(self, connection: _Connection, data: bytes) -> bool:
        with self._lock:
            cut, self._cut = self._cut, None
        if cut is None:
            return False
        where, then = cut
        if where == "after":
            connection.deaf = True
            _send(connection.server, data)
        else:
            connection.cut()
        then()
        return True

    def _return(self, connection: _Connection) -> None:
        with connection.server:
            while data := _receive(connection.server):
                if connection.deaf or not _send(connection.client, data):
                    break
            connection.cut()


def _receive(it: socket.socket) -> bytes:
    try:
        return it.recv(65536)
    except OSError:
        return b""


def _send(it: socket.socket, data: bytes) -> bool:
    try:
        it.sendall(data)
    except OSError:
        return False
    return True
