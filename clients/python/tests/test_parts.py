"""What can't be made to happen before a service that runs: `python -m unittest`, with the wheel installed."""

import asyncio
import base64
import json
import ssl
import time
import unittest
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from unittest import mock

import httpx2

from scoreboard_client import Scoreboard, ScoreboardError, line, timing
from scoreboard_client.shapes import Position, Way
from scoreboard_client.store import Store
from scoreboard_client.streams import Event, events_in
from scoreboard_client.ways import Closed, Opening

URL = "https://scores.example"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to read what the machine trusts takes long
ACTION = {
    "actionId": "a",
    "userId": "u",
    "type": "default",
    "status": "completed",
    "startAt": "2026-11-24T09:00:00.000000Z",
    "endAt": "2026-11-24T09:00:04.000000Z",
    "score": 10,
    "metadata": {},
    "settlement": "cleared",
}


def scoreboard(*answers: httpx2.Response | Exception, **options: Any) -> tuple[Scoreboard, list[httpx2.Request]]:
    """Return a client whose requests are answered by these, one after the other, and the requests."""
    requests: list[httpx2.Request] = []
    left = iter(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        given = next(left)
        if isinstance(given, Exception):
            raise given
        return given

    scores = Scoreboard(URL, "token", tls=TLS, **options)
    scores._http.client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return scores, requests


def problem(status: int, code: str, retry_after: str | None = None, **more: Any) -> httpx2.Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return httpx2.Response(status, headers=headers, json={"status": status, "code": code, "detail": "No.", **more})


def message(version: int, epoch: str = "e", **more: Any) -> dict[str, Any]:
    return {
        "type": "top_scores_update",
        "board": "all-time",
        "epoch": epoch,
        "version": version,
        "payload": [],
        "timestamp": "2026-11-24T09:00:04.123Z",
        **more,
    }


def heartbeat(version: int, *, broadcasting: bool = True) -> dict[str, Any]:
    return {"type": "heartbeat", "epoch": "e", "version": version, "broadcasting": broadcasting}


class Waits:
    """Stands in for `asyncio.sleep`: notes the seconds, and lets the loop go on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._sleep = asyncio.sleep

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self._sleep(0)


class RequestsTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.waits = Waits()
        patched = mock.patch("asyncio.sleep", self.waits)
        patched.start()
        self.addCleanup(patched.stop)

    async def test_lost_answers_are_asked_for_again_with_the_same_key(self) -> None:
        done = httpx2.Response(200, headers={"Idempotency-Replayed": "true"}, json=ACTION)
        lost = httpx2.ReadError("the connection is gone")
        scores, requests = scoreboard(lost, problem(503, "unavailable", "3"), problem(429, "rate-limited", "7"), done)
        action = await scores.report("u", type="lap", value=1)
        assert action.replayed
        assert len({it.headers["idempotency-key"] for it in requests}) == 1
        assert len({it.content for it in requests}) == 1
        first, second, third = self.waits.seconds
        assert first <= 0.5
        assert second >= 3
        assert third >= 7

    async def test_retries_are_bounded_and_a_long_wait_is_the_callers(self) -> None:
        scores, requests = scoreboard(*[httpx2.ConnectError("away")] * 9, attempts=3)
        with self.assertRaises(ScoreboardError) as raised:
            await scores.account()
        assert (raised.exception.status, raised.exception.code) == (None, "unreachable")
        assert len(requests) == 3
        scores, requests = scoreboard(problem(429, "rate-limited", "600"))
        with self.assertRaises(ScoreboardError) as raised:
            await scores.account()
        said = raised.exception
        assert (said.status, said.code, said.retry_after) == (429, "rate-limited", 600.0)

    async def test_what_would_be_the_same_again_is_not_repeated(self) -> None:
        for status in (400, 403, 404, 409, 422, 500):
            scores, requests = scoreboard(problem(status, "no"))
            with self.assertRaises(ScoreboardError):
                await scores.start()
            assert len(requests) == 1, status
        scores, _ = scoreboard(httpx2.Response(500, text="<html>"))
        with self.assertRaises(ScoreboardError) as raised:
            await scores.start()
        assert raised.exception.code == "http-500"

    async def test_what_was_completed_before_is_told_but_not_another_value(self) -> None:
        scores, _ = scoreboard(*[problem(409, "action-completed", action={**ACTION, "value": 7})] * 3)
        done = await scores.complete("a", value=7)
        assert (done.score, done.replayed) == (10, True)
        for other in (scores.complete("a", value=8), scores.cancel("a")):
            with self.assertRaises(ScoreboardError) as raised:
                await other
            assert raised.exception.code == "action-completed"

    async def test_session_renews_before_its_end_and_signs_in_again_when_it_is_refused(self) -> None:
        def token(name: str, seconds: float) -> httpx2.Response:
            return httpx2.Response(200, json={"accessToken": name, "expiresIn": seconds, "userId": "u"})

        account = {"userId": "u", "username": "ada", "displayName": None, "role": "player"}
        here = httpx2.Response(200, json={**account, "totalScore": 1, "score": 1, "rank": None})
        scores, requests = scoreboard(
            token("first", 0), token("second", 3600), here, problem(401, "unauthorized"), token("third", 3600), here
        )
        await scores.sign_in("ada", "secret")
        await scores.account()
        await scores.account()
        asked = [(it.url.path, it.headers.get("authorization")) for it in requests]
        assert asked == [
            ("/auth/login", None),
            ("/auth/refresh", "Bearer first"),
            ("/users/me", "Bearer second"),
            ("/users/me", "Bearer second"),
            ("/auth/login", None),
            ("/users/me", "Bearer third"),
        ]


class EventsTest(unittest.IsolatedAsyncioTestCase):
    async def test_events_are_the_same_wherever_their_bytes_are_cut(self) -> None:
        whole = 'id: e-1\r\ndata: {"a":\u2028\ndata: "ß"}\n\n: a comment\revent: end\rdata:x\r\r'.encode()
        wanted = [Event("message", '{"a":\u2028\n"ß"}'), Event("end", "x")]
        for size in range(1, len(whole) + 1):

            async def pieces(size: int = size) -> AsyncIterator[bytes]:
                for start in range(0, len(whole), size):
                    yield whole[start : start + size]
                yield b"\n"

            assert [it async for it in events_in(pieces())] == wanted, size


class StoreTest(unittest.IsolatedAsyncioTestCase):
    async def test_nothing_is_shown_twice_or_older_and_another_epoch_begins_anew(self) -> None:
        shown: list[str] = []
        store = Store(Position("e", 4), lambda: shown.append(store.value.id if store.value else ""))
        store.update(message(4), True)
        store.heartbeat(heartbeat(4))
        for version in (5, 5, 3, 7):
            store.update(message(version), False)
        store.update(message(1, "f"), False)
        assert shown == ["", "e-5", "e-7", "f-1"]
        assert not store.heartbeat(heartbeat(8)), "it names a board that has never arrived"

    async def test_who_comes_back_while_it_is_paused_sees_no_more_than_who_stayed(self) -> None:
        told: list[tuple[str, int]] = []
        store = Store(None, lambda: told.append((store.state, store.value.version if store.value else 0)))
        store.update(message(1), True)
        store.heartbeat(heartbeat(1))
        store.lose()
        store.update(message(3), True)
        store.heartbeat(heartbeat(3, broadcasting=False))
        store.heartbeat(heartbeat(3))
        store.heartbeat(heartbeat(3, broadcasting=False))
        store.update(message(4), False)
        store.heartbeat({**heartbeat(4), "frozen": True})
        assert told == [
            ("live", 1),
            ("reconnecting", 1),
            ("live", 1),
            ("paused", 1),
            ("live", 3),
            ("paused", 3),
            ("live", 4),
            ("frozen", 4),
        ]


class LineTest(unittest.IsolatedAsyncioTestCase):
    """The line over ways that do what a test says."""

    def setUp(self) -> None:
        self.opened: list[tuple[Way, str | None]] = []
        for name, value in (("FIRST_DELAY", 0.001), ("LONGEST_DELAY", 0.01), ("FIRST_ASCENT", 0.001)):
            patched = mock.patch.object(timing, name, value)
            patched.start()
            self.addCleanup(patched.stop)

    def ways(self, **scripts: Any) -> None:
        """Have each way do what its script says when it is opened for the n-th time, the last one from then on."""
        readers = {}
        for way in ("socket", "stream", "poll"):

            async def read(opening: Opening, way: Way = way) -> AsyncGenerator[dict[str, Any], None]:
                script = scripts.get(way, [ConnectionError()])
                times = sum(it[0] == way for it in self.opened)
                self.opened.append((way, opening.bearer))
                for step in script[min(times, len(script) - 1)] if isinstance(script[0], list) else script:
                    if isinstance(step, BaseException):
                        raise step
                    yield step
                await asyncio.Event().wait()

            readers[way] = read
        patched = mock.patch.object(line, "_READERS", readers)
        patched.start()
        self.addCleanup(patched.stop)

    async def follow(self, token: Any = "token") -> tuple[str | None, Any]:
        """Follow until a board came or it has ended; return the way, and what was raised."""
        async with (
            Scoreboard(URL, token, tls=TLS) as scores,
            asyncio.timeout(20),
            scores.follow(on_error=print) as following,
        ):
            try:
                async for _ in following:
                    return following.via, None
            except ScoreboardError as error:
                return following.via, error
        raise AssertionError("it ended without a word")

    async def test_ways_are_tried_one_after_the_other(self) -> None:
        self.ways(poll=[message(1)])
        assert await self.follow() == ("poll", None)
        assert [it[0] for it in self.opened] == ["socket", "stream", "poll"]

    async def test_spectators_have_no_socket(self) -> None:
        self.ways(stream=[message(1)])
        assert await self.follow(None) == ("stream", None)
        assert self.opened == [("stream", None)]

    async def test_token_that_stays_wrong_is_told_and_never_tried_again(self) -> None:
        for ending in (Closed(4401), ScoreboardError("No.", code="unauthorized", status=401)):
            self.opened.clear()
            self.ways(socket=[ending])
            _, error = await self.follow(lambda: "wrong")
            assert (error.status, error.code) in [(4401, "unauthorized"), (401, "unauthorized")]
            assert self.opened == [("socket", "wrong")]

    async def test_token_that_is_over_is_replaced(self) -> None:
        tokens = iter(["over", "good", "good"])
        self.ways(socket=[[Closed(4401)], [message(1)]])
        assert await self.follow(lambda: next(tokens)) == ("socket", None)
        assert self.opened == [("socket", "over"), ("socket", "good")]

    async def test_suspended_users_and_boards_that_are_not_there_are_final(self) -> None:
        self.ways(socket=[Closed(4403)])
        assert (await self.follow())[1].code == "user-suspended"
        refusal = ScoreboardError("No.", code="not-found", status=404)
        self.ways(socket=[refusal], stream=[refusal], poll=[refusal])
        self.opened.clear()
        assert (await self.follow())[1].code == "not-found"
        assert [it[0] for it in self.opened] == ["socket", "stream", "poll"]

    async def test_better_way_takes_over_once_it_works(self) -> None:
        self.ways(socket=[[ConnectionError()], [ConnectionError()], [message(2), heartbeat(2)]], stream=[message(1)])
        async with Scoreboard(URL, "token", tls=TLS) as scores, asyncio.timeout(20), scores.follow() as following:
            async for board in following:
                if board.version == 2:
                    break
            assert following.via == "socket"

    async def test_younger_token_takes_over_before_the_old_one_is_over(self) -> None:
        def jwt(seconds: float) -> str:
            claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode()).decode().rstrip("=")
            return f"e30.{claims}.sig"

        tokens = [jwt(1), jwt(3600)]
        self.ways(socket=[[message(1)], [message(2), heartbeat(2)]])
        with mock.patch.object(timing, "SOONEST_RENEWAL", 0.01), mock.patch.object(timing, "RENEW_AFTER", 0.01):
            async with (
                Scoreboard(URL, lambda: tokens[min(1, len(self.opened))], tls=TLS) as scores,
                asyncio.timeout(20),
            ):
                states = []
                async for board, state in scores.follow().changes():
                    states.append(state)
                    if board and board.version == 2:
                        break
        assert self.opened == [("socket", tokens[0]), ("socket", tokens[1])]
        assert "reconnecting" not in states

    async def test_mistake_in_a_callback_ends_nothing(self) -> None:
        self.ways(socket=[ScoreboardError("No.", code="http-502", status=502)], stream=[message(1)])

        def fail(_: ScoreboardError) -> None:
            raise ZeroDivisionError

        with self.assertLogs("scoreboard_client", "ERROR"):
            async with Scoreboard(URL, "token", tls=TLS) as scores, asyncio.timeout(20):
                async for _ in scores.follow(on_error=fail):
                    break


if __name__ == "__main__":
    unittest.main()
