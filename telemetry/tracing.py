"""OpenTelemetry traces: one from the request through the task that settles it to the publish.

Off, and nothing of it imported, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. The SDK reads its other variables itself:
sampler, headers, limits. Spans wait in a bounded queue and are dropped when it is full: a request never waits.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span, Tracer

EXPORT_WITHIN = 2.0
"""Seconds for one export, repetitions included; at the end of a process one more is waited for."""

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None
_request: ContextVar["Span | None"] = ContextVar("request", default=None)


def set_up(part: str, endpoint: str | None) -> None:
    """Send the spans of this process, "web" or "worker", to `endpoint`; after a fork, as a thread sends them."""
    global _provider, _tracer
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": f"scoreboard-{part}", "service.namespace": "scoreboard"})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if part == "web":
        _provider.sampler = _own_decision(_provider.sampler)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_WITHIN)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("scoreboard")


def _own_decision(sampler: "Sampler") -> "Sampler":
    """Return a sampler that decides on a stranger's sampled trace as on one that begins here.

    Anybody can send `traceparent`, and would otherwise have each of their requests traced, whatever part of them the
    operator chose. The trace's id can't decide either, since they choose that too.
    """
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import get_current_span

    class OwnDecision(Sampler):
        def should_sample(self, parent_context: Any, trace_id: int, *args: Any, **kwargs: Any) -> Any:
            parent = get_current_span(parent_context).get_span_context()
            if parent.is_remote and parent.trace_flags.sampled:
                return sampler.should_sample(None, ids.generate_trace_id(), *args, **kwargs)
            return sampler.should_sample(parent_context, trace_id, *args, **kwargs)

        def get_description(self) -> str:
            return f"OwnDecision({sampler.get_description()})"

    ids = RandomIdGenerator()
    return OwnDecision()


def shut_down() -> None:
    """Send what waits, for a bounded time."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def is_on() -> bool:
    """Return whether spans are made in this process."""
    return _tracer is not None


@contextlib.contextmanager
def request(headers: Sequence[tuple[bytes, bytes]], request_id: str) -> Iterator[None]:
    """Make the span of a request, as a part of the caller's trace if it names one."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import SpanKind

    carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in _CARRIED}
    attributes = {"scoreboard.request_id": request_id}
    span = _tracer.start_span("request", _propagator().extract(carrier), SpanKind.SERVER, attributes)
    token = _request.set(span)
    try:
        yield
    finally:
        _request.reset(token)
        span.end()


def answered(method: str, route: str, status: int) -> None:
    """Record the request's outcome; of its path and query only the route's pattern."""
    span = _request.get()
    if span is None:
        return
    from opentelemetry.trace import StatusCode

    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def carried() -> str | None:
    """Return the request's span as a message carries it, None when there is none or it is not sampled."""
    span = _request.get()
    if span is None or not span.get_span_context().trace_flags.sampled:
        return None
    from opentelemetry.trace import set_span_in_context

    carrier: dict[str, str] = {}
    _propagator().inject(carrier, set_span_in_context(span))
    return carrier.get("traceparent")


@contextlib.contextmanager
def task(name: str, parents: Sequence[str]) -> Iterator[None]:
    """Make the span of a task in the trace of its first parent; the other requests it serves are linked."""
    if _tracer is None or not parents:
        yield
        return
    from opentelemetry.trace import Link, SpanKind, get_current_span

    contexts = [_propagator().extract({"traceparent": parent}) for parent in parents]
    links = [Link(get_current_span(it).get_span_context()) for it in contexts[1:]]
    with _tracer.start_as_current_span(name, contexts[0], SpanKind.CONSUMER, links=links, record_exception=False):
        yield


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Make the span of a part of a task; none outside of one."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        if get_current_span().get_span_context().is_valid:
            with _tracer.start_as_current_span(name, record_exception=False):
                yield
            return
    yield


_CARRIED = (b"traceparent", b"tracestate")


def _propagator() -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()
