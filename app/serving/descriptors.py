"""Keeps the process below its limit on open files: every connection, to a client or a store, is one of them."""

import logging
import resource
from collections.abc import Iterable, Sized
from typing import Any, Protocol

from telemetry import logs

log = logging.getLogger("scoreboard.http")

LEAST_KEPT_FREE, MOST_KEPT_FREE = 100, 1000
"""A tenth of the limit, within these bounds, is kept for stores, files and connections that just arrive."""

CUT_AT_ONCE = 0.1
"""The fraction of the connections waiting for their clients that is cut when there is no room."""

NOT_AGAIN_WITHIN = 0.002
"""Seconds between two cuts: connections that were cut are closed, and no longer counted, a moment later."""

_last_cut = float("-inf")


class Connections(Sized, Iterable[Any], Protocol):
    """The connections that uvicorn keeps, of HTTP and WebSocket alike."""


def make_room(connections: Connections, now: float) -> None:
    """Cut those connections that have waited for their clients the longest, once the limit on open files is near."""
    global _last_cut
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept_free = min(MOST_KEPT_FREE, max(LEAST_KEPT_FREE, limit // 10))
    if limit == resource.RLIM_INFINITY or len(connections) <= limit - kept_free:
        return
    if now - _last_cut < NOT_AGAIN_WITHIN:
        return
    _last_cut = now
    waiting = [(since, id(it), it) for it in connections if (since := _waiting_since(it)) is not None]
    waiting.sort()
    cut = waiting[: int(len(waiting) * CUT_AT_ONCE) + 1]
    for _, _, connection in cut:
        connection.transport.abort()
    logs.refused(logs.CONNECTIONS_FULL, None, logger=log, open=len(connections), cut=len(cut), limit=limit)


def _waiting_since(connection: Any) -> float | None:
    ask = getattr(connection, "waiting_since", None)  # a WebSocket has its own bounds, and its own limit
    return ask() if ask is not None and not connection.transport.is_closing() else None
