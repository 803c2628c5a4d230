"""Sockets on several hosts at once: how many boards a second come out of all of them together."""

import select
import socket
import time
from collections.abc import Sequence

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
    poll, frames = select.epoll(), Frames()
    try:
        for host in hosts:
            peers += host.namespace.run(lambda: [open_socket(WEB_PORT, caller.token) for _ in range(sockets)])
        by_fd = {peer.fileno(): peer for peer in peers}
        for fd, peer in by_fd.items():
            peer.setblocking(False)
            poll.register(fd, select.EPOLLIN)
        while ready := poll.poll(LOST, len(by_fd)):  # the board that each is sent first
            for fd, _ in ready:
                frames.count(fd, by_fd[fd].recv(65_536))
        return _count(by_fd, poll, frames, seconds, caller, redis_url)
    finally:
        poll.close()
        for peer in peers:
            peer.close()


def _count(
    by_fd: dict[int, socket.socket],
    poll: select.epoll,
    frames: Frames,
    seconds: float,
    caller: Caller,
    redis_url: str,
) -> float:
    publish = by_hand(redis_url, caller.user_id)
    found, waiting = 0, set(by_fd)
    publish()
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        ready = poll.poll(LOST, len(by_fd))
        for fd, _ in ready:
            if texts := frames.count(fd, by_fd[fd].recv(65_536)):
                found += texts
                waiting.discard(fd)
        if not waiting or not ready:
            publish()
            waiting = set(by_fd)
    return found / (now - began)
