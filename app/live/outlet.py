"""Where boards are pushed to: a socket or a stream, as the pusher sees it."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import Counter
from starlette.websockets import WebSocket, WebSocketDisconnect

from telemetry import metrics


class Gone(Exception):
    """The peer has left."""


class Outlet(Protocol):
    """Takes messages, one at a time."""

    @property
    def messages(self) -> Counter:
        """Where its messages are counted."""

    def send_ready(self, text: str) -> bool:
        """Send a message at once; False, and nothing is sent, when that would have to wait."""

    async def send(self, text: str) -> None:
        """Send a message as soon as there is room for it.

        Raises:
            Gone: when there is nobody any more to send it to.
        """


class Socket:
    """An accepted WebSocket; `send_ready` is that of its protocol."""

    __slots__ = ("_websocket", "send_ready")

    messages = metrics.ws_messages

    def __init__(self, websocket: WebSocket, send_ready: Callable[[str], bool]) -> None:
        self._websocket = websocket
        self.send_ready = send_ready

    async def send(self, text: str) -> None:
        """Send a message as soon as there is room for it."""
        try:
            await self._websocket.send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Gone from error
