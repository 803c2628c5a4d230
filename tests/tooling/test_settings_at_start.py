"""A malformed environment stops a process at its start, with one line for each mistake that names the variable."""

import re
import socket
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

from config.settings import DEVELOPMENT_SECRET
from tests.support.service import ROOT, Service, Stores

PROCESSES: dict[str, list[str]] = {
    "web": [sys.executable, "-m", "app"],
    "worker": ["celery", "-A", "workers.app", "worker", "--concurrency", "1"],
    "beat": ["celery", "-A", "workers.app", "beat"],
    "flower": [sys.executable, "-m", "workers.flower"],
    "release": [sys.executable, "-m", "db.migrate"],
    "manage": [sys.executable, "-m", "app.cli", "demo"],
}
RATE = ["often", "10", "-1/minute", "0/minute", "10/fortnight", "1.5/minute"]
COUNT = ["many", "-1", "0", "1e3", "٣"]
NETWORKS = ["10.0.0.0/33", "localhost", "10.0.0.0/8;192.168.0.0/16", "2001:db8::/129"]
SECRET = ["short", "x" * 31]
MALFORMED: dict[str, list[str]] = {
    "APP_ENV": ["prod", "Production"],
    "DATABASE_URL": [
        "mysql://localhost/x",
        "localhost",
        "postgresql://localhost:port/x",
        "sqlite://",
        "postgresql://localhost/x?schema=other",
    ],
    "REDIS_URL": [
        "http://localhost",
        "localhost:6379",
        "redis://localhost:port/0",
        "redis://localhost/first",
        "redis://localhost?x=1",
    ],
    "DATABASE_REPLICA_URL": ["mysql://localhost/x", "localhost", "postgresql://localhost/x?schema=other"],
    "REPLICA_MAX_LAG": [*COUNT, "301"],
    "PUBSUB_URL": ["amqp://localhost", "localhost", "redis://localhost?x=1"],
    "CELERY_BROKER_URL": ["amqp://localhost", "localhost", "redis://localhost:99999/0"],
    "SECRET_KEY": SECRET,
    "SECRET_KEYS_RETIRED": [*SECRET, "x" * 32 + ",short"],
    "SIGNING_KEY": ["rubbish", "hmac:?", "hmac:c2hvcnQ=", "ed25519:c2hvcnQ=", "rsa:" + "A" * 44],
    "SIGNING_KEYS_RETIRED": ["rubbish", "hmac:" + "A" * 44 + ",rubbish"],
    "ACCESS_TOKEN_TTL": [*COUNT, "31536000"],
    "REGISTRATION": ["yes", "OPEN"],
    "ASK_EMAIL": ["yes", "1"],
    "SERVICE_NAME": ["x" * 61],
    "BRAND_NAME": ["x" * 61],
    "BRAND_LOGO": ["/nowhere/logo.svg", "/etc/hostname", "https://", "https://example.com/my logo.svg"],
    "BRAND_COLOR": ["green", "#12345", "0b6e4f"],
    "BRAND_WELCOME": ["x" * 201],
    "PUBLIC_URL": ["play.example.com", "https://play.example.com/?x"],
    "PASSWORD_LOGIN": ["no", "OFF"],
    "TOP_SCORES_AUTH": ["yes", "none"],
    "ALLOWED_ORIGINS": ["play.example.com", "https://play.example.com/path", "*", "ftp://example.com", "https://"],
    "EMBED_ORIGINS": ["blog.example.com", "*", "https://example.com/page"],
    "TRUSTED_PROXIES": NETWORKS,
    "TRUSTED_NETWORKS": NETWORKS,
    "PARTITION_MONTHS": ["0", "5", "24", "monthly", "\u0661"],
    "CLIENT_IP_DAYS": ["-1", "3651", "30d", "1.5", "off", "\u0663"],
    **{
        f"RATE_LIMIT_{name}": RATE
        for name in ("CREATE", "COMPLETE", "ACTIONS", "USER", "IP", "WS", "LOGIN_IP", "LOGIN_ACCOUNT", "KEY")
    },
    "BOARDS_FILE": ["/nowhere/boards.toml", "/"],
    "SCORING_FILE": ["/nowhere/scoring.toml", "/"],
    "FRAUD_FILE": ["/nowhere/fraud.toml", "/"],
    "ISSUERS_FILE": ["/nowhere/issuers.toml", "/"],
    "WEBHOOK_PRIVATE_ADDRESSES": ["yes", "ON"],
    "BLOCKED_NAMES_FILE": ["/nowhere/names.txt", "/"],
    "WS_MAX_PER_USER": COUNT,
    "WS_MAX_PER_IP": COUNT,
    "WS_MAX_CONNECTIONS": COUNT,
    "PUSH_INTERVAL_MS": ["soon", "-1", "0.5"],
    "KEEP_ALIVE": ["long", "0", "3601"],
    "ROOT_PATH": [
        "board",
        "/",
        "/board/",
        "//board",
        "/a/../board",
        "/my board",
        "/%62oard",
        "https://example.com/board",
    ],
    "PORT": [*COUNT, "65536"],
    "WEB_CONCURRENCY": COUNT,
    "LOG_LEVEL": ["LOUD", "5"],
    "FLOWER_PORT": [*COUNT, "65536"],
    "WORKER_METRICS_PORT": ["many", "-1", "65536"],
    "FLOWER_BASIC_AUTH": ["nobody", ":", "user:"],
}
ROUNDS: list[dict[str, str]] = [
    {name: value for name, value in zip(MALFORMED, values, strict=True) if value is not None}
    for values in zip_longest(*MALFORMED.values())
]
GOOD_SECRET = "of-this-test-alone-and-of-no-other-0123456789"


