"""Logging: one handler on standard error; lines for people in development, JSON in production.

An event is a log line whose message is a constant name; everything else about it is a keyword field.
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

ACTION_CREATED = "action.created"
ACTION_COMPLETED = "action.completed"
ACTION_EXPIRED = "action.expired"
SCORE_UPDATED = "score.updated"
TOP10_CHANGED = "top10.changed"
WS_CONNECTED = "ws.connected"
WS_DISCONNECTED = "ws.disconnected"
WS_REJECTED = "ws.rejected"
AUTH_FAILED = "auth.failed"
RATE_LIMITED = "rate.limited"
REQUEST_FAILED = "request.failed"
REQUEST_INVALID = "request.invalid"
FRAUD_HELD = "fraud.held"
FRAUD_REFUSED = "fraud.refused"
INVARIANT_VIOLATED = "invariant.violated"
USER_SUSPENDED = "user.suspended"
USER_ERASED = "user.erased"

security = logging.getLogger("scoreboard.security")

_QUERY = re.compile(r"\?[^\s\"]*")
_TOKEN_IN_URL = re.compile(r"((?:^|[?&\s\"'])token=)[^&\s\"']*")


def set_up(level: str, *, json: bool) -> None:
    """Send every log line of this process to standard error, `json` or for people, tokens in URLs blanked."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if json else _TextFormatter())
    handler.addFilter(_without_tokens)
    # What no line shows is not gathered. Source: Python's logging HOWTO, "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level, handlers=[handler], force=True)


def event(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Log the event `name` with its fields."""
    if logger.isEnabledFor(level):
        logger.log(level, name, extra={"fields": fields})


_on_behalf_of: ContextVar[Mapping[str, str] | None] = ContextVar("on_behalf_of", default=None)


@contextlib.contextmanager
def on_behalf_of(requests: Mapping[str, str]) -> Iterator[None]:
    """Have each line name the request whose work it is about: `requests` by the ids of their actions."""
    token = _on_behalf_of.set(requests)
    try:
        yield
    finally:
        _on_behalf_of.reset(token)


def _request_ids(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the request of a line about one action, or else all that it was written on behalf of."""
    requests = _on_behalf_of.get()
    if not requests or "requestId" in fields:
        return {}
    own = requests.get(fields.get("actionId", ""))
    return {"requestId": own} if own else {"requestIds": list(requests.values())}


def _without_tokens(record: logging.LogRecord) -> bool:
    # uvicorn logs the path with its query when a WebSocket opens, and that may be /ws?token=...
    try:
        message = record.getMessage()
    except Exception:  # a line with the wrong arguments: the handler reports it, the one who logs goes on
        return True
    if record.name.startswith("uvicorn") and "?" in message:
        record.msg, record.args = _QUERY.sub("", message), ()
    elif "token=" in message:
        record.msg, record.args = _TOKEN_IN_URL.sub(r"\1***", message), ()
    return True


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        fields = getattr(record, "fields", None)
        return line + "".join(f" {name}={_in_one_line(value)}" for name, value in fields.items()) if fields else line


def _in_one_line(value: Any) -> Any:
    # A path may hold a line break, and with it a log line of its sender's making.
    return value if not isinstance(value, str) or value.isprintable() else repr(value)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **(fields := getattr(record, "fields", {})),
            **_request_ids(fields),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()
