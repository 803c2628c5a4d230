"""Sockets on several hosts at once: how many boards a second come out of all of them together."""

import select
import socket
import time
from collections.abc import Callable, Sequence

from bench.crowd import LOST, Frames
from bench.handshake import open_socket
from bench.hosts.fleet import WEB_PORT, Host
from bench.load import Caller
from bench.push import by_hand


def deliveries(hosts: Sequence[Host], caller: Caller, sockets: int, seconds: float, redis_url: str) -> float:
    """Send the next board as soon as all have the one before, `sockets` on each host; return deliveries a second.

    The sockets are made in the hosts' namespaces, without a wire: a proxy's CPU would be measured instead.
    """
    peers: list[socket.socket] = []
    poll = select.epoll()
    try:
        # On all hosts at once: nobody answers pings here, and a socket that was opened long ago would be dropped.
        opening = [
            host.namespace.begin(lambda: [open_socket(WEB_PORT, caller.token) for _ in range(sockets)])
            for host in hosts
        ]
        for opened in opening:
            peers += opened.result()
        crowd = _Crowd(peers, poll)
        crowd.hear_all(10)  # the board that each is sent first
        return _count(crowd, seconds, by_hand(redis_url, caller.user_id))
    finally:
        poll.close()
        for peer in peers:
            peer.close()


class _Crowd:
    """The sockets, and who of them has not heard of the last board; `heard` counts boards."""

    def __init__(self, peers: Sequence[socket.socket], poll: select.epoll) -> None:
        self._peers = {peer.fileno(): peer for peer in peers}
        self._poll = poll
        self._frames = Frames()
        self.waiting = set(self._peers)
        self.heard = 0
        for fd, peer in self._peers.items():
            peer.setblocking(False)
            poll.register(fd, select.EPOLLIN)

    def hear(self) -> bool:
        """Take what has come; False when nothing comes for long."""
        ready = self._poll.poll(LOST, len(self._peers))
        for fd, _ in ready:
            data = self._peers[fd].recv(65_536)
            if not data:
                raise ConnectionError("a web host closed a socket")
            if texts := self._frames.count(fd, data):
                self.heard += texts
                self.waiting.discard(fd)
        return bool(ready)

    def hear_all(self, within: float) -> None:
        """Wait until everybody has heard."""
        deadline = time.monotonic() + within
        while self.waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.waiting)} of {len(self._peers)} sockets hear nothing")
            self.hear()

    def wait_again(self) -> None:
        """Have everybody wait for the next board."""
        self.waiting = set(self._peers)


def _count(crowd: _Crowd, seconds: float, publish: Callable[[], object]) -> float:
    before = crowd.heard
    crowd.wait_again()
    publish()
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        if not crowd.hear() or not crowd.waiting:
            publish()
            crowd.wait_again()
    return (crowd.heard - before) / (now - began)
