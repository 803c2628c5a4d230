"""A board by asking for it again and again, where nothing else gets through."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from scoreboard_client.errors import refusal_in
from scoreboard_client.http import headers_of
from scoreboard_client.shapes import DEFAULT_BOARD
from scoreboard_client.timing import POLL
from scoreboard_client.ways import Message, Opening


async def read_poll(opening: Opening) -> AsyncGenerator[Message, None]:
    """Ask for the board until an answer isn't one, which raises ScoreboardError; messages are made of the answers."""
    tag = ""
    while True:
        known = {"If-None-Match": tag} if tag else {}
        response = await opening.http.client.get(
            f"{opening.http.base}/top-scores",
            params=opening.query or None,
            headers={"Cache-Control": "no-store", **headers_of(opening.bearer), **known},
        )
        if response.status_code not in (200, 304):
            raise refusal_in(response.status_code, response.headers, response.content)
        tag = response.headers.get("etag") or tag
        update = message_in(response, opening.board, tag, [] if response.status_code == 304 else response.json())
        playing = response.headers.get("broadcasting") != "false"
        if response.status_code == 200:
            yield update
        yield {**update, "type": "heartbeat", "broadcasting": playing}
        await asyncio.sleep(POLL)


def message_in(response: httpx2.Response, board: str, tag: str, payload: list[dict[str, Any]]) -> Message:
    """Return what an answer of GET /top-scores says, as a message says it."""
    position = re.search(r'"(.+)-(\d+)"', tag)
    message: Message = {
        "type": "top_scores_update",
        "board": board or DEFAULT_BOARD,
        "epoch": position[1] if position else "",
        "version": int(position[2]) if position else 0,
        "payload": payload,
        "timestamp": _changed(response.headers.get("last-modified")).isoformat(),
    }
    if since := response.headers.get("board-frozen"):
        message.update(frozen=True, frozenSince=since)
        shown, _, places = response.headers.get("board-revealed", "").partition("/")
        if shown.isdecimal() and places.isdecimal():
            message.update(revealed=int(shown), places=int(places))
    return message


def _changed(last_modified: str | None) -> datetime:
    try:
        return parsedate_to_datetime(last_modified or "")
    except ValueError:
        return datetime.now(UTC)
