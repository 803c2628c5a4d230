"""Measures how long a board takes to open sockets: `python -m bench.push PLAN.json` prints each delivery's seconds.

Either players complete actions (from the PUT's first byte to each socket's message), or, as the reference, messages are
published to Redis by hand and go through the same sockets.
"""

import contextlib
import re
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import redis
import sqlalchemy as sa

from app.board.publish import read
from app.domain import board_rules
from app.domain.ids import DEFAULT_BOARD
from bench.handshake import open_socket
from bench.load import Caller, cpu, requests_of
from config import rules, settings
from db import engine
from db.redis import TOP_SCORES_CHANNEL

Sent = tuple[int, float]
"""A score to be seen, and when its message was sent."""


class PushPlan(msgspec.Struct, frozen=True):
    """So many sockets, and so many boards a second; with `redis_url` they are published by hand."""

    port: int
    caller: Caller
    sockets: int
    rate: float
    seconds: float
    redis_url: str = ""


class Pushed(msgspec.Struct):
    """The seconds of each delivery, the boards that were sent, our seconds of CPU and our share of a core."""

    latencies: list[float]
    sent: int
    cpu_seconds: float
    cpu_share: float


class _Sockets:
    def __init__(self, plan: PushPlan) -> None:
        self.score = re.compile(rb'"userId":"' + plan.caller.user_id.encode() + rb'","username":"[^"]*","score":(\d+)')
        self.poll = select.epoll()
        self.by_fd: dict[int, socket.socket] = {}
        self.seen: dict[int, int] = {}
        for _ in range(plan.sockets):
            peer = open_socket(plan.port, plan.caller.token)
            peer.setblocking(False)
            self.by_fd[peer.fileno()] = peer
            self.seen[peer.fileno()] = 0
            self.poll.register(peer.fileno(), select.EPOLLIN)

    def scores(self, timeout: float) -> list[tuple[int, int]]:
        """Wait for messages; give (socket, score) of those that show a new one."""
        found = []
        for fd, _ in self.poll.poll(timeout):
            data = self.by_fd[fd].recv(65_536)
            if not data:
                raise ConnectionError("the server closed a socket")
            scores = self.score.findall(data)
            if scores and int(scores[-1]) != self.seen[fd]:
                self.seen[fd] = int(scores[-1])
                found.append((fd, self.seen[fd]))
        return found


def run(plan: PushPlan) -> Pushed:
    """Send boards at the plan's rate, and give the seconds until each socket had each."""
    sockets = _Sockets(plan)
    number = int(plan.rate * plan.seconds)
    send = by_hand(plan.redis_url, plan.caller.user_id) if plan.redis_url else _by_completing(plan, number)
    sent: dict[int, float] = {}
    latencies: list[float] = []
    began, began_cpu = time.perf_counter(), cpu()
    due = began + 0.5
    while len(sent) < number or time.perf_counter() < due + 1.0:
        now = time.perf_counter()
        if len(sent) < number and now >= due:
            due += 1 / plan.rate
            score, at = send()
            sent[score] = at
        until_next = due - time.perf_counter() if len(sent) < number else 0.05
        for _, score in sockets.scores(max(0.0, min(0.05, until_next))):
            if score in sent:
                latencies.append(time.perf_counter() - sent[score])
    spent = cpu() - began_cpu
    return Pushed(latencies, len(sent), spent, spent / (time.perf_counter() - began))


def _by_completing(plan: PushPlan, number: int) -> Callable[[], Sent]:
    """Start actions; each call completes one, without waiting for the answer, and gives the score to be seen."""
    http = socket.create_connection(("127.0.0.1", plan.port), timeout=10)
    post, put, _ = requests_of(plan.caller)
    actions = []
    for _ in range(number + 1):
        http.sendall(post)
        answer = http.recv(65_536)
        start = answer.index(b'"actionId":"') + 12
        actions.append(answer[start : start + 36])
    http.sendall(put.replace(b"ACTION", actions.pop(), 1))
    found = re.search(rb'"totalScore":(\d+)', http.recv(65_536))
    assert found
    total = int(found[1])
    http.setblocking(False)

    def complete() -> Sent:
        nonlocal total
        with contextlib.suppress(BlockingIOError):
            http.recv(65_536)  # the answer before
        at = time.perf_counter()
        http.send(put.replace(b"ACTION", actions.pop(), 1))
        total += 10
        return total, at

    time.sleep(1.5)
    return complete


_NEXT_BOARD = sa.text("""
    WITH scored AS (
        UPDATE top_scores SET score = score + 1 WHERE board_id = :board AND user_id = :user RETURNING score
    )
    UPDATE boards SET version = version + 1, updated_at = clock_timestamp() FROM scored WHERE id = :board
    RETURNING scored.score
""")


def by_hand(redis_url: str, user_id: str) -> Callable[[], Sent]:
    """Return what writes a newer board into the database and publishes it, without any of the service's transactions.

    Into the database, since the service shows no board for long that it doesn't find there.
    """
    client = redis.Redis.from_url(redis_url)
    config = settings.load_or_exit()
    database = engine.connect(config.database_url, engine.OPERATOR, pool_size=2, name="bench")
    rule = board_rules.parse(rules.read(config.boards_file))[DEFAULT_BOARD]
    conn = database.connect().execution_options(isolation_level="AUTOCOMMIT")

    def publish() -> Sent:
        score = int(conn.execute(_NEXT_BOARD, {"board": DEFAULT_BOARD, "user": user_id}).scalar_one())
        message = read(database, rule).text
        at = time.perf_counter()
        client.publish(TOP_SCORES_CHANNEL, message)
        return score, at

    return publish


if __name__ == "__main__":
    found = run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=PushPlan))
    sys.stdout.buffer.write(msgspec.json.encode(found))
