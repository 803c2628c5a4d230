"""Sockets in numbers: many that never read, and very many that come back at once."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.access.tokens import Tokens
from app.domain.ids import UserId, new_id
from config.settings import DEVELOPMENT_SECRET
from tests.faults.aftermath import Aftermath
from tests.faults.crowd import Member, until
from tests.faults.proxy import PostgresProxy
from tests.support.clock import now
from tests.support.live import award, clear
from tests.support.people import listener
from tests.support.service import Process, Service, Stores
from tests.support.sockets import raw_peer, reset, upgrade
from tests.support.streams import PATH, streaming

BLOCKED = 100
MANY = 2000
DROPPED_WITHIN = 45.0
"""Seconds after which a socket that never reads has to be gone. Source: contract, section 6."""

ROOM: Any = {"WS_MAX_PER_IP": "10000", "WS_MAX_PER_USER": "10000"}

Healed = Callable[[str, float], None]


def memory(process: Process) -> float:
    """Return a process's resident memory in MB."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


@contextmanager
def blocked(web: Process, token: str) -> Iterator[list[socket.socket]]:
    """Open sockets whose peers never read what they are sent."""
    peers = []
    try:
        for _ in range(BLOCKED):
            peer = raw_peer(web, receive_buffer=4096)
            peers.append(peer)
            peer.sendall(upgrade(token))
        yield peers
    finally:
        for peer in peers:
            reset(peer)


async def latencies(stores: Stores, members: list[Member], user_id: UserId, seconds: float) -> list[float]:
    """Move the board seven times a second, and give how long each move took to each member."""
    sent: dict[tuple[str, int], float] = {}
    ends = now() + seconds
    while (moment := now()) < ends:
        update = await asyncio.to_thread(award, stores, user_id)
        sent[update.stamp] = moment
        # Wider apart than pushes to one socket, so that pacing is no part of what is measured.
        await asyncio.sleep(max(0.0, moment + 0.15 - now()))
    await until(lambda: all(update.stamp in it.heard for it in members), within=5)
    return [it.heard[stamp] - at for it in members for stamp, at in sent.items() if stamp in it.heard]


@pytest.mark.parametrize("seconds", [DROPPED_WITHIN])
def test_sockets_that_never_read_are_dropped_and_cost_nothing(
    seconds: float, service: Service, stores: Stores, aftermath: Aftermath, healed: Healed
) -> None:
    web = service.web(**ROOM)
    clear(stores)
    for number in range(10):
        award(stores, listener(stores, f"player{number}").user_id, number + 1)
    dora = listener(stores, "dora")

    async def measure() -> None:
        members = [Member(dora.token) for _ in range(10)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(it.listen(web.port)) for it in members]
            await until(lambda: all(it.heard for it in members), within=5)
            alone = await latencies(stores, members, dora.user_id, 5)
            with blocked(web, dora.token):
                opened = now()
                await until(lambda: web.output().count("ws.connected") == BLOCKED + len(members), within=10)
                start = memory(web)
                among = await latencies(stores, members, dora.user_id, 10)
                middle = memory(web)
                while now() - opened < seconds and web.output().count("reason=slow") < BLOCKED:
                    among += await latencies(stores, members, dora.user_id, 1)
                end = memory(web)
                dropped = now() - opened
                assert web.output().count("reason=slow") == BLOCKED
            for task in tasks:
                assert not task.done()
                task.cancel()
        healed("100 sockets that never read, until they are dropped", dropped)
        assert p99(among) < 2 * p99(alone) + 0.05
        assert end - start < 10, (start, middle, end)
        assert end - middle < 5, (start, middle, end)

    with asyncio.Runner() as runner:
        runner.run(measure())
    aftermath.stop(web)
    aftermath.quiet()


def test_streams_that_never_read_are_dropped(
    service: Service, stores: Stores, aftermath: Aftermath, healed: Healed
) -> None:
    web = service.web(**ROOM)
    dora = listener(stores, "dora")
    request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with ExitStack() as stack:
        opened = now()
        for _ in range(BLOCKED):
            peer = stack.enter_context(raw_peer(web, receive_buffer=4096))
            peer.sendall(request)
        reader = stack.enter_context(streaming(web))
        reader.next()
        ended = "stream.disconnected"
        while web.output().count(ended) < BLOCKED:
            assert now() - opened < DROPPED_WITHIN + 15, f"{web.output().count(ended)} of {BLOCKED} were dropped"
            newer = award(stores, dora.user_id)
            while reader.update(within=5).data != newer.text:
                pass
        healed("100 streams that never read, until they are dropped", now() - opened)
        assert web.output().count("reason=slow") == BLOCKED
    aftermath.stop(web)
    aftermath.quiet()


def tokens(stores: Stores, number: int) -> list[str]:
    """Add users, and give a token of each."""
    user_ids = [UserId(new_id()) for _ in range(number)]
    stores.execute(
        """
        INSERT INTO users (id, username, username_key, email, password_hash)
        SELECT id, 'crowd-' || id, 'crowd-' || id, id || '@example.org', '-' FROM unnest(CAST(:ids AS uuid[])) AS id
        """,
        ids=user_ids,
    )
    issuer = Tokens(DEVELOPMENT_SECRET, (), 3600)
    return [issuer.issue(user_id, 0) for user_id in user_ids]


def test_two_thousand_sockets_return_without_a_database_stampede(
    service: Service, stores: Stores, aftermath: Aftermath, healed: Healed
) -> None:
    dora = listener(stores, "dora")
    members = [Member(token) for token in tokens(stores, MANY)]
    with PostgresProxy(stores.database_url) as proxy:
        web = service.web(DATABASE_URL=proxy.url, **ROOM)

        async def come_back() -> None:
            async with asyncio.TaskGroup() as group:
                began = now()
                tasks = [group.create_task(it.stay(web.port)) for it in members]
                await until(lambda: all(it.connected == 1 and it.heard for it in members), within=30)
                healed("2,000 sockets connect at once, until each has the board", now() - began)
                asked = len(proxy.queries)
                aftermath.kill(web)
                again = await asyncio.to_thread(service.web, port=web.port, DATABASE_URL=proxy.url, **ROOM)
                back = now()
                await until(lambda: all(it.connected == 2 and it.heard for it in members), within=30)
                took = now() - back
                healed("web killed under 2,000 sockets, until each is back and has the board", took)
                # Beside those of the start, a check every other second.
                assert 0 < proxy.asked("boards.epoch", asked) <= 5 + took
                update = await asyncio.to_thread(award, stores, dora.user_id)
                await until(lambda: all(update.stamp in it.heard for it in members), within=5)
                for task in tasks:
                    task.cancel()
            aftermath.stop(again)

        with asyncio.Runner() as runner:
            runner.run(come_back())
    aftermath.quiet()
