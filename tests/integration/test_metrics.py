"""GET /metrics of web and worker: what is counted, over all processes, and who may look."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from app.domain import fraud
from config import queues
from db.redis import AUDIT_CURSOR_KEY
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually, free_port, problem
from tests.support.sockets import listening, message

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(url: str, token: str | None = None) -> Samples:
    """Return every sample by name and labels."""
    answer = httpx2.get(f"{url}/metrics", headers={"authorization": f"Bearer {token}"} if token else {}, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Sum the samples of a name that have these labels."""
    wanted = set(labels.items())
    return sum(number for (found, has), number in samples.items() if found == name and wanted <= has)


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A worker that shows its metrics, and holds what a player completes beyond five in a minute."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text("[velocity]\ncompletions_per_minute = 5\n")
    port = free_port()
    process = service.worker(WORKER_METRICS_PORT=str(port), FRAUD_FILE=str(rules))
    process.port = port
    yield process
    process.stop()


def test_completion_is_counted_on_its_way_to_the_sockets(
    service: Service, stores: Stores, worker: Process, web: Process, alice: Player
) -> None:
    before, settled = scrape(web.url), scrape(worker.url)
    with listening(web, alice.token) as websocket:
        message(websocket)
        alice.score()
        message(websocket)
        now = scrape(web.url)
        assert value(now, "ws_connections") == value(before, "ws_connections") + 1
        assert value(now, "ws_messages_total") == value(before, "ws_messages_total") + 2
    for name in ("action_created_total", "action_completed_total", "push_latency_seconds_count"):
        assert value(now, name) == value(before, name) + 1, name
    assert value(now, "push_latency_seconds_sum") < value(before, "push_latency_seconds_sum") + 10
    after = scrape(worker.url)
    assert value(after, "score_updated_total") == value(settled, "score_updated_total") + 1
    assert value(after, "top10_changed_total") == value(settled, "top10_changed_total") + 1
    cleared = {"verdict": "cleared", "rule": "none"}
    assert value(after, "fraud_verdicts_total", **cleared) == value(settled, "fraud_verdicts_total", **cleared) + 1
    eventually(lambda: value(scrape(web.url), "ws_connections") == value(before, "ws_connections"), what="it is gone")


def test_every_labelled_series_is_there_at_zero_from_the_start(service: Service) -> None:
    """Or else an alert on its increase never sees the first event."""
    port = free_port()
    worker = service.worker(WORKER_METRICS_PORT=str(port))
    worker.port = port
    web = service.web(RATE_LIMIT_CREATE="10/minute", RATE_LIMIT_LOGIN_ACCOUNT="5/minute")
    seen = {**scrape(web.url), **scrape(worker.url)}
    worker.stop()
    wanted = [("rate_limited_total", "policy", name) for name in ("create", "login_account", "login_failures")]
    wanted += [("fraud_verdicts_total", "rule", name) for name in ("none", *fraud.RULES)]
    names = ("scored-once", "top-scores", "ranks", "outbox", "published", "versions", "total-scores", "standings")
    for metric in ("invariant_violations", "invariant_unchecked"):
        wanted += [(metric, "name", name) for name in names]
    for metric, label, value_ in wanted:
        found = [number for (name, labels), number in seen.items() if name == metric and (label, value_) in labels]
        assert found == [0], (metric, value_)


def test_board_that_nobody_was_there_to_see_is_not_timed(web: Process, worker: Process, alice: Player) -> None:
    before = scrape(web.url)
    alice.score()
    eventually(lambda: alice.user_id in alice.http.get("/top-scores").text, what="the board")
    with listening(web, alice.token) as websocket:
        message(websocket)
        now = scrape(web.url)
    name = "push_latency_seconds_count"
    assert value(now, "action_completed_total") == value(before, "action_completed_total") + 1
    assert value(now, name) == value(before, name)


def test_requests_are_counted_by_the_pattern_of_their_path(web: Process, alice: Player) -> None:
    action_id = alice.started()
    alice.end(action_id)
    alice.end(action_id)
    for path in ("/nothing/here", "/static/base.css", f"/users/{alice.user_id}/actions/{action_id}"):
        alice.http.get(path)
    samples = scrape(web.url)
    path = "/users/{user_id}/actions/{action_id}"
    for route, method, status in (
        (path, "PUT", "200"),
        (path, "PUT", "409"),
        (path, "GET", "200"),
        ("unknown", "GET", "404"),
        ("/static", "GET", "200"),
    ):
        labels = {"route": route, "method": method, "status": status}
        assert value(samples, "http_request_duration_seconds_count", **labels) >= 1, labels
    assert not any(alice.user_id in text for _, labels in samples for _, text in labels)
    assert not any(action_id in text for _, labels in samples for _, text in labels)


def test_held_action_is_counted_with_its_rule(worker: Process, bob: Player) -> None:
    labels = {"verdict": "held", "rule": "velocity"}
    before = value(scrape(worker.url), "fraud_verdicts_total", **labels)
    action_ids = [bob.started() for _ in range(7)]
    for action_id in action_ids:
        bob.end(action_id)
    eventually(lambda: all(bob.settlement(it) != "pending" for it in action_ids), what="a verdict on each")
    held = sum(bob.settlement(it) == "held" for it in action_ids)
    assert held > 0
    eventually(lambda: value(scrape(worker.url), "fraud_verdicts_total", **labels) == before + held, what="the count")


