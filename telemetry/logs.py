"""Logging to standard error: lines for people in development, JSON in production. Logging never waits for the reader.

An event is a log line whose message is a constant name; everything else about it is a keyword field.
"""

import contextlib
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

from telemetry.log_quota import Quota
from telemetry.log_writer import Writer

PROCESS_STARTED = "process.started"
ACTION_CREATED = "action.created"
ACTION_COMPLETED = "action.completed"
ACTION_EXPIRED = "action.expired"
SCORE_UPDATED = "score.updated"
TOP10_CHANGED = "top10.changed"
WS_CONNECTED = "ws.connected"
WS_DISCONNECTED = "ws.disconnected"
WS_REJECTED = "ws.rejected"
STREAM_CONNECTED = "stream.connected"
STREAM_DISCONNECTED = "stream.disconnected"
STREAM_REJECTED = "stream.rejected"
AUTH_FAILED = "auth.failed"
RATE_LIMITED = "rate.limited"
REQUEST_FAILED = "request.failed"
REQUEST_INVALID = "request.invalid"
FRAUD_HELD = "fraud.held"
FRAUD_REFUSED = "fraud.refused"
INVARIANT_VIOLATED = "invariant.violated"
ISSUER_UNREACHABLE = "issuer.unreachable"
LAST_ADMIN_KEPT = "admin.kept"
CLOCK_OFF = "clock.off"
REPLICA_USED = "replica.used"
REPLICA_UNUSED = "replica.unused"
USER_SUSPENDED = "user.suspended"
USER_ERASED = "user.erased"
WEBHOOK_FAILED = "webhook.failed"
WEBHOOK_DEAD = "webhook.dead"
CONNECTION_CUT = "connection.cut"
CONNECTIONS_FULL = "connections.full"
LINES_DROPPED = "log.dropped"
LINES_LEFT_OUT = "log.left_out"

security = logging.getLogger("scoreboard.security")

_QUERY = re.compile(r"\?[^\s\"]*")
_TOKEN_IN_URL = re.compile(r"((?:^|[?&\s\"'])token=)[^&\s\"']*")
_KEY = re.compile(r"sbk_[A-Za-z0-9_-]+")


def set_up(level: str, *, json: bool) -> None:
    """Send every log line of this process to standard error, `json` or for people, tokens in URLs blanked."""
    global _json
    _json = json
    handler = _Handler()
    handler.setFormatter(_JsonFormatter() if json else _TextFormatter())
    handler.addFilter(_without_tokens)
    # What no line shows is not gathered. Source: Python's logging HOWTO, "Optimization".
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)  # which Python writes itself, and would wait for


def event(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Log the event `name` with its fields."""
    if logger.isEnabledFor(level):
        if _json:
            # Without the records, filters and handlers that other lines need: a busy web process writes thousands in
            # a second.
            _writer.put(_json_line(time.time(), level, logger.name, name, fields) + b"\n")
        else:
            logger.log(level, name, extra={"fields": fields})


def started(part: str, version: str) -> None:
    """Log which part of the service this process is, and its version."""
    event(logging.getLogger("scoreboard.process"), PROCESS_STARTED, part=part, version=version)


def refused(
    name: str,
    client: str | None,
    /,
    level: int = logging.WARNING,
    logger: logging.Logger = security,
    **fields: Any,
) -> None:
    """Log the event `name`, which a client may cause without limit: a bounded number of lines a minute, then a sum."""
    if _quota.allows(name, client):
        # A client may have sent a service key where none belongs, and be told of it in words.
        event(logger, name, level, **{field: _without_keys(value) for field, value in fields.items()}, client=client)


def flush() -> None:
    """Wait, for a bounded time, until all that was logged is written; a process that ends by itself does so anyway."""
    _writer.flush()


def when_dropped(count: Callable[[], None]) -> None:
    """Call `count` for each line that is dropped because nobody reads the log."""
    _writer.on_drop = count


class _Handler(logging.Handler):
    """Hands lines to the writer."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _writer.put(self.format(record).encode(errors="backslashreplace") + b"\n")
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        # The library's own writes to standard error itself, and so would wait there.
        if logging.raiseExceptions:
            _writer.put(f"--- Logging error ---\n{traceback.format_exc()}Message: {record.msg!r}\n".encode())


def _gap(lines: int) -> bytes:
    fields = {"lines": lines}
    if _json:
        return _json_line(time.time(), logging.WARNING, "scoreboard.log", LINES_DROPPED, fields) + b"\n"
    record = logging.makeLogRecord({"name": "scoreboard.log", "levelname": "WARNING", "msg": LINES_DROPPED})
    record.fields = fields
    return _TextFormatter().format(record).encode() + b"\n"


def _left_out(name: str, client: str | None, lines: int) -> None:
    event(security, LINES_LEFT_OUT, logging.WARNING, of=name, client=client, lines=lines)


_json = False
_writer = Writer(_gap)
_quota = Quota(_left_out)

_on_behalf_of: ContextVar[Mapping[str, str] | None] = ContextVar("on_behalf_of", default=None)


@contextlib.contextmanager
def on_behalf_of(requests: Mapping[str, str]) -> Iterator[None]:
    """Add the request id to each line about its work: `requests` by the ids of their actions."""
    token = _on_behalf_of.set(requests)
    try:
        yield
    finally:
        _on_behalf_of.reset(token)


def _request_ids(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request of a line about one action, or else all that it was written on behalf of."""
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
    elif "sbk_" in message:
        record.msg, record.args = _without_keys(message), ()
    return True


def _without_keys(value: Any) -> Any:
    return _KEY.sub("sbk_***", value) if isinstance(value, str) else value


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
        fields = getattr(record, "fields", {})
        if record.exc_info:
            fields = {**fields, "exception": self.formatException(record.exc_info)}
        return _json_line(record.created, record.levelno, record.name, record.getMessage(), fields).decode()


def _json_line(seconds: float, level: int, logger: str, message: str, fields: Mapping[str, Any]) -> bytes:
    line = {
        "time": datetime.fromtimestamp(seconds, UTC),
        "level": logging.getLevelName(level).lower(),
        "logger": logger,
        "event": message,
        **fields,
        **_request_ids(fields),
    }
    return _encoder.encode(line)


_encoder = msgspec.json.Encoder(enc_hook=str)
