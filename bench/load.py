"""A load generator: raw sockets, prepared bytes, one process. `python -m bench.load PLAN.json` prints a `Result`."""

import resource
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

LATE = 30.0
"""Seconds that open requests are waited for at the end."""

RETRY_AFTER = 1.0
"""Seconds: what every 503 must say."""


class Caller(msgspec.Struct, frozen=True):
    """A player who plays: the id, a token, and the address that a trusted proxy would tell."""

    user_id: str
    token: str
    address: str


class Plan(msgspec.Struct, frozen=True):
    """What to send: `kind` is "pairs", "puts" (of `actions`, ids by caller), "reports" or "get" (of `path`).

    A "get" goes with the callers' tokens, in turn, if there are any, and asks for what is newer than `etag`.

    "reports-once" are reports that each have an idempotency key, which begins with `prefix`.

    A run ends after `seconds`, or when `actions` have run out. `shed` lets 503 pass, after which a connection asks
    again at once or, if it is `patient`, when Retry-After says. Anything else that is not expected ends the run with an
    error.
    """

    kind: str
    port: int
    connections: int
    seconds: float
    callers: list[Caller] = []
    actions: list[tuple[int, str]] = []
    path: str = "/top-scores"
    shed: bool = False
    patient: bool = False
    prefix: str = ""
    etag: str = ""


class Result(msgspec.Struct):
    """What came of it: `done` units of work in `seconds`, latencies in seconds of each request by
    method, and of those that were shed."""

    done: int
    seconds: float
    cpu_seconds: float
    statuses: dict[str, int]
    latencies: dict[str, list[float]]
    completed: list[str]
    shed_without_retry_after: int = 0

    @property
    def per_second(self) -> float:
        return self.done / self.seconds


