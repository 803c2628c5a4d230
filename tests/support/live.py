"""The live board: moves of the board without a worker, and a server within reach."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
import uvicorn
import uvloop

from app.board import top
from app.board.publish import publish
from app.domain import counting
from app.domain.ids import UserId, new_id
from app.domain.messages import Update
from app.main import create_app
from app.serving.http_protocol import HttpProtocol
from app.serving.websocket_protocol import WebSocketProtocol
from app.web import Web
from config.settings import load
from db.redis import TOP_SCORES_CHANNEL, Publisher
from db.transaction import in_transaction
from tests.support.board import ALL_TIME, BOARDS
from tests.support.service import NO_LIMITS, Process, Stores, eventually

T = TypeVar("T")

_COMPLAINTS = re.compile(r"Traceback|never retrieved|never awaited|Exception in ASGI|without completing handshake")


def award(stores: Stores, user_id: UserId, points: int = 10) -> Update:
    """Raise a user's standing as settling does, publish the board, and give it."""
    moment: datetime = stores.value("SELECT clock_timestamp()")

    def settle(conn: sa.Connection) -> None:
        top.add(conn, BOARDS, counting.adjusted(BOARDS, user_id, points, moment))

    in_transaction(stores.engine, settle)
    return publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)


def clear(stores: Stores) -> Update:
    """Take everybody off the board."""

    def forget(conn: sa.Connection) -> None:
        conn.execute(sa.text("DELETE FROM standings"))
        rows = conn.execute(sa.text("SELECT id FROM boards")).scalars()
        top.refresh_whole(conn, BOARDS, list(rows))

    in_transaction(stores.engine, forget)
    return publish(stores.engine, Publisher.on(stores.redis), ALL_TIME)


def forge(stores: Stores, *, epoch: str, version: int, key: bool = True, channel: bool = True) -> str:
    """Put a message that the database knows nothing of into the key, onto the channel, or both."""
    rows = [{"userId": new_id(), "username": "forger", "score": 1, "rank": 1}]
    message = {
        "type": "top_scores_update",
        "board": "all-time",
        "epoch": epoch,
        "version": version,
        "payload": rows,
        "timestamp": "2026-01-01T00:00:00.000Z",
    }
    text = json.dumps(message, separators=(",", ":"))
    if key:
        stores.redis.set("top_scores:10", text)
    if channel:
        stores.redis.publish(TOP_SCORES_CHANNEL, text)
    return text


def complaints(processes: list[Process]) -> list[str]:
    """Return the lines of the processes' logs that no healthy process writes."""
    return [line for it in processes for line in it.output().splitlines() if _COMPLAINTS.search(line)]


class InProcess:
    """A web server in a thread of this process, so that a test can shorten its waits and reach its insides."""

    def __init__(self, stores: Stores, *, ping: float = 20, **env: str) -> None:
        environ = stores.environment(**{**NO_LIMITS, **env})
        settings = load(environ)
        app = create_app(settings)
        self._app: Any = app
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=0,
                http=HttpProtocol,
                ws=WebSocketProtocol,
                ws_max_size=4096,
                ws_ping_interval=ping,
                ws_ping_timeout=ping,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,
                timeout_keep_alive=settings.keep_alive,
                timeout_graceful_shutdown=5,
            )
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self._loop = runner.get_loop()
                runner.run(self._server.serve())
        except BaseException as error:
            self.failure = error

    def start(self) -> None:
        self._thread.start()
        eventually(lambda: self._server.started or self.failure, what="the server")
        assert self.failure is None
        eventually(lambda: self.web.board.update, what="the first board")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.failure is None

    @property
    def port(self) -> int:
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def web(self) -> Web:
        web = self._app.app.state.web
        assert isinstance(web, Web)
        return web

    @property
    def peers(self) -> int:
        """Count the TCP connections that it holds."""
        return len(self._server.server_state.connections)

    @property
    def stuck(self) -> bool:
        """Whether there is a connection whose peer doesn't read what is written."""
        connections: list[Any] = list(self._server.server_state.connections)
        return any(it.flow.write_paused for it in connections)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on its event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def show(self, update: Update) -> None:
        """Let it hold an update that no store knows of."""

        async def take() -> None:
            self.web.board._take(update)

        self.call(take())


@contextmanager
def in_process(
    stores: Stores, caplog: pytest.LogCaptureFixture, *, ping: float = 20, **env: str
) -> Iterator[InProcess]:
    """Serve in a thread, and fail if anything was logged that no healthy process logs."""
    server = InProcess(stores, ping=ping, **env)
    with caplog.at_level(logging.INFO):
        server.start()
        try:
            yield server
        finally:
            server.stop()
    bad = [it for it in caplog.records if it.exc_info or _COMPLAINTS.search(it.getMessage())]
    assert not bad, [(it.getMessage(), it.exc_info) for it in bad]
