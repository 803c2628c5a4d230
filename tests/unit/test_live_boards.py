"""When the live boards are checked against PostgreSQL."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId
from app.domain.signing import UNSIGNED
from app.live.boards import CHECK_EVERY, LiveBoards
from app.live.relay import SupervisedRedis

DAILY = BoardId("daily")


def test_period_that_had_not_ended_yet_by_postgresqls_clock_is_asked_for_at_once() -> None:
    """The timer may be a little early: what is then left of the period is over before the answer is here."""
    checks: list[float] = []

    async def scenario() -> None:
        publisher: Any = SimpleNamespace(signer=UNSIGNED)
        relay = SupervisedRedis("redis://127.0.0.1:1/0")
        nothing: Any = None
        boards = LiveBoards({DAILY: BoardRule(id=DAILY, title="Today")}, nothing, publisher, relay, nothing)
        done = asyncio.Event()

        async def check() -> None:
            asked = time.monotonic()
            checks.append(asked)
            await asyncio.sleep(0.02)
            boards[DAILY].ends = asked + (0.005 if len(checks) == 1 else 60)
            if len(checks) == 2:
                done.set()

        boards.check = check  # type: ignore[method-assign]
        checking = asyncio.create_task(boards.check_for_ever())
        try:
            await asyncio.wait_for(done.wait(), CHECK_EVERY / 2)
        finally:
            checking.cancel()

    asyncio.run(scenario())
    assert len(checks) == 2