class _Connection:
    """One connection with one request under way; `steps` makes the next request out of the last answer."""

    __slots__ = ("method", "received", "sent_at", "socket", "steps")

    def __init__(self, port: int, steps: "_Steps") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.steps = steps
        self.received = b""
        self.method = ""
        self.sent_at = 0.0

    def send(self, method: str, request: bytes) -> None:
        self.method, self.received, self.sent_at = method, b"", time.perf_counter()
        assert self.socket.send(request) == len(request)

    def answer(self) -> bytes | None:
        """Read; give the answer once it is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.received += data
        head, ended, body = self.received.partition(b"\r\n\r\n")
        if not ended:
            return None
        if head.startswith(b"HTTP/1.1 304"):
            return self.received
        start = head.find(b"ontent-length: ") + 15
        if len(body) < int(head[start : head.find(b"\r", start) if b"\r" in head[start:] else None]):
            return None
        return self.received


_Steps = Iterator[tuple[str, bytes]]


class _Run:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.latencies: dict[str, list[float]] = {"POST": [], "PUT": [], "GET": [], "shed": []}
        self.statuses: Counter[str] = Counter()
        self.completed: list[str] = []
        self.done = 0
        self.reported = 0
        self.without_retry_after = 0
        self.over = False
        self.open_requests = 0
        self.last_answer = b""
        self.resting: deque[tuple[float, _Connection]] = deque()
        self.idle_callers = deque(range(len(plan.callers)))

    def steps(self) -> _Steps:
        """Return the requests of one connection, one after the other; `last_answer` is the answer to the one before."""
        plan = self.plan
        if plan.kind == "get":
            while not self.over:
                self.gets.rotate(-1)
                yield "GET", self.gets[0]
                self.done += 1
        elif plan.kind == "puts":
            waiting = self.waiting
            while waiting and not self.over:
                place, action_id = waiting.pop()
                yield "PUT", self.prepared[place][1].replace(b"ACTION", action_id.encode(), 1)
                self._count(action_id)
        elif plan.kind in ("reports", "reports-once"):
            while not self.over:
                place = self.idle_callers.popleft()
                self.idle_callers.append(place)
                yield "POST", self._report(place)
                self._count(action_of(self.last_answer))
        else:
            while not self.over:
                place = self.idle_callers.popleft()
                post, put, _ = self.prepared[place]
                yield "POST", post
                answer = self.last_answer
                if answer.startswith(b"HTTP/1.1 201"):
                    action = action_of(answer)
                    yield "PUT", put.replace(b"ACTION", action.encode(), 1)
                    self._count(action)
                self.idle_callers.append(place)

    def _report(self, place: int) -> bytes:
        report = self.prepared[place][2]
        if self.plan.kind == "reports":
            return report
        self.reported += 1
        key = f"Idempotency-Key: {self.plan.prefix}-{self.reported}\r\nContent-Type"
        return report.replace(b"Content-Type", key.encode(), 1)

    def _count(self, action_id: str) -> None:
        if self.last_answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            self.done += 1
            self.completed.append(action_id)

    def take(self, connection: _Connection, answer: bytes) -> None:
        status = answer[9:12]
        self.statuses[status.decode()] += 1
        shed = status == b"503"
        self.latencies["shed" if shed else connection.method].append(time.perf_counter() - connection.sent_at)
        if status not in (b"200", b"201", b"304"):
            if not (self.plan.shed and shed):
                raise RuntimeError(f"unexpected: {answer.decode(errors='replace')}")
            self.without_retry_after += b"\r\nretry-after: 1\r\n" not in answer.lower()
        if shed and self.plan.patient:
            self.resting.append((time.perf_counter() + RETRY_AFTER, connection))
        else:
            self.go_on(connection)

    def go_on(self, connection: _Connection) -> None:
        self.last_answer = connection.received
        if next_step := next(connection.steps, None):
            connection.send(*next_step)
            self.open_requests += 1

    def run(self) -> Result:
        self.prepared = [requests_of(caller) for caller in self.plan.callers]
        self.waiting = list(self.plan.actions)
        self.gets = deque(gets_of(self.plan))
        connections = [_Connection(self.plan.port, self.steps()) for _ in range(self.plan.connections)]
        by_fd = {connection.socket.fileno(): connection for connection in connections}
        poll = select.epoll()
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        began_cpu = cpu()
        began = time.perf_counter()
        for connection in connections:
            self.go_on(connection)
        end = began + self.plan.seconds
        while self.open_requests or (self.resting and not self.over):
            now = time.perf_counter()
            self.over = now >= end
            if now > end + LATE:
                raise TimeoutError(f"{self.open_requests} requests were never answered")
            while self.resting and self.resting[0][0] <= now and not self.over:
                self.go_on(self.resting.popleft()[1])
            for fd, _ in poll.poll(0.01 if self.resting else 1.0):
                connection = by_fd[fd]
                if (answer := connection.answer()) is not None:
                    self.open_requests -= 1
                    self.take(connection, answer)
        seconds = time.perf_counter() - began
        cpu_seconds = cpu() - began_cpu
        for connection in connections:
            connection.socket.close()
        return Result(
            done=self.done,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            statuses=dict(self.statuses),
            latencies=self.latencies,
            completed=self.completed,
            shed_without_retry_after=self.without_retry_after,
        )


def cpu() -> float:
    """Return the seconds of CPU that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def action_of(answer: bytes) -> str:
    """Return the id of the action in an answer that has one."""
    start = answer.index(b'"actionId":"') + 12
    return answer[start : start + 36].decode()


def requests_of(caller: Caller) -> tuple[bytes, bytes, bytes]:
    """Return a caller's POST, the PUT with ACTION where the action's id goes, and a report."""
    head = (
        f"HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {caller.token}\r\nX-Forwarded-For: {caller.address}\r\n"
        "Content-Type: application/json\r\n"
    )
    path = f"/users/{caller.user_id}/actions"
    started, completed = '{"status":"started"}', '{"status":"completed"}'
    post = f"POST {path} {head}Content-Length: {len(started)}\r\n\r\n{started}"
    put = f"PUT {path}/ACTION {head}Content-Length: {len(completed)}\r\n\r\n{completed}"
    report = f"POST {path} {head}Content-Length: {len(completed)}\r\n\r\n{completed}"
    return post.encode(), put.encode(), report.encode()


def gets_of(plan: Plan) -> list[bytes]:
    """Return the requests of a "get": one, or one with each caller's token."""
    condition = f"If-None-Match: {plan.etag}\r\n" if plan.etag else ""
    tokens = [f"Authorization: Bearer {caller.token}\r\n" for caller in plan.callers]
    return [f"GET {plan.path} HTTP/1.1\r\nHost: bench\r\n{it}{condition}\r\n".encode() for it in tokens or [""]]


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value under which `share` of all lie."""
    ordered: Sequence[float] = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """Run the plan of the file that is named, with as many sockets as we may open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(_Run(plan).run()))


if __name__ == "__main__":
    main()
