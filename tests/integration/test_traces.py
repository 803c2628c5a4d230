"""One trace from a PUT through the task to the publish, and the request's id in the worker's lines."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores, eventually


class Collector(ThreadingHTTPServer):
    """Takes spans as a collector does, over HTTP."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["content-length"]))
                assert handler.path == "/v1/traces"
                self.bodies.append(body)
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self, trace: str) -> dict[str, Any]:
        """Return the spans of a trace by their names, each with its service's name."""
        found = {}
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {it.key: it.value.string_value for it in resource.resource.attributes}["service.name"]
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        if span.trace_id.hex() == trace:
                            found[span.name] = (service, span)
        return found


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def traced(url: str) -> dict[str, Any]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "APP_ENV": "production",
        "REGISTRATION": "open",
        "SECRET_KEY": "s" * 32,
    }


@pytest.fixture(scope="module")
def worker(service: Service, collector: Collector) -> Process:
    return service.worker(**traced(collector.url))


@pytest.fixture(scope="module")
def web(service: Service, worker: Process, collector: Collector) -> Process:
    return service.web(**traced(collector.url))


PUT = "PUT /users/{user_id}/actions/{action_id}"


def test_trace_runs_from_the_put_through_the_task_to_the_publish(
    stores: Stores, collector: Collector, web: Process, worker: Process, alice: Player
) -> None:
    trace, caller = uuid.uuid4().hex, "00f067aa0ba902b7"
    alice.http.headers.update({"traceparent": f"00-{trace}-{caller}-01", "x-request-id": f"request-{trace}"})
    action_id = alice.started()
    assert alice.end(action_id).status_code == 200
    names = {"POST /users/{user_id}/actions", PUT, "settle", "publish"}
    eventually(lambda: set(collector.spans(trace)) == names, what="the trace")
    spans = collector.spans(trace)
    assert {name: service for name, (service, _) in spans.items()} == {
        "POST /users/{user_id}/actions": "scoreboard-web",
        PUT: "scoreboard-web",
        "settle": "scoreboard-worker",
        "publish": "scoreboard-worker",
    }
    put, settle, publish = (spans[name][1] for name in (PUT, "settle", "publish"))
    assert put.parent_span_id.hex() == caller
    assert settle.parent_span_id == put.span_id
    assert publish.parent_span_id == settle.span_id
    assert put.start_time_unix_nano < settle.start_time_unix_nano < publish.start_time_unix_nano
    attributes = {it.key: it.value.string_value or it.value.int_value for it in put.attributes}
    assert attributes == {
        "http.request.method": "PUT",
        "http.route": "/users/{user_id}/actions/{action_id}",
        "http.response.status_code": 200,
        "scoreboard.request_id": f"request-{trace}",
    }


def test_request_that_is_not_sampled_makes_no_trace(collector: Collector, alice: Player) -> None:
    unsampled, sampled = uuid.uuid4().hex, uuid.uuid4().hex
    alice.http.headers["traceparent"] = f"00-{unsampled}-00f067aa0ba902b7-00"
    alice.score()
    alice.http.headers["traceparent"] = f"00-{sampled}-00f067aa0ba902b7-01"
    alice.score()
    eventually(lambda: {PUT, "publish"} <= set(collector.spans(sampled)), what="the next one's trace")
    assert collector.spans(unsampled) == {}


def test_stranger_can_not_have_each_request_traced(service: Service, collector: Collector, alice: Player) -> None:
    few: dict[str, Any] = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.000001"}
    web = service.web(**traced(collector.url), **few)
    trace = f"{1:032x}"  # one that every ratio would take
    for _ in range(5):
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        assert httpx2.get(f"{web.url}/action-types", headers=headers, timeout=10).status_code == 200
    assert web.stop() == 0  # and has sent what it had
    assert collector.spans(trace) == {}


def test_workers_lines_name_the_request(worker: Process, alice: Player) -> None:
    request_id = unique("request")
    alice.http.headers["x-request-id"] = request_id
    alice.score()
    found = eventually(
        lambda: [
            line
            for line in map(json.loads, filter(lambda it: it.startswith("{"), worker.output().splitlines()))
            if request_id in line.get("requestIds", ())
        ],
        what="a line of the worker",
    )
    assert "score.updated" in {line["event"] for line in found}


def test_span_holds_nothing_secret(collector: Collector, web: Process, alice: Player) -> None:
    trace = uuid.uuid4().hex
    alice.http.headers["traceparent"] = f"00-{trace}-00f067aa0ba902b7-01"
    alice.login()
    alice.http.get(f"/users/{alice.user_id}?token={alice.token}")
    alice.score()
    names = {"POST /auth/login", "GET /users/{user_id}", PUT, "publish"}
    eventually(lambda: names <= set(collector.spans(trace)), what="the trace")
    exported = b"".join(collector.bodies)
    for secret in (alice.token, PASSWORD, "@example.org", alice.username, "token="):
        assert secret.encode() not in exported


def test_messages_of_another_version_are_settled_as_well(stores: Stores, worker: Process, alice: Player) -> None:
    # An older web process sends no headers with its messages.
    from celery import Celery

    from config import queues

    action_id = alice.started()
    stores.execute(
        "UPDATE actions SET status = 'completed', end_at = now(), score = 0, settlement = 'pending' WHERE id = :id",
        id=action_id,
    )
    with Celery("old", broker=stores.redis_url, set_as_current=False) as old:
        old.send_task(queues.SETTLE, args=[[action_id]], queue=queues.SETTLE_QUEUE)
    eventually(lambda: alice.settlement(action_id) == "cleared", what="it is settled")