def complaints(stores: Stores, process: str, **env: str) -> list[str]:
    """Return the lines that a process ends with, which must be no success and no traceback."""
    ended = stores.run(*PROCESSES[process], **env)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return (ended.stdout + ended.stderr).strip().splitlines()


def test_every_variable_of_the_readme_has_its_mistakes_here() -> None:
    text = (ROOT / "docs" / "contract.md").read_text()
    section = text.partition("## 2.")[2].partition("## 3.")[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([A-Z_]{4,})`", cell)}
    named = {f"RATE_LIMIT{name}" if name.startswith("_") else name for name in named}
    assert "RATE_LIMIT_LOGIN_ACCOUNT" in named
    assert named - set(MALFORMED) == {"METRICS_TOKEN"}, "a token may be any text"


@pytest.mark.parametrize("environment", ROUNDS, ids=range(len(ROUNDS)))
def test_malformed_variables_get_one_line_each(stores: Stores, environment: dict[str, str]) -> None:
    lines = complaints(stores, "web", **environment)
    assert sorted(re.sub(r"^scoreboard: ([A-Z_]+): .+", r"\1", line) for line in lines) == sorted(environment)


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_stops_with_one_line(stores: Stores, process: str) -> None:
    (line,) = complaints(stores, process, ACCESS_TOKEN_TTL="soon")
    assert "ACCESS_TOKEN_TTL" in line
    assert "soon" in line


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_names_a_parameter_that_is_not_understood(stores: Stores, process: str) -> None:
    (line,) = complaints(stores, process, DATABASE_URL=f"{stores.database_url}?schema=tenant")
    assert line.startswith("scoreboard: DATABASE_URL: ")
    assert "schema" in line


@pytest.mark.parametrize("path", ["/users", "/admin/board", "/static", "/.well-known/board", "/ws"])
def test_path_of_the_service_itself_is_no_root_path(stores: Stores, path: str) -> None:
    (line,) = complaints(stores, "web", ROOT_PATH=path)
    assert line.startswith("scoreboard: ROOT_PATH: ")


def test_parameters_of_other_clients_are_understood(stores: Stores) -> None:
    url = f"{stores.database_url}?pgbouncer=true&schema=public&connection_limit=1&sslmode=prefer"
    ended = stores.run(*PROCESSES["release"], DATABASE_URL=url, REDIS_URL=f"{stores.redis_url}?family=0")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_missing_store_is_named(stores: Stores, name: str) -> None:
    (line,) = complaints(stores, "web", **{name: ""})
    assert name in line


@pytest.mark.parametrize(("process", "secret"), [*((process, "") for process in PROCESSES), ("web", "short")])
def test_production_does_not_start_on_a_default_or_short_secret(stores: Stores, process: str, secret: str) -> None:
    (line,) = complaints(stores, process, APP_ENV="production", SECRET_KEY=secret, FLOWER_BASIC_AUTH="user:a-password")
    assert "SECRET_KEY" in line


def test_production_refuses_the_development_key_by_name_too(stores: Stores) -> None:
    (line,) = complaints(stores, "web", APP_ENV="production", SECRET_KEY=DEVELOPMENT_SECRET)
    assert "SECRET_KEY" in line
    (line,) = complaints(
        stores, "web", APP_ENV="production", SECRET_KEY=GOOD_SECRET, SECRET_KEYS_RETIRED=DEVELOPMENT_SECRET
    )
    assert "SECRET_KEYS_RETIRED" in line


def test_flower_does_not_start_in_production_without_a_password(stores: Stores) -> None:
    (line,) = complaints(stores, "flower", APP_ENV="production", SECRET_KEY=GOOD_SECRET)
    assert "FLOWER_BASIC_AUTH" in line


RULES: dict[str, tuple[str, str]] = {
    "no TOML": ("[types.default", ""),
    "no default type": ("[types.quest]\npoints = 1", "types.default"),
    "no points": ("[types.default]\n", "points"),
    "points as text": ('[types.default]\npoints = "10"', "types.default.points"),
    "unknown key": ("[types.default]\npoints = 1\npoint = 1", "point"),
    "never": ("[types.default]\npoints = 1\nmin_seconds = 5\nmax_seconds = 5", "types.default.max_seconds"),
}


@pytest.mark.parametrize(("text", "key"), RULES.values(), ids=RULES)
def test_malformed_scoring_rules_are_one_line_naming_the_key(
    stores: Stores, tmp_path: Path, text: str, key: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    (line,) = complaints(stores, "web", SCORING_FILE=str(path))
    assert "SCORING_FILE" in line
    assert key in line.partition("SCORING_FILE")[2]


BAD_SCORING = ("SCORING_FILE", "[types.default]\npoints = -1", "types.default.points")
BAD_BOARDS = ("BOARDS_FILE", "[boards.all-time]\nreset = 7", "boards.all-time.reset")
BAD_FRAUD = ("FRAUD_FILE", "[velocity]\ncompletions_per_minute = -1", "velocity.completions_per_minute")
BAD_NAMES = ("BLOCKED_NAMES_FILE", "troll\n...\n", "line 2")


BAD_ISSUERS = ("ISSUERS_FILE", "[issuers.staff]\nissuer = 'https://a'\naudience = 'b'", "issuers.staff")


@pytest.mark.parametrize(
    ("process", "variable", "text", "key"),
    [
        *((process, *bad) for process in ("worker", "beat") for bad in (BAD_SCORING, BAD_FRAUD)),
        ("web", *BAD_ISSUERS),
        *((process, *BAD_BOARDS) for process in ("web", "worker", "beat", "release")),
        ("web", *BAD_NAMES),
    ],
)
def test_malformed_rules_stop_the_worker_and_the_scheduler_too(
    stores: Stores, tmp_path: Path, process: str, variable: str, text: str, key: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    (line,) = complaints(stores, process, **{variable: str(path)})
    assert variable in line
    assert key in line


def test_port_that_is_taken_is_one_line(stores: Stores) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (line,) = complaints(stores, "web", PORT=port)
    assert "PORT" in line
    assert port in line


def test_database_url_is_taken_in_both_spellings(service: Service, stores: Stores) -> None:
    for scheme in ("postgres", "postgresql"):
        process = service.web(DATABASE_URL=stores.database_url.replace("postgresql", scheme, 1))
        assert process.stop() in (0, -15)


def test_values_at_the_edge_of_the_rule_are_taken(service: Service) -> None:
    process = service.web(
        SECRET_KEY="x" * 32,
        ALLOWED_ORIGINS="https://play.example.com, http://localhost:5173",
        TRUSTED_PROXIES="10.0.0.0/8,127.0.0.1, 2001:db8::/32",
        PUSH_INTERVAL_MS="0",
        LOG_LEVEL="debug",
        RATE_LIMIT_CREATE="1/second",
        WORKER_METRICS_PORT="0",
        SIGNING_KEY="ed25519:" + "A" * 43 + "=",
    )
    process.stop()
