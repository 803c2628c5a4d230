"""The worker's metrics, on a port of their own."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from config.settings import Settings
from telemetry import metrics

log = logging.getLogger("scoreboard.metrics")


def serve(settings: Settings) -> None:
    """Answer GET /metrics in a thread; a port that can't be had is no reason for the worker to end."""
    port = settings.worker_metrics_port
    if not port:
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = 404 if self.path.partition("?")[0] != "/metrics" else None
            status = status or metrics.refusal(
                self.headers.get("Authorization"), token=settings.metrics_token, production=settings.production
            )
            body = b"" if status else metrics.scrape()
            self.send_response(status or 200)
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Content-Type", metrics.CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer(("", port), Handler)
    except OSError as error:
        log.warning("WORKER_METRICS_PORT: %d can't be opened (%s), this worker shows no metrics", port, error.strerror)
        return
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
