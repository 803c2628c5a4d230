"""Cross-origin requests (CORS): which pages of other origins may call the API, and with which headers."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from config.settings import Settings

TRACING_HEADERS = (
    *("traceparent", "tracestate", "baggage"),  # W3C
    *("sentry-trace", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "newrelic"),
    *("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-origin", "x-datadog-sampling-priority"),
    *("elastic-apm-traceparent", "x-amzn-trace-id", "x-cloud-trace-context", "request-id", "request-context"),
)
"""What libraries that watch a page add to its requests: a preflight that refuses one of them refuses the page."""


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Let pages of the allowed origins call the API."""
    if not settings.allowed_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "X-Request-ID"),
            *TRACING_HEADERS,
        ],
        expose_headers=[
            "Board-Frozen",
            "Board-Revealed",
            "Broadcasting",
            "ETag",
            "Idempotency-Replayed",
            "Location",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-ID",
        ],
        max_age=600,
    )
