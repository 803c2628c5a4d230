"""Counts deliveries: `python -m bench.crowd PLAN.json` opens sockets, and has the next board sent when all have one.

The boards are published to Redis by hand; or, as the reference, a socket says them and a bare loop repeats them.
"""

import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import redis

from bench.handshake import open_socket, open_stream
from bench.load import Caller, cpu
from bench.push import by_hand
from db.redis import top_scores_key

LOST = 0.5
"""Seconds without any message after which the next board goes out: the service may have skipped one for a newer one."""


class CrowdPlan(msgspec.Struct, frozen=True):
    """So many sockets of a caller for so long; `process` serves them, and with `bare` one of them is the publisher.

    Each follows `boards` besides the one that it is opened for. With `streams` they are streams instead.
    """

    port: int
    process: int
    caller: Caller
    sockets: int
    seconds: float
    redis_url: str
    bare: bool
    boards: tuple[str, ...] = ()
    streams: bool = False


class Crowd(msgspec.Struct):
    """How many messages came in how long, the memory that a socket took in the server (bytes), our share of a core."""

    deliveries: int
    seconds: float
    memory: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.deliveries / self.seconds


class Frames:
    """Cuts what the sockets receive into frames, and counts those with text."""

    def __init__(self) -> None:
        self._rest: dict[int, bytes] = {}

    def count(self, fd: int, data: bytes) -> int:
        data = self._rest.pop(fd, b"") + data
        texts, at = 0, 0
        while len(data) - at >= 4:
            short = data[at + 1]
            end = at + (4 + int.from_bytes(data[at + 2 : at + 4]) if short == 126 else 2 + short)
            if end > len(data):
                break
            texts += data[at] == 0x81
            at = end
        if at < len(data):
            self._rest[fd] = data[at:]
        return texts


class _Events:
    """Cuts what the streams receive into chunks, and counts those with the event of a board."""

    def __init__(self) -> None:
        self._rest: dict[int, bytes] = {}

    def count(self, fd: int, data: bytes) -> int:
        data = self._rest.pop(fd, b"") + data
        boards, at = 0, 0
        while (begin := data.find(b"\r\n", at) + 2) > 1:
            end = begin + int(data[at : begin - 2], 16) + 2
            if end > len(data):
                break
            boards += data.startswith(b"id: ", begin)
            at = end
        if at < len(data):
            self._rest[fd] = data[at:]
        return boards


def run(plan: CrowdPlan) -> Crowd:
    """Send boards to all sockets, one after the other, and count what arrives."""
    first = _open(plan)  # what is imported and made once is no socket's memory
    time.sleep(0.5)
    before = resident(plan.process)
    sockets = [first, *(_open(plan) for _ in range(plan.sockets))]
    publish = _by_saying(plan, first) if plan.bare else by_hand(plan.redis_url, plan.caller.user_id)
    frames = _Events() if plan.streams else Frames()
    poll, by_fd = select.epoll(), {peer.fileno(): peer for peer in sockets}
    for fd, peer in by_fd.items():
        peer.setblocking(False)
        poll.register(fd, select.EPOLLIN)
    time.sleep(0.5)
    for fd, _ in poll.poll(0, 2 * len(by_fd)):
        frames.count(fd, by_fd[fd].recv(65_536))  # the board that each is sent first
    deliveries, waiting = 0, set(by_fd)
    publish()
    began, began_cpu = time.perf_counter(), cpu()
    while time.perf_counter() < began + plan.seconds:
        ready = poll.poll(LOST, len(by_fd))
        for fd, _ in ready:
            texts = frames.count(fd, by_fd[fd].recv(65_536))
            if texts:
                deliveries += texts
                waiting.discard(fd)
        if not waiting or not ready:
            publish()
            waiting = set(by_fd)
    seconds, cpu_seconds = time.perf_counter() - began, cpu() - began_cpu
    return Crowd(deliveries, seconds, (resident(plan.process) - before) / plan.sockets, cpu_seconds)


def _open(plan: CrowdPlan) -> socket.socket:
    if plan.streams:
        return open_stream(plan.port)
    peer = open_socket(plan.port, plan.caller.token)
    if plan.boards:
        peer.sendall(_masked(msgspec.json.encode({"subscribe": plan.boards})))
    return peer


def _masked(text: bytes) -> bytes:
    """Return a client's frame, masked with zeros."""
    size = bytes([128 + len(text)]) if len(text) < 126 else bytes([128 + 126]) + len(text).to_bytes(2)
    return b"\x81" + size + b"\0\0\0\0" + text


def _by_saying(plan: CrowdPlan, peer: socket.socket) -> Callable[[], object]:
    """Send what is in Redis through the first socket."""
    board = redis.Redis.from_url(plan.redis_url).get(top_scores_key("all-time"))
    assert isinstance(board, bytes)
    frame = _masked(board)
    return lambda: peer.send(frame)


def resident(process: int) -> int:
    """Return the memory of a process that is in RAM, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    found = run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=CrowdPlan))
    sys.stdout.buffer.write(msgspec.json.encode(found))
