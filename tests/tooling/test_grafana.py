"""The dashboard and the alerts, before a real Prometheus that scrapes the real service."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import Celery

from config import queues
from tests.support.issuer import Issuer
from tests.support.people import Player, unique
from tests.support.service import ROOT, Process, Service, Stores, eventually, free_port
from tests.support.sockets import listening

GRAFANA = ROOT / "docs" / "grafana"
ALERTS = (GRAFANA / "alerts.yml").read_text()
DASHBOARD = json.loads((GRAFANA / "scoreboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true",
    reason="there is no Prometheus: apt install prometheus",
)


@pytest.fixture(scope="module")
def web(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Issuer() as issuer:
        file = issuer.file(tmp_path_factory.mktemp("issuers") / "issuers.toml")
        yield service.web(RATE_LIMIT_CREATE="8/minute", ISSUERS_FILE=file)


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A worker that holds what a player completes beyond five in a minute."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text("[velocity]\ncompletions_per_minute = 5\n")
    port = free_port()
    process = service.worker(WORKER_METRICS_PORT=str(port), FRAUD_FILE=str(rules))
    process.port = port
    service.beat()
    return process


@pytest.fixture(scope="module")
def prometheus(web: Process, worker: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A Prometheus that scrapes web and worker each second, by the names that the alerts look for."""
    directory = tmp_path_factory.mktemp("prometheus")
    jobs = [
        {"job_name": f"scoreboard-{process.name}", "static_configs": [{"targets": [f"127.0.0.1:{process.port}"]}]}
        for process in (web, worker)
    ]
    config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": jobs}
    (directory / "prometheus.yml").write_text(
        json.dumps({**config, "rule_files": [str(GRAFANA / "alerts.yml")]})  # JSON is YAML
    )
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
            eventually(lambda: _answers(client), within=20, what=f"Prometheus ({directory}/log)")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/query", params={"query": "1"}).status_code == 200
    except httpx2.TransportError:
        return False


def ask(prometheus: httpx2.Client, query: str) -> list[Any]:
    answer = prometheus.get("/query", params={"query": query.replace("$__rate_interval", "10s")})
    assert answer.status_code == 200, f"{query}: {answer.text}"
    result = answer.json()["data"]["result"]
    assert isinstance(result, list)
    return result


@needs_prometheus
def test_every_query_of_the_dashboard_has_an_answer(
    prometheus: httpx2.Client, stores: Stores, web: Process, worker: Process
) -> None:
    player = Player(web.url, unique("dora"))
    with Celery("test", broker=stores.redis_url, set_as_current=False) as sender:  # beat sends the first in a minute
        sender.send_task(queues.AUDIT, queue=queues.SWEEP_QUEUE)

    def play() -> None:
        """Complete, have some held, be refused, fail."""
        with listening(web, player.token):
            for _ in range(9):
                answer = player.start()
                if answer.status_code == 201:
                    player.end(answer.json()["actionId"])
        player.http.get("/users/nobody")

    def unanswered() -> list[str]:
        play()
        return [query for query in QUERIES if not ask(prometheus, query)]

    eventually(lambda: not unanswered(), within=40, what="an answer to each query")
    (lag,) = ask(prometheus, "max(settle_lag_seconds)")
    assert float(lag["value"][1]) < 10
    assert {it["metric"]["job"] for it in ask(prometheus, 'up{job=~"scoreboard-.*"} == 1')} == {
        "scoreboard-web",
        "scoreboard-worker",
    }

    def held_by() -> set[str]:
        play()
        held = ask(prometheus, QUERIES[_place_of("rule")])
        return {it["metric"]["rule"] for it in held if float(it["value"][1]) > 0}

    eventually(lambda: held_by() == {"velocity"}, within=40, what="what was held, by its rule")
    player.close()


def _place_of(label: str) -> int:
    return next(place for place, query in enumerate(QUERIES) if f"by ({label})" in query)


@needs_prometheus
def test_every_alert_is_loaded_and_none_fires_while_all_is_well(prometheus: httpx2.Client) -> None:
    groups = prometheus.get("/rules").json()["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert set(rules) == set(alerts())
    eventually(lambda: all(it["health"] == "ok" for it in _rules(prometheus)), what="each rule was worked out")
    # What is rare and was provoked here for its panel.
    assert {name for name, rule in rules.items() if rule["state"] != "inactive"} <= {"ScoreboardManyHeld"}


def _rules(prometheus: httpx2.Client) -> list[Any]:
    return [rule for group in prometheus.get("/rules").json()["data"]["groups"] for rule in group["rules"]]


@needs_prometheus
def test_alert_fires_when_it_should(tmp_path: Path) -> None:
    for name in alerts():
        text = (Path(__file__).parent / "alerts_test.yml").read_text()
        assert len(re.findall(rf"alertname: {name}\b", text)) >= 2 - (name == "ScoreboardDatabaseAway"), name
    tests = tmp_path / "alerts_test.yml"
    tests.write_text(text.replace("ALERTS", str(GRAFANA / "alerts.yml")))
    for command in (["test", "rules", str(tests)], ["check", "config", str(GRAFANA / "prometheus.yml")]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS)


def test_every_metric_has_a_place_on_the_dashboard() -> None:
    names = re.findall(r"(?:Counter|Gauge)\(\s*\"(\w+)\"", (ROOT / "telemetry" / "metrics.py").read_text())
    assert len(names) >= 9
    missing = {name for name in names if not any(re.search(rf"\b{name}(_total)?\b", query) for query in QUERIES)}
    assert missing == set()
    for name in ("push_latency_seconds_bucket", "http_request_duration_seconds_bucket", "settle_lag_seconds"):
        assert any(name in query for query in QUERIES)


def test_every_alert_has_its_text_for_operators() -> None:
    text = (
        (ROOT / "docs" / "operating.md").read_text().partition("## What to do for each alert")[2].partition("\n## ")[0]
    )
    told = re.findall(r"^\| `(\w+)` \| .{40,} \|$", text, re.MULTILINE)
    assert told == alerts()