def test_refusal_for_a_rate_is_counted_by_its_policy(service: Service) -> None:
    web = service.web(RATE_LIMIT_CREATE="1/hour")
    player = Player(web.url, unique("player"))
    assert [player.start().status_code for _ in range(3)] == [201, 429, 429]
    assert value(scrape(web.url), "rate_limited_total", policy="create") == 2
    player.close()


def test_lag_is_the_age_of_the_oldest_completion_that_waits(service: Service, stores: Stores, worker: Process) -> None:
    web = service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")  # who completes here waits for the sweep
    player = Player(web.url, unique("player"))
    player.score()
    stores.execute("UPDATE actions SET end_at = now() - interval '100 seconds' WHERE settlement = 'pending'")
    assert 99 < value(scrape(web.url), "settle_lag_seconds") < 130
    beat = service.beat()
    eventually(lambda: value(scrape(web.url), "settle_lag_seconds") == 0, what="no lag")
    beat.stop()
    player.close()


def test_audit_tells_each_invariant_and_its_violations(stores: Stores, worker: Process, alice: Player) -> None:
    def audited() -> Samples:
        with Celery(broker=stores.redis_url, set_as_current=False) as celery:
            celery.send_task(queues.AUDIT, queue=queues.SWEEP_QUEUE)
        return eventually(lambda: violations() if violations() != before else {}, what="another audit")

    def violations() -> Samples:
        return {key: number for key, number in scrape(worker.url).items() if key[0] == "invariant_violations"}

    before = violations()
    stores.execute("UPDATE users SET total_score = total_score + 1 WHERE id = :id", id=alice.user_id)
    stores.redis.delete(AUDIT_CURSOR_KEY)
    wrong = audited()
    assert sum(wrong.values()) == 1
    assert "invariant.violated" in worker.output()
    before = wrong
    stores.execute("UPDATE users SET total_score = total_score - 1 WHERE id = :id", id=alice.user_id)
    stores.redis.delete(AUDIT_CURSOR_KEY)
    assert sum(audited().values()) == 0


def test_metrics_without_the_database_tell_everything_else(service: Service) -> None:
    web = service.web(DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/0")
    samples = scrape(web.url)
    assert ("settle_lag_seconds", frozenset()) not in samples
    assert ("action_created_total", frozenset()) in samples


def test_metrics_of_all_processes_count_together(service: Service) -> None:
    web = service.web(WEB_CONCURRENCY="2")
    player = Player(web.url, unique("player"))
    for _ in range(12):
        with httpx2.Client(base_url=web.url, headers=player.http.headers, timeout=10) as client:  # any of the two
            assert client.post(f"/users/{player.user_id}/actions", json={"status": "started"}).status_code == 201
    assert {value(scrape(web.url), "action_created_total") for _ in range(6)} == {12}
    player.close()


def test_sockets_of_a_process_that_died_are_counted_no_more(service: Service) -> None:
    web = service.web(WEB_CONCURRENCY="2")
    player = Player(web.url, unique("player"))
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening(web, player.token)) for _ in range(4)]
        for it in sockets:
            message(it)
        eventually(lambda: value(scrape(web.url), "ws_connections") == 4, what="the sockets")
        for pid in serving(web):
            os.kill(pid, signal.SIGKILL)
        # The service starts others in their place.
        left = eventually(lambda: [s for s in [scraped(web)] if s is not None], within=20, what="an answer")
        assert value(left[0], "ws_connections") == 0
    player.close()


def serving(web: Process) -> list[int]:
    """Return the processes that serve for a web process: its children."""
    children = Path(f"/proc/{web.popen.pid}/task/{web.popen.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def scraped(web: Process) -> Samples | None:
    with suppress(httpx2.TransportError):
        return scrape(web.url)
    return None


def test_metrics_are_shown_to_whom(service: Service) -> None:
    guarded = service.web(METRICS_TOKEN="the token")
    problem(httpx2.get(f"{guarded.url}/metrics", timeout=10), 401)
    for wrong in ("Bearer another", "Bearer the tokens", "Basic the token", "the token", "Bearer", "Bearer thé token"):
        headers = {b"authorization": wrong.encode()}
        problem(httpx2.get(f"{guarded.url}/metrics", headers=headers, timeout=10), 401)
    assert scrape(guarded.url, "the token")
    production = service.web(APP_ENV="production", SECRET_KEY="k" * 32)
    problem(httpx2.get(f"{production.url}/metrics", timeout=10), 403)


def test_worker_metrics_are_shown_to_whom(service: Service) -> None:
    port = free_port()
    guarded = service.worker(WORKER_METRICS_PORT=str(port), METRICS_TOKEN="the token")
    url = f"http://127.0.0.1:{port}"
    assert httpx2.get(f"{url}/metrics", timeout=10).status_code == 401
    assert httpx2.get(f"{url}/", timeout=10).status_code == 404
    assert scrape(url, "the token")
    second = service.worker(WORKER_METRICS_PORT=str(port))
    eventually(lambda: "WORKER_METRICS_PORT" in second.output(), what="a line that says that the port is taken")
    assert second.popen.poll() is None
    for process in (second, guarded):
        process.stop()
