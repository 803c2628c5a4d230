"""Serving the application with uvicorn."""

import gc
import resource
import signal
import socket
import sys
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from app.domain import board_rules, fraud, issuers, names, scoring
from app.http.root_path import own_paths
from app.main import create_app
from app.router import ROUTES
from app.serving import draining, http_protocol, websocket_protocol
from config import rules, settings
from config.version import VERSION
from telemetry import logs, tracing

SWITCH_INTERVAL = 0.0005
"""Seconds of the GIL's switch interval: the default starves the database threads."""

GC_THRESHOLDS = (10_000, 20, 50)
"""Thresholds of the garbage collector, raised because we create few reference cycles."""


OPEN_FILES = 65_536
"""The soft limit on open files, if the hard one allows it: the usual 1,024 are too few, as each socket is one."""


def application() -> ASGIApp:
    """Make this process's application: what uvicorn calls, in each of its processes."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    # Imported modules are never freed; scanning them in each full collection stopped the process for 80 ms.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    config = settings.load_or_exit()
    logs.set_up(config.log_level, json=config.production)
    tracing.set_up("web", config.traces_endpoint)
    return create_app(config)


def serve() -> None:
    """Check settings and rules, then serve on `PORT` with `WEB_CONCURRENCY` processes."""
    # uvicorn raises its signal once more when it has shut down, and the default action would be death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    config = settings.load_or_exit()
    logs.set_up(config.log_level, json=config.production)
    rules.load_or_exit("BOARDS_FILE", config.boards_file, board_rules.parse)
    rules.load_or_exit("SCORING_FILE", config.scoring_file, scoring.parse)
    rules.load_or_exit("ISSUERS_FILE", config.issuers_file, partial(issuers.parse, production=config.production))
    rules.load_text_or_exit("BLOCKED_NAMES_FILE", config.blocked_names_file, names.parse_blocked)
    rules.load_or_exit("FRAUD_FILE", config.fraud_file, fraud.parse)  # the worker's, but a mistake should show here too
    if config.root_path and f"/{config.root_path.split('/')[1]}" in own_paths(ROUTES):
        settings.exit_with(
            [f"ROOT_PATH: must not begin with a path of the service's own, as {config.root_path!r} does"]
        )
    _raise_open_files()
    server_config = uvicorn.Config(
        "app.server:application",
        factory=True,
        host="0.0.0.0",
        port=config.port,
        workers=config.web_concurrency,
        loop="app.serving.event_loop:Loop",
        http=http_protocol.ProductionProtocol if config.production else http_protocol.HttpProtocol,
        ws=websocket_protocol.WebSocketProtocol,
        ws_max_size=4096,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=config.keep_alive,
        timeout_graceful_shutdown=draining.GRACE,
        backlog=2048,
    )
    listener = _listen(config.port)
    logs.started("web", VERSION)
    if config.web_concurrency > 1:
        Multiprocess(server_config, sockets=[listener]).run()
    else:
        uvicorn.Server(server_config).run(sockets=[listener])


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _listen(port: int) -> socket.socket:
    """Open the port, or end the process with one line."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("0.0.0.0", port))
    except OSError as error:
        settings.exit_with([f"PORT: {port} can't be opened: {error.strerror}"])
    listener.set_inheritable(True)
    return listener
