"""What a process remembers of tokens and users, and when it does no more."""

import asyncio
import time
from typing import Any

import pytest

from app.access import revocation
from app.access.remembered import Remembered
from app.access.revocation import Sessions
from app.access.tokens import Tokens
from app.domain.ids import UserId, new_id


def test_the_oldest_tenth_is_forgotten() -> None:
    some: Remembered[int, str] = Remembered(20)
    some.remember((n, "x") for n in range(20))
    some[0] = "y"  # nothing is forgotten for what is there
    assert len(some) == 20
    some.remember([(20, "z")])
    assert sorted(some) == list(range(2, 21))
    least: Remembered[int, int] = Remembered(1)
    least[1] = least[2] = 0
    assert list(least) == [2]


def test_token_is_known_once_it_was_verified_and_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens("k" * 32, (), 100)
    token = tokens.issue(UserId(new_id()), 0)
    assert tokens.known(token) is None
    claims = tokens.verify(token)
    assert tokens.known(token) == claims
    monkeypatch.setattr(time, "time", lambda: float(claims.exp))
    assert tokens.known(token) is None


def test_users_that_are_looked_up_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async def states(engine: Any, look_up: Any, user_ids: list[UserId]) -> list[Any]:
        return [revocation.NO_USER for _ in user_ids]

    monkeypatch.setattr(revocation, "on_loop", states)
    monkeypatch.setattr(revocation, "REMEMBERED", 10)
    engine: Any = None
    sessions = Sessions(engine, engine, lambda *_: None)
    asyncio.run(sessions._learn([UserId(new_id()) for _ in range(100)]))
    assert len(sessions._known) == 10
