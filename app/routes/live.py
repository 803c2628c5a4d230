"""The WebSocket: every open one sees each new version of the boards that it follows."""

import asyncio
import logging
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.access.keys import is_key
from app.domain.errors import Forbidden, ForeignOrigin, NotFound, ScoreboardError, Unauthorized
from app.domain.ids import UserId
from app.http.answers import problem
from app.live.close_codes import GONE, SILENT, CloseCode, Ending
from app.live.connections import Connection
from app.live.following import Following
from app.live.outlet import Socket
from app.live.pusher import Pusher
from app.routes.guards import bearer
from app.routes.listeners import Listener, board_of, check_board, who_listens
from app.serving.websocket_protocol import READY
from app.web import Web, web_of
from telemetry import logs

log = logging.getLogger("scoreboard.live")

PROTOCOL = "scoreboard.v1"
FRAMES_A_MINUTE = 60


async def live(websocket: WebSocket) -> None:
    """/ws: refuse the handshake with a status of HTTP, or push the board until either side ends it."""
    web = web_of(websocket)
    try:
        listener = await _admit(web, websocket)
        connection = web.connections.admit(
            listener.owner, listener.token_version, web.admission.limited_as(websocket.scope)
        )
    except ScoreboardError as error:
        request_id = websocket.scope["request_id"]
        logs.refused(logs.WS_REJECTED, web.admission.address(websocket.scope), requestId=request_id, code=error.code)
        await websocket.send_denial_response(problem(error, request_id))
        return
    opened = time.monotonic()
    code = GONE
    try:
        await websocket.accept(PROTOCOL if PROTOCOL in websocket.scope["subprotocols"] else None)
        logs.event(log, logs.WS_CONNECTED, **listener.logged, requestId=websocket.scope["request_id"])
        code = await _serve(web, websocket, connection, listener)
    finally:
        web.connections.release(connection)
        logs.event(
            log,
            logs.WS_DISCONNECTED,
            **listener.logged,
            code=code,
            seconds=round(time.monotonic() - opened),
            requestId=websocket.scope["request_id"],
            reason="slow" if code in (CloseCode.SLOW, SILENT) else "closed",
        )


async def nowhere(websocket: WebSocket) -> None:
    """Any other path: refuse the handshake, as any other request for it."""
    await websocket.send_denial_response(problem(NotFound("There is no such path."), websocket.scope["request_id"]))


async def _admit(web: Web, websocket: WebSocket) -> Listener:
    """Check a handshake. Source: contract, section 6, for the order."""
    if not _origin_allowed(websocket.headers.get("origin"), websocket.headers.get("host"), web):
        raise ForeignOrigin("This page may not open a socket here.")
    await web.admission.handshake(websocket.scope)
    token = _token(websocket)
    if token is None:
        raise Unauthorized("A token is needed.")
    listener = await who_listens(web, websocket, token)
    if is_key(token) and _wants_own_scores(websocket):
        raise Forbidden("A service key has no scores of its own: leave out me=1.")
    check_board(web, websocket)
    return listener


def _wants_own_scores(websocket: WebSocket) -> bool:
    return websocket.query_params.get("me") == "1"


def _token(websocket: WebSocket) -> str | None:
    for protocol in websocket.scope["subprotocols"]:
        if protocol.startswith("bearer."):
            return str(protocol.removeprefix("bearer."))
    return bearer(websocket) or websocket.query_params.get("token")


def _origin_allowed(origin: str | None, host: str | None, web: Web) -> bool:
    """Return whether a page of this origin may connect.

    An entry of ALLOWED_ORIGINS admits its own scheme alone. Without entries the page's host must be ours, over either
    scheme, since TLS may end before us.
    """
    if origin is None:
        return True
    theirs = _site(origin)
    if theirs is None:
        return False
    if web.settings.allowed_origins:
        return any(_site(allowed) == theirs for allowed in web.settings.allowed_origins)
    return theirs == _site(f"{theirs[0]}://{host}")


def _site(origin: str) -> tuple[str, str, int] | None:
    """Return an origin's scheme, host and port; None for what is no page's origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


async def _serve(web: Web, websocket: WebSocket, connection: Connection, listener: Listener) -> int:
    """Push and listen until the socket is to end, close it, and return the close code."""
    loop = asyncio.get_running_loop()
    expiry = loop.call_later(listener.seconds, connection.close, CloseCode.TOKEN_OVER)
    send_ready = websocket.scope["extensions"][READY]
    outlet = Socket(websocket, send_ready)
    tells_states = websocket.query_params.get("state") == "1"
    boards = Pusher(outlet, web.settings.push_interval, web.push_latency, tells_states=tells_states)
    own = (web.own_scores, UserId(listener.owner)) if _wants_own_scores(websocket) else None
    following = Following(web.boards, boards, own)
    following.begin(board_of(websocket))
    pusher = asyncio.create_task(boards.run())
    listening = asyncio.create_task(_listen(websocket, following))
    try:
        ends: set[asyncio.Future[Any]] = {pusher, listening, connection.closing}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        # Several may be done at once: a socket that is closed already counts first, then what the service has decided.
        ending = listening.result() if listening.done() else None
        if connection.closing.done() and not (ending and ending.closed):
            ending = Ending(connection.closing.result())
        ending = ending or pusher.result()
    finally:
        expiry.cancel()
        following.end()
        for task in (pusher, listening):
            task.cancel()
        await asyncio.gather(pusher, listening, return_exceptions=True)
    if not ending.closed:
        try:
            async with asyncio.timeout(1):
                await websocket.close(ending.code)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass  # the peer reads nothing, or has gone; the connection is cut
    return ending.code


async def _listen(websocket: WebSocket, following: Following) -> Ending:
    """Read what the peer sends until it closes or breaks a rule, and return how that ends.

    It may ask for boards; nothing else is understood, and none of it needed.
    """
    arrivals: deque[float] = deque(maxlen=FRAMES_A_MINUTE)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return Ending(message.get("code") or GONE, closed=True)
        if message.get("text") is None:
            return Ending(CloseCode.NOT_TEXT)
        now = time.monotonic()
        if len(arrivals) == FRAMES_A_MINUTE and now - arrivals[0] < 60:
            return Ending(CloseCode.TOO_MANY_FRAMES)
        arrivals.append(now)
        following.hear(message["text"])
