"""/ws?me=1: a player is told the own numbers, below the ten too, and many players cost one query."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

import pytest
import sqlalchemy as sa
from websockets.sync.client import ClientConnection

from app.concurrency.threads import Threads
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId, new_id
from app.domain.signing import UNSIGNED
from app.live import own_scores
from app.live.boards import LiveBoards
from app.live.own_scores import OwnScores
from app.live.relay import SupervisedRedis
from db import feature_flags, standings
from db.redis import Publisher
from db.standings import Own
from db.transaction import in_transaction
from tests.support.board import ALL_TIME
from tests.support.live import award, clear, in_process
from tests.support.people import Listener, listener
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import listening, message

OWN = "/ws?me=1"


@pytest.fixture
def crowd(stores: Stores) -> list[Listener]:
    """Twelve players of whom two are below the ten: the first with 120 points, the last with 10."""
    clear(stores)
    players = [listener(stores, f"p{number}") for number in range(12)]
    for number, player in enumerate(players):
        award(stores, player.user_id, 120 - 10 * number)
    return players


def told(websocket: ClientConnection, *, within: float = 10.0) -> tuple[int, int, int | None]:
    """Receive the next own numbers: total, points on the board, rank."""
    while (it := message(websocket, within=within))["type"] != "own_scores":
        pass
    return it["totalScore"], it["score"], it["rank"]


def test_own_scores_follow_the_board_and_changes_below_the_ten(
    web: Process, stores: Stores, crowd: list[Listener]
) -> None:
    eleventh, last = crowd[10:]
    version = stores.value("SELECT version FROM boards")
    with listening(web, eleventh.token, path=OWN) as websocket:
        assert message(websocket)["type"] == "top_scores_update"
        first = message(websocket)
        assert list(first) == ["type", "board", "userId", "totalScore", "score", "rank", "timestamp"]
        assert (first["userId"], first["score"], first["rank"]) == (eleventh.user_id, 20, 11)
        award(stores, last.user_id, 15)
        assert told(websocket, within=2) == (0, 20, 12)
        with stores.engine.begin() as conn:
            conn.execute(sa.text("UPDATE users SET total_score = 500 WHERE id = :id"), {"id": eleventh.user_id})
            conn.execute(sa.text("UPDATE users SET status = 'suspended' WHERE id = :id"), {"id": last.user_id})
        assert told(websocket) == (500, 20, 11)
    assert stores.value("SELECT version FROM boards") == version


def test_own_scores_are_for_who_asks(web: Process, stores: Stores, crowd: list[Listener]) -> None:
    with ExitStack() as stack:
        deaf = [stack.enter_context(listening(web, crowd[10].token, path=path)) for path in ("/ws", "/ws?me=0")]
        asking = stack.enter_context(listening(web, crowd[10].token, path=OWN))
        assert told(asking) == (0, 20, 11)
        award(stores, crowd[11].user_id, 15)
        assert told(asking) == (0, 20, 12)
        for websocket in deaf:
            assert message(websocket)["type"] == "top_scores_update"
            with pytest.raises(TimeoutError):
                websocket.recv(timeout=0.1)


def test_own_scores_of_a_newcomer_have_no_rank(web: Process, stores: Stores) -> None:
    with listening(web, listener(stores).token, path=OWN) as websocket:
        assert told(websocket) == (0, 0, None)


def test_own_scores_are_signed_as_the_board_is(service: Service, stores: Stores, crowd: list[Listener]) -> None:
    web = service.web(SIGNING_KEY="hmac:" + "c2VjcmV0" * 6)
    with listening(web, crowd[0].token, path=OWN) as websocket:
        message(websocket)
        assert message(websocket)["signature"]["alg"] == "HMAC-SHA256"


def test_own_scores_rest_while_broadcasting_is_off(
    stores: Stores, crowd: list[Listener], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(own_scores, "EVERY", 0.1)
    with in_process(stores, caplog) as server, listening(server, crowd[10].token, path=OWN) as websocket:
        assert told(websocket) == (0, 20, 11)

        async def broadcast(enabled: bool) -> None:
            server.web.board.broadcast(enabled)

        def flag(enabled: bool) -> None:
            in_transaction(
                stores.engine,
                lambda conn: feature_flags.write(conn, feature_flags.BROADCAST, enabled=enabled, actor="cli"),
            )
            server.call(broadcast(enabled))

        flag(False)
        try:
            award(stores, crowd[11].user_id, 15)
            with pytest.raises(TimeoutError):
                websocket.recv(timeout=0.5)
            with listening(server, crowd[11].token, path=OWN) as newcomer:
                assert told(newcomer) == (0, 25, 11)
        finally:
            flag(True)
        assert told(websocket) == (0, 20, 12)


def test_own_scores_of_all_who_listen_are_one_query(
    stores: Stores, crowd: list[Listener], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Sequence[UserId]] = []
    moments: list[float] = []
    read = standings.own

    def counted(conn: sa.Connection, board_id: BoardId, user_ids: Sequence[UserId]) -> list[Own]:
        asked.append(user_ids)
        moments.append(time.monotonic())
        return read(conn, board_id, user_ids)

    monkeypatch.setattr(standings, "own", counted)
    monkeypatch.setattr(own_scores, "EVERY", 0.1)
    with in_process(stores, caplog) as server, ExitStack() as stack:
        sockets = [stack.enter_context(listening(server, it.token, path=OWN)) for it in crowd for _ in range(2)]
        assert [told(it)[2] for it in sockets] == [rank for rank in range(1, 13) for _ in range(2)]
        asked.clear()
        award(stores, crowd[11].user_id, 1000)
        assert told(sockets[-1])[2] == 1
        assert [told(it)[2] for it in sockets[:-2]] == [rank for rank in range(2, 13) for _ in range(2)]
        rounds = len(asked)
        eventually(lambda: len(asked) > rounds + 2, what="rounds in which nothing has changed")
        with pytest.raises(TimeoutError):
            sockets[0].recv(timeout=0)
        assert all(sorted(it) == sorted(player.user_id for player in crowd) for it in asked)
    assert all(later - earlier > 0.09 for earlier, later in pairwise(moments))
    eventually(lambda: not server.web.own_scores._listeners, what="nobody to be listened to")


def test_own_scores_that_one_socket_cannot_take_reach_the_others(
    stores: Stores, crowd: list[Listener], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str) -> None:
        raise RuntimeError("a socket of this test's own")

    heard: list[str] = []
    threads = Threads("test", 1, depth=10)

    async def two_rounds() -> None:
        relay = SupervisedRedis(stores.redis_url)
        boards = LiveBoards({DEFAULT_BOARD: ALL_TIME}, stores.engine, Publisher.on(stores.redis), relay, threads)
        await boards.check()
        board = boards[DEFAULT_BOARD]
        scores = OwnScores(stores.engine, UNSIGNED, threads)
        scores.listen(board, crowd[0].user_id, broken)
        for player in crowd[:3]:
            scores.listen(board, player.user_id, heard.append)
        await scores._round(board)
        await scores._round(board)
        await relay.disconnect()

    with asyncio.Runner() as runner:
        runner.run(two_rounds())
    threads.close()
    assert sorted(json.loads(text)["rank"] for text in heard) == [1, 2, 3]
    assert [it.getMessage() for it in caplog.records if it.exc_info] == ["a player was not told"]


def test_own_ranks_are_those_of_each_one_alone(stores: Stores, crowd: list[Listener]) -> None:
    """Of equals, of a suspended player and of one who was never there, whoever else is asked about."""
    for player in crowd[3:6]:
        stores.execute(
            "UPDATE standings SET score = 77, reached_at = '2026-01-01' WHERE user_id = :id", id=player.user_id
        )
    stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=crowd[1].user_id)
    stores.execute("UPDATE standings SET score = -5 WHERE user_id = :id", id=crowd[2].user_id)
    wanted = [it.user_id for it in crowd] + [UserId(new_id())]
    with stores.engine.connect() as conn:
        together = {it.user_id: it for it in standings.own(conn, DEFAULT_BOARD, wanted)}
        alone = [it for user_id in wanted for it in standings.own(conn, DEFAULT_BOARD, [user_id])]
    assert {it.user_id: it for it in alone} == together
    assert len(together) == 12
    level = sorted(crowd[3:6], key=lambda it: it.user_id)
    in_order = [crowd[0], *level, *crowd[6:]]
    assert [together[it.user_id].rank for it in in_order] == list(range(1, 11))
    assert [together[it.user_id].rank for it in crowd[1:3]] == [None, None]
