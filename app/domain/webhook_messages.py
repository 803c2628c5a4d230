"""What is sent to webhooks: the envelope of Standard Webhooks, or a sentence for a channel of Discord or Slack."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from app.domain.webhooks import ACTION_HELD, PERIOD_CLOSED, TEST, TOP10_CHANGED, USER_SUSPENDED, Template

PLACES = 10
"""Places that a sentence names."""
LONGEST_TEXT = 1900
"""Discord takes 2,000 characters."""

Data = Mapping[str, Any]


def body(event: str, at: str, data: Data, template: Template | None, *, service: str) -> bytes:
    """Return the body of a message.

    Args:
        at: when it happened, as RFC 3339.
        data: as the contract says for the event.
        service: the name of the service, which sentences begin with.
    """
    if template is None:
        return msgspec.json.encode({"type": event, "timestamp": at, "data": data})
    clean = _for_discord if template == "discord" else _for_slack
    text = f"{clean(service)}: {_SENTENCES[event](data, clean)}"[:LONGEST_TEXT]
    if template == "slack":
        return msgspec.json.encode({"text": text})
    # No name of a player calls everybody in the channel.
    return msgspec.json.encode({"content": text, "allowed_mentions": {"parse": []}})


def _for_discord(text: str) -> str:
    return re.sub(r"([\\*_~`|>#\[\]()<@:-])", r"\\\1", text)


def _for_slack(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Its marks can't be escaped: a character without width keeps them from being any.
    return re.sub(r"([*_~`@])", "\\1\u200b", escaped)


_Clean = Callable[[str], str]


def _board(data: Data, clean: _Clean) -> str:
    period = data.get("period")
    return clean(data["board"] + (f" {period}" if period else ""))


def _places(rows: Sequence[Data], clean: _Clean) -> str:
    if not rows:
        return "nobody is on it."
    named = [
        f"{row['rank']}. {clean(row.get('displayName') or row['username'])} {row['score']}" for row in rows[:PLACES]
    ]
    return ", ".join(named)


def _top10_changed(data: Data, clean: _Clean) -> str:
    frozen = " (frozen)" if data.get("frozen") else ""
    return f"the board {_board(data, clean)} has changed{frozen}: {_places(data['payload'], clean)}"


def _period_closed(data: Data, clean: _Clean) -> str:
    return f"{_board(data, clean)} is over: {_places(data['payload'], clean)}"


def _action_held(data: Data, clean: _Clean) -> str:
    return f"an action of {_player(data, clean)} is held by the rule {clean(data['rule'])} and waits for a decision."


def _user_suspended(data: Data, clean: _Clean) -> str:
    by = "the fraud rules" if data["bySystem"] else "an operator"
    return f"{_player(data, clean)} was suspended by {by}."


def _player(data: Data, clean: _Clean) -> str:
    return clean(data.get("displayName") or data["username"])


_SENTENCES: dict[str, Callable[[Data, _Clean], str]] = {
    TOP10_CHANGED: _top10_changed,
    PERIOD_CLOSED: _period_closed,
    ACTION_HELD: _action_held,
    USER_SUSPENDED: _user_suspended,
    TEST: lambda data, clean: "this is a test: the webhook works.",
}
