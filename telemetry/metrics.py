"""Every metric, and how they are read. Source: contract, section 9.

A process counts for itself, or together with its children (`telemetry.metrics_directory`). Labels never hold an id.
"""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from telemetry import logs, metrics_directory

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_process = os.getpid()


def _note_process() -> None:
    global _process
    _process = os.getpid()


if metrics_directory.shared():
    # By hand: the library looks at the directory when it is imported, which a plugin of Celery may have done before it
    # was there; and it would ask the system for the process's id at each count.
    os.register_at_fork(after_in_child=_note_process)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: _process)  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

action_created = Counter("action_created", "Actions that were started.")
action_completed = Counter("action_completed", "Actions that were completed.")
score_updated = Counter("score_updated", "Completed actions whose points reached the standings.")
top10_changed = Counter("top10_changed", "Versions of the board all-time that were put into Redis, whatever it was.")
boards_changed = Counter("boards_changed", "The same of the other boards.", ["board"])
clock_offset = Gauge(
    "clock_offset_seconds",
    "How far this host's clock is off PostgreSQL's, at least.",
    multiprocess_mode="livemax",
)
fraud_verdicts = Counter("fraud_verdicts", "Verdicts on completed actions.", ["verdict", "rule"])
actions_set_aside = Counter("actions_set_aside", "Actions that could not be settled and wait for an operator.")
webhook_attempts = Counter(
    "webhook_attempts",
    "Messages to webhooks, by what became of each attempt: delivered, failed, dead.",
    ["event", "outcome"],
)
replica_reads = Counter(
    "replica_reads",
    "Reads that a replica may answer: answered by it, or by the primary since it was behind, down, or cancelled them.",
    ["outcome"],
)
rate_limited = Counter("rate_limited", "Requests that were refused for a rate limit.", ["policy"])
log_lines_dropped = Counter("log_lines_dropped", "Lines that were not logged, since nobody read the log.")
ws_messages = Counter("ws_messages", "Messages that were handed over to sockets.")
ws_connections = Gauge("ws_connections", "Open sockets.", multiprocess_mode="livesum")
stream_messages = Counter("stream_messages", "Messages that were handed over to streams.")
stream_connections = Gauge("stream_connections", "Open streams.", multiprocess_mode="livesum")
invariant_unchecked = Gauge(
    "invariant_unchecked",
    "1 while the last audit could not finish this check.",
    ["name"],
    multiprocess_mode="livemostrecent",
)
issuer_unreachable = Gauge(
    "issuer_unreachable",
    "1 while the keys of this issuer of tokens can't be fetched.",
    ["issuer"],
    multiprocess_mode="livemax",
)
invariant_violations = Gauge(
    "invariant_violations", "Violations that the newest audit found.", ["name"], multiprocess_mode="mostrecent"
)
push_latency = Histogram(
    "push_latency_seconds",
    "From the answer to a completion until the first socket of the same process was handed a board that shows it.",
    buckets=_SECONDS,
)
http_request_duration = Histogram(
    "http_request_duration_seconds", "Time to the answer's end.", ["route", "method", "status"], buckets=_SECONDS
)
logs.when_dropped(log_lines_dropped.inc)


def begin_at_zero(
    *,
    policies: Iterable[str] = (),
    rules: Iterable[str] = (),
    invariants: Iterable[str] = (),
    webhook_events: Iterable[str] = (),
) -> None:
    """Create every series at 0: an alert can't see the first event of a series that begins with it."""
    for policy in policies:
        rate_limited.labels(policy)
    for rule in rules:
        fraud_verdicts.labels("held", rule)
        fraud_verdicts.labels("cleared", "none")
    for event in webhook_events:
        for outcome in ("delivered", "failed", "dead"):
            webhook_attempts.labels(event, outcome)
    for name in invariants:
        invariant_violations.labels(name).set(0)
        invariant_unchecked.labels(name).set(0)


def begin_replica_at_zero() -> None:
    """The same for a process that has a replica."""
    for outcome in ("replica", "behind", "down", "cancelled"):
        replica_reads.labels(outcome)


class _Asked(Collector):
    """Gauges whose values are computed at the scrape."""

    def __init__(self, values: dict[str, tuple[str, float]]) -> None:
        self._values = values

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, (help_text, value) in self._values.items():
            yield GaugeMetricFamily(name, help_text, value=value)


def scrape(**asked: tuple[str, float]) -> bytes:
    """Return all metrics, of this process's children and siblings too, in Prometheus's text format.

    Args:
        asked: gauges that were computed for this scrape: help text and value by name.
    """
    extra = CollectorRegistry()
    extra.register(_Asked(asked))
    return generate_latest(_of_all_processes()) + generate_latest(extra)


def listeners() -> int:
    """Return how many sockets and streams are open, in this process, its children and siblings."""
    open_ones = ("ws_connections", "stream_connections")
    families = [it for it in _of_all_processes().collect() if it.name in open_ones]
    return int(sum(sample.value for family in families for sample in family.samples))


def _of_all_processes() -> CollectorRegistry:
    directory = metrics_directory.shared()
    registry = CollectorRegistry() if directory else REGISTRY
    if directory:
        _forget_the_dead(directory)
        multiprocess.MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    return registry


def refusal(authorization: str | None, *, token: str | None, production: bool) -> int | None:
    """Return the status with which a scrape is refused, None when it may pass. Source: contract, section 2."""
    if token is None:
        return 403 if production else None
    scheme, _, given = (authorization or "").partition(" ")
    right = scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())
    return None if right else 401


def _forget_the_dead(directory: Path) -> None:
    """Remove the gauges of processes that have ended."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            multiprocess.mark_process_dead(int(pid), str(directory))  # type: ignore[no-untyped-call]
