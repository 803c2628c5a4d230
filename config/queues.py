"""The names and bounds of tasks and queues, for the senders (web, beat) and the worker."""

from redis.connection import parse_url

SETTLE = "scoreboard.settle"
SWEEP = "scoreboard.sweep"
AUDIT = "scoreboard.audit"
WEBHOOKS = "scoreboard.webhooks"

REQUESTS, SPANS = "scoreboardRequests", "scoreboardSpans"
"""Headers of a settle message: the ids of the requests that completed its actions, in their order, and their spans."""

SETTLE_QUEUE = "settle"
SWEEP_QUEUE = "sweep"
WEBHOOKS_QUEUE = "webhooks"
"""Of its own: workers of the release before, which don't know the task, leave it alone."""

QUEUES = (SETTLE_QUEUE, SWEEP_QUEUE, WEBHOOKS_QUEUE)

ROUTES = {
    SETTLE: {"queue": SETTLE_QUEUE},
    SWEEP: {"queue": SWEEP_QUEUE},
    AUDIT: {"queue": SWEEP_QUEUE},
    WEBHOOKS: {"queue": WEBHOOKS_QUEUE},
}

SWEEP_EVERY = 2
"""Seconds between two sweeps."""

AUDIT_EVERY = 60
"""Seconds between two audits."""

WEBHOOKS_EVERY = 1
"""Seconds between two looks at what webhooks are to be told: of a busy board they are told once in these."""

# No message expires: Celery's `expires` is set by the sender's clock and judged by the worker's. Instead the queues are
# bounded, and a message that comes late or twice finds nothing to do.
LONGEST_SETTLE_QUEUE = 2000
"""Settle messages that may wait; completions beyond that are left to the sweep."""

LONGEST_SWEEP_QUEUE = {SWEEP: 4, AUDIT: 8, WEBHOOKS: 2}
"""Messages in a task's queue at which beat sends no more of it; audits go on where sweeps are slow."""

BATCH = 500
"""The most actions that one transaction settles."""


def broker_options(socket_timeout: float) -> dict[str, object]:
    """Return Celery's options for a Redis broker whose every wait is bounded by `socket_timeout` seconds."""
    return {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": min(socket_timeout, 2.0),
        "socket_keepalive": True,
        "retry_on_timeout": False,
        "max_retries": 0,
        "health_check_interval": 10,
        # kombu would keep every message that is being worked on in Redis, to deliver it again. Outbox and sweep do that
        # better, and a worker that Redis doesn't answer when it acknowledges would never ask for another message.
        "ack_emulation": False,
    }


def broker_tls(url: str) -> dict[str, object] | None:
    """Return Celery's `broker_use_ssl` for a broker's address: what the address says of TLS, None if it has none.

    Unsaid, kombu would take any certificate; and Flower does not look into the address.
    """
    if not url.startswith("rediss://"):
        return None
    parts = parse_url(url)  # type: ignore[no-untyped-call]
    said = {name: value for name, value in parts.items() if name.startswith("ssl_")}
    return {"ssl_cert_reqs": "required", **said}
