import ipaddress
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from config import settings
from dev.procfile import read_procfile

yaml: Any = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
PROCESSES = read_procfile(ROOT / "Procfile")
SECRETS = {"SECRET_KEY": "k" * 64, "POSTGRES_PASSWORD": "p" * 32, "FLOWER_BASIC_AUTH": "ops:secret"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(TEXT)
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_of_the_procfile_is_a_service(services: dict[str, Any], name: str) -> None:
    assert services[name]["command"] == PROCESSES[name]


def test_services_besides_are_the_stores_and_the_proxy_only(services: dict[str, Any]) -> None:
    assert set(services) == {*PROCESSES, "postgres", "redis", "proxy", "caddy"}
    assert {name for name, service in services.items() if "profiles" in service} == {"caddy"}


def test_every_service_has_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        test = service["healthcheck"]["test"]
        assert test[0] in ("CMD", "CMD-SHELL"), name
        assert len(test) > 1, name


def test_services_wait_for_healthy_stores_and_the_release(services: dict[str, Any]) -> None:
    assert services["release"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in PROCESSES.keys() - {"release"}:
        conditions = {other: how["condition"] for other, how in services[name]["depends_on"].items()}
        assert conditions == {
            "postgres": "service_healthy",
            "redis": "service_healthy",
            "release": "service_completed_successfully",
        }
    for name in ("proxy", "caddy"):
        assert services[name]["depends_on"]["web"]["condition"] == "service_healthy"


def test_every_service_comes_back_but_the_release_runs_once(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "release" else "unless-stopped")


def test_processes_can_write_to_tmp_alone_and_gain_no_rights(services: dict[str, Any]) -> None:
    for name in PROCESSES:
        assert services[name]["read_only"]
        assert services[name]["tmpfs"] == ["/tmp"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_web_and_worker_can_be_scaled_and_drain(services: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        assert "ports" not in services[name]
        assert "container_name" not in services[name]
        assert services[name]["stop_grace_period"] == "30s"


def test_proxies_alone_are_reachable_from_other_machines(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "proxy": ["${PORT:-8000}:80"],
        "flower": ["127.0.0.1:${FLOWER_PORT:-5555}:5555"],
        "caddy": ["80:80", "443:443", "443:443/udp"],
    }


def test_secrets_come_from_the_environment_alone(compose: dict[str, Any]) -> None:
    for name in SECRETS:
        uses = re.findall(rf"\${{{name}[^}}]*}}", TEXT)
        assert uses, name
        assert all(use.startswith(f"${{{name}:?") for use in uses)
    assert compose["x-app"]["environment"]["APP_ENV"] == "${APP_ENV:-production}"


def test_web_believes_the_proxys_network_about_addresses(compose: dict[str, Any]) -> None:
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    assert compose["services"]["web"]["environment"]["TRUSTED_PROXIES"] == network["subnet"]
    default = network["subnet"].removeprefix("${SUBNET:-").removesuffix("}")
    assert ipaddress.ip_network(default).is_private


def test_named_volumes_exist_and_mounted_files_too(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in compose["volumes"]


def test_proxy_holds_all_sockets_that_web_does(services: dict[str, Any]) -> None:
    text = (ROOT / "docs/deploy/nginx.conf").read_text()
    # It is the whole configuration: the stock one around a part of it holds 512 sockets.
    assert "./docs/deploy/nginx.conf:/etc/nginx/nginx.conf:ro" in services["proxy"]["volumes"]
    (most,) = re.findall(r"^\s*worker_connections (\d+);", text, re.M)
    (files,) = re.findall(r"^worker_rlimit_nofile (\d+);", text, re.M)
    sockets = settings.load({"DATABASE_URL": "postgresql://x/x", "REDIS_URL": "redis://x"}).ws_max_connections
    assert int(most) >= 2 * 2 * sockets  # two connections each, and two webs at least
    assert int(files) > int(most)
    for name in ("proxy", "web"):
        assert services[name]["ulimits"]["nofile"] >= int(files)


def test_proxies_drop_idle_connections_before_web_does() -> None:
    text = (ROOT / "docs/deploy/nginx.conf").read_text()
    (upstream,) = re.findall(r"upstream web {.*?keepalive_timeout (\d+)s;.*?}", text, re.S)
    (caddys,) = re.findall(r"^\s*keepalive (\d+)s$", (ROOT / "docs/deploy/Caddyfile").read_text(), re.M)
    kept = settings.load({"DATABASE_URL": "postgresql://x/x", "REDIS_URL": "redis://x"}).keep_alive
    assert int(upstream) < kept
    assert int(caddys) < kept


def test_proxy_upgrades_sockets_and_logs_no_query() -> None:
    text = (ROOT / "docs/deploy/nginx.conf").read_text()
    for line in (
        "proxy_set_header Upgrade $upgrade;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "resolver 127.0.0.11",
        "server web:8000 resolve;",
    ):
        assert line in text
    (log_format,) = re.findall(r"^\s*log_format .*;$", text, re.M)
    assert "$uri" in log_format
    for leak in ("$request ", '$request"', "$request_uri", "$args", "$query_string", "$http_referer"):
        assert leak not in log_format


def test_image_has_all_that_production_needs_and_no_more() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = {source for line in re.findall(r"^COPY (.+) \./\S*$", text, re.M) for source in line.split()}
    requirements = {"requirements.txt", "requirements-tracing.txt"}
    assert copied == requirements | {"Procfile", "config", "telemetry", "db", "app", "tasks", "workers"}
    assert all(f"-r {file}" in text for file in requirements)
    assert "\nUSER scoreboard\n" in text
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == copied


def test_docker_compose_itself_takes_the_file() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose here")
    command = [docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **SECRETS}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


VARIABLE = re.compile(r"`([A-Z][A-Z_]+|_[A-Z_]+)`")
ELSEWHERE = {"PORT", "FLOWER_PORT", "FLOWER_BASIC_AUTH"}
"""Variables that compose gives to one service, or to its own ports."""


def documented() -> set[str]:
    """The variables of README's table; "`RATE_LIMIT_CREATE`, `_COMPLETE`" are two of one kind."""
    names: set[str] = set()
    for line in (ROOT / "README.md").read_text().splitlines():
        if not line.startswith("| `"):
            continue
        first = ""
        for name in VARIABLE.findall(line.split("|")[1]):
            first = name if not name.startswith("_") else first
            names.add(name if not name.startswith("_") else f"{first.rpartition('_')[0]}{name}")
    return names


def test_compose_hands_the_readmes_variables_to_the_processes(compose: dict[str, Any]) -> None:
    given = set(compose["x-app"]["environment"])
    names = documented()
    assert {"RATE_LIMIT_LOGIN_ACCOUNT", "OTEL_EXPORTER_OTLP_ENDPOINT", "SIGNING_KEYS_RETIRED"} <= names
    assert names - ELSEWHERE - given == set()
    assert {name for name in ELSEWHERE if name not in TEXT} == set()


@pytest.mark.parametrize(("name", "port"), [("web", 8000), ("flower", 5555)])
def test_health_check_asks_the_process_despite_proxy_variables(services: dict[str, Any], name: str, port: int) -> None:
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        command, python, option, program = services[name]["healthcheck"]["test"]
        assert (command, python, option) == ("CMD", "python", "-c")
        there = program.replace(f":{port}/", f":{server.server_port}/")
        proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        done = subprocess.run([sys.executable, "-c", there], env={**os.environ, **proxies}, timeout=20, check=False)
    assert done.returncode == 0
