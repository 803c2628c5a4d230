"""A balancer in front of two stores: new connections go where it points, and old ones stay where they are."""

import socket
import threading
from contextlib import suppress


class Balancer:
    """Listens on a port of its own, and passes what it gets on to `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Balancer":
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for it in (self._listener, *self._sockets):
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
            assert not thread.is_alive()
        for it in (self._listener, *self._sockets):
            it.close()

    def _begin(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="balancer")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self._sockets += [client, server]
                self._begin(self._pass, client, server)
                self._begin(self._pass, server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for it in (source, target):
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
