"""The environment: what is taken, what is the default, and the one line that each mistake is told by."""

import base64
import dataclasses
import ipaddress
from pathlib import Path
from typing import Any

import limits
import pytest

from config import settings
from config.settings import HERE, SettingsError, load
from config.values import SigningKey

STORES = {"DATABASE_URL": "postgres://u:p@db.example:5432/scores", "REDIS_URL": "redis://cache.example:6379/0"}
SECRET = "a secret of thirty-two bytes or so"
HMAC = base64.b64encode(bytes(32)).decode()
SEED = base64.b64encode(bytes(range(32))).decode()
LOGO = HERE.parent / "app" / "static" / "favicon.svg"
PRODUCTION = {**STORES, "APP_ENV": "production", "SECRET_KEY": SECRET}


def problems(environ: dict[str, str]) -> list[str]:
    """Return the lines by which an environment is refused."""
    with pytest.raises(SettingsError) as refused:
        load(environ)
    assert str(refused.value).splitlines() == refused.value.problems
    return refused.value.problems


def test_defaults_are_those_of_the_contract() -> None:
    defaults = load(STORES)
    assert dataclasses.asdict(defaults) == {
        "production": False,
        "database_url": "postgresql+psycopg2://u:p@db.example:5432/scores",
        "database_replica_url": None,
        "replica_max_lag": 2,
        "redis_url": STORES["REDIS_URL"],
        "broker_url": STORES["REDIS_URL"],
        "pubsub_url": STORES["REDIS_URL"],
        "secret_key": settings.DEVELOPMENT_SECRET,
        "secret_keys_retired": (),
        "signing_key": None,
        "signing_keys_retired": (),
        "access_token_ttl": 3600,
        "registration": "open",
        "ask_email": False,
        "service_name": "Scoreboard",
        "brand_name": "Scoreboard",
        "brand_logo": None,
        "brand_color": None,
        "brand_welcome": None,
        "public_url": None,
        "password_login": True,
        "top_scores_need_token": False,
        "allowed_origins": (),
        "embed_origins": (),
        "trusted_proxies": (),
        "trusted_networks": (),
        "client_ip_days": 30,
        "partition_months": 12,
        "rates": {
            "create": limits.parse("10/minute"),
            "complete": limits.parse("30/minute"),
            "actions": limits.parse("60/minute"),
            "user": limits.parse("1000/minute"),
            "ip": limits.parse("300/minute"),
            "ws": limits.parse("120/minute"),
            "login_ip": limits.parse("10/minute"),
            "login_account": limits.parse("5/minute"),
            "key": limits.parse("6000/minute"),
        },
        "boards_file": HERE / "boards.toml",
        "scoring_file": HERE / "scoring.toml",
        "issuers_file": HERE / "issuers.toml",
        "fraud_file": HERE / "fraud.toml",
        "webhook_private_addresses": True,
        "blocked_names_file": HERE / "blocked_names.txt",
        "ws_max_per_user": 20,
        "ws_max_per_ip": 50,
        "ws_max_connections": 10_000,
        "push_interval": 0.1,
        "keep_alive": 100,
        "root_path": "",
        "port": 8000,
        "web_concurrency": 1,
        "log_level": "INFO",
        "flower_port": 5555,
        "worker_metrics_port": 9091,
        "metrics_token": None,
        "flower_basic_auth": None,
        "traces_endpoint": None,
    }


def test_empty_or_blank_variable_is_one_that_is_not_set() -> None:
    names = {name.upper() for name in GOOD_NAMES} - set(STORES)
    assert load({**STORES, **dict.fromkeys(names, ""), "PORT": "  "}) == load(STORES)


GOOD: list[tuple[str, str, str, Any]] = [
    ("APP_ENV", "development", "production", False),
    ("DATABASE_URL", "postgres://u:p@h/d", "database_url", "postgresql+psycopg2://u:p@h/d"),
    (
        "DATABASE_URL",
        "postgresql://u:p@h/d?sslmode=require",
        "database_url",
        "postgresql+psycopg2://u:p@h/d?sslmode=require",
    ),
    ("DATABASE_URL", "postgresql+psycopg2://h/d", "database_url", "postgresql+psycopg2://h/d"),
    *(
        ("DATABASE_URL", f"postgres://u:p@h/d?{given}", "database_url", f"postgresql+psycopg2://u:p@h/d{understood}")
        for given, understood in (
            ("pgbouncer=true&connection_limit=1", ""),
            ("schema=public", ""),
            ("sslmode=verify-full&schema=public", "?sslmode=verify-full"),
            ("ssl=true", "?sslmode=require"),
            ("supa=base-pooler.x", ""),
            ("connect_timeout=300&application_name=x", ""),
            ("target_session_attrs=any", "?target_session_attrs=any"),
            ("options=endpoint%3Dx-1", "?options=endpoint%3Dx-1"),
        )
    ),
    *(
        ("DATABASE_URL", f"postgresql://{given}", "database_url", f"postgresql+psycopg2://{understood}")
        for given, understood in (
            ("u:p@a:1,b:2/d", "u:p@/d?host=a%2Cb&port=1%2C2"),
            ("u:p,/p@a,b:2/d?sslmode=require", "u:p%2C%2Fp@/d?host=a%2Cb&port=5432%2C2&sslmode=require"),
            ("a,b/d", "/d?host=a%2Cb"),
            ("u:p@[::1]:1,[::2]/d", "u:p@/d?host=%3A%3A1%2C%3A%3A2&port=1%2C5432"),
        )
    ),
    ("REDIS_URL", "redis://:p@h:6379/0?family=0", "redis_url", "redis://:p@h:6379/0"),
    (
        "CELERY_BROKER_URL",
        "rediss://h?socket_timeout=100&ssl_cert_reqs=none&decode_responses=true",
        "broker_url",
        "rediss://h?ssl_cert_reqs=none",
    ),
    ("REDIS_URL", "rediss://:p@h:6380/1", "redis_url", "rediss://:p@h:6380/1"),
    ("REDIS_URL", "redis://h", "redis_url", "redis://h"),
    (
        "REDIS_URL",
        "rediss://u:p@[::1]:6379/0?ssl_cert_reqs=none&ssl_check_hostname=false",
        "redis_url",
        "rediss://u:p@[::1]:6379/0?ssl_cert_reqs=none&ssl_check_hostname=false",
    ),
    ("CELERY_BROKER_URL", "redis://broker:6379/2", "broker_url", "redis://broker:6379/2"),
    ("PUBSUB_URL", "rediss://h:6380?ssl_cert_reqs=none&timeout=1", "pubsub_url", "rediss://h:6380?ssl_cert_reqs=none"),
    ("DATABASE_REPLICA_URL", "postgres://u@h/d", "database_replica_url", "postgresql+psycopg2://u@h/d"),
    ("REPLICA_MAX_LAG", "300", "replica_max_lag", 300),
    ("SECRET_KEY", SECRET, "secret_key", SECRET),
    ("SECRET_KEY", "ü" * 16, "secret_key", "ü" * 16),  # bytes count
    ("SECRET_KEYS_RETIRED", f"{SECRET}1, {SECRET}2,", "secret_keys_retired", (SECRET + "1", SECRET + "2")),
    ("SIGNING_KEY", f"hmac:{HMAC}", "signing_key", SigningKey("hmac", bytes(32))),
    ("SIGNING_KEY", f"ed25519:{SEED}", "signing_key", SigningKey("ed25519", bytes(range(32)))),
    (
        "SIGNING_KEYS_RETIRED",
        f"hmac:{HMAC},ed25519:{SEED}",
        "signing_keys_retired",
        (SigningKey("hmac", bytes(32)), SigningKey("ed25519", bytes(range(32)))),
    ),
    ("ACCESS_TOKEN_TTL", "1", "access_token_ttl", 1),
    ("ACCESS_TOKEN_TTL", " 60 ", "access_token_ttl", 60),
    ("ACCESS_TOKEN_TTL", "2592000", "access_token_ttl", 30 * 24 * 3600),
    *(("REGISTRATION", text, "registration", text) for text in ("closed", "code", "open")),
    ("ASK_EMAIL", "true", "ask_email", True),
    ("ASK_EMAIL", "false", "ask_email", False),
    ("SERVICE_NAME", "Spring race, 2026: Größe", "service_name", "Spring race, 2026: Größe"),
    ("SERVICE_NAME", "Class 7b", "brand_name", "Class 7b"),
    ("BRAND_NAME", "Größe & Co", "brand_name", "Größe & Co"),
    ("BRAND_LOGO", "https://cdn.example.com:8443/a.svg?v=1", "brand_logo", "https://cdn.example.com:8443/a.svg?v=1"),
    ("BRAND_LOGO", str(LOGO), "brand_logo", LOGO),
    ("BRAND_COLOR", "#0B6E4F", "brand_color", "#0b6e4f"),
    ("BRAND_COLOR", "#fA0", "brand_color", "#ffaa00"),
    ("BRAND_WELCOME", "x" * 200, "brand_welcome", "x" * 200),
    (
        "EMBED_ORIGINS",
        "https://a.example,http://B.example:8080",
        "embed_origins",
        ("https://a.example", "http://b.example:8080"),
    ),
    ("PUBLIC_URL", "https://play.example.com", "public_url", "https://play.example.com"),
    ("PUBLIC_URL", "http://10.0.0.7:8000/board/", "public_url", "http://10.0.0.7:8000/board"),
    ("PASSWORD_LOGIN", "off", "password_login", False),
    ("PASSWORD_LOGIN", "on", "password_login", True),
    ("TOP_SCORES_AUTH", "required", "top_scores_need_token", True),
    ("TOP_SCORES_AUTH", "optional", "top_scores_need_token", False),
    (
        "ALLOWED_ORIGINS",
        "https://a.example, http://b.example:8080/,https://[2001:db8::1]:444",
        "allowed_origins",
        ("https://a.example", "http://b.example:8080", "https://[2001:db8::1]:444"),
    ),
    ("ALLOWED_ORIGINS", "HTTPS://A.Example", "allowed_origins", ("https://a.example",)),
    (
        "ALLOWED_ORIGINS",
        "https://a.example:443,http://b.example:80/,http://[2001:db8::1]:80,http://c.example:443",
        "allowed_origins",
        ("https://a.example", "http://b.example", "http://[2001:db8::1]", "http://c.example:443"),
    ),
    (
        "TRUSTED_PROXIES",
        "10.0.0.0/8, 192.0.2.7,fd00::/8",
        "trusted_proxies",
        tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8"))),
    ),
    ("TRUSTED_NETWORKS", "198.51.100.9/24", "trusted_networks", (ipaddress.ip_network("198.51.100.0/24"),)),
    ("WEBHOOK_PRIVATE_ADDRESSES", "off", "webhook_private_addresses", False),
    ("BOARDS_FILE", str(HERE / "fraud.toml"), "boards_file", HERE / "fraud.toml"),
    ("SCORING_FILE", str(HERE / "boards.toml"), "scoring_file", HERE / "boards.toml"),
    ("FRAUD_FILE", str(HERE / "boards.toml"), "fraud_file", HERE / "boards.toml"),
    ("ISSUERS_FILE", str(HERE / "boards.toml"), "issuers_file", HERE / "boards.toml"),
    ("BLOCKED_NAMES_FILE", str(HERE / "boards.toml"), "blocked_names_file", HERE / "boards.toml"),
    ("CLIENT_IP_DAYS", "0", "client_ip_days", 0),
    ("CLIENT_IP_DAYS", "3650", "client_ip_days", 3650),
    ("PARTITION_MONTHS", "3", "partition_months", 3),
    ("WS_MAX_PER_USER", "1", "ws_max_per_user", 1),
    ("WS_MAX_PER_IP", "1000000", "ws_max_per_ip", 1_000_000),
    ("WS_MAX_CONNECTIONS", "5", "ws_max_connections", 5),
    ("KEEP_ALIVE", "620", "keep_alive", 620),
    ("ROOT_PATH", "/board", "root_path", "/board"),
    ("ROOT_PATH", " /games/board-1.0 ", "root_path", "/games/board-1.0"),
    ("PUSH_INTERVAL_MS", "0", "push_interval", 0.0),
    ("PUSH_INTERVAL_MS", "250", "push_interval", 0.25),
    ("PORT", "65535", "port", 65535),
    ("WEB_CONCURRENCY", "4", "web_concurrency", 4),
    ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("LOG_LEVEL", "CRITICAL", "log_level", "CRITICAL"),
    ("FLOWER_PORT", "1", "flower_port", 1),
    ("WORKER_METRICS_PORT", "0", "worker_metrics_port", 0),
    ("METRICS_TOKEN", "a token", "metrics_token", "a token"),
    ("FLOWER_BASIC_AUTH", "user:pass:word", "flower_basic_auth", "user:pass:word"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318", "traces_endpoint", "https://collector:4318"),
]
GOOD_NAMES = {name for name, *_ in GOOD}


@pytest.mark.parametrize(("name", "text", "field", "value"), GOOD)
def test_good_value_is_taken(name: str, text: str, field: str, value: object) -> None:
    assert getattr(load({**STORES, name: text}), field) == value


RATES = ["CREATE", "COMPLETE", "ACTIONS", "USER", "IP", "WS", "LOGIN_IP", "LOGIN_ACCOUNT", "KEY"]


@pytest.mark.parametrize("name", RATES)
def test_rate_is_a_number_a_time_or_off(name: str) -> None:
    def rate(text: str) -> Any:
        return getattr(load({**STORES, f"RATE_LIMIT_{name}": text}).rates, name.lower())

    assert rate("7/second") == limits.parse("7/second")
    assert rate("7/30 seconds") == limits.parse("7/30 seconds")
    assert rate("7 per 2 hours") == limits.parse("7/2hour")
    assert rate("1000000000/Day") == limits.parse("1000000000/day")
    assert rate("off") is None
    assert rate("OFF") is None


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize(
    "text",
    [
        *(
            "0/minute",
            "-1/minute",
            "1.5/minute",
            "ten/minute",
            "10",
            "/minute",
            "10/",
            "10/fortnight",
            "10/minute/hour",
        ),
        *("10/minute;5/second", "10/minute,5/second", "10/minute|5/second", "on", "10000000001/minute"),
        "9" * 5000 + "/minute",
    ],
)
def test_malformed_rate_is_told(name: str, text: str) -> None:
    (line,) = problems({**STORES, f"RATE_LIMIT_{name}": text})
    assert line.startswith(f"RATE_LIMIT_{name}: must be ")


BAD: list[tuple[str, str]] = [
    ("WEBHOOK_PRIVATE_ADDRESSES", "yes"),
    *(("APP_ENV", text) for text in ("Production", "prod", "test")),
    *(("DATABASE_URL", text) for text in ("mysql://h/d", "postgres", "postgres:h", "sqlite:///x", "POSTGRES://h/d")),
    *(
        ("DATABASE_URL", text)
        for text in ("postgres://u:p@h:port/d", "postgresql+asyncpg://h/d", "postgres://u:p@h:1:2/d")
    ),
    *(
        ("DATABASE_URL", f"postgres://h/d?{text}")
        for text in ("schema=other", "foo=1", "async=1", "dsn=x", "sslmode=on", "sslmode=require&sslmode=disable")
    ),
    *(("DATABASE_URL", f"postgres://{text}/d") for text in ("a:1,b:x", "a:1,:2", "a,b:1:2")),
    ("DATABASE_URL", "postgres://h/d?sslrootcert=/nowhere.pem"),
    *(("REDIS_URL", f"redis://h?{text}") for text in ("db=1", "foo=1", "connection_class=x", "ssl_version=1")),
    *(
        ("REDIS_URL", text)
        for text in ("http://h", "h:6379", "redis:h", "redis://", "redis://h:port", "redis://h:99999")
    ),
    *(("REDIS_URL", text) for text in ("redis://h/zero", "redis://h/0/1", "redis://[::1", "unix:///tmp/redis.sock")),
    *(("CELERY_BROKER_URL", text) for text in ("amqp://h", "redis://h:port")),
    *(("REDIS_URL", f"rediss://h?ssl_{text}") for text in ("cert_reqs=CERT_NONE", "cert_reqs=", "check_hostname=no")),
    *(("CELERY_BROKER_URL", text) for text in ("redis://h?ssl_cert_reqs=none", "rediss://h?ssl_ca_certs=/nowhere.pem")),
    *(("SECRET_KEY", text) for text in ("short", "x" * 31)),
    *(("SECRET_KEYS_RETIRED", text) for text in ("short", f"{SECRET},short")),
    *(("SIGNING_KEY", text) for text in ("hmac", "hmac:", "hmac:!!!", "hmac:é", "hmac:c2hvcnQ=", f"rsa:{HMAC}", HMAC)),
    *(("SIGNING_KEY", text) for text in (f"ed25519:{HMAC}AAAA", "ed25519:c2hvcnQ=", f"HMAC:{HMAC}")),
    ("SIGNING_KEYS_RETIRED", f"hmac:{HMAC},hmac:no"),
    *(("ACCESS_TOKEN_TTL", text) for text in ("0", "-1", "1.5", "1h", "2592001", "+5", "1_000", "٣", "9" * 5000)),
    *(("REGISTRATION", text) for text in ("yes", "OPEN")),
    *(("ASK_EMAIL", text) for text in ("yes", "1", "True")),
    *(("SERVICE_NAME", text) for text in ("x" * 61, "two\nlines", "a\u202eb")),
    ("BRAND_NAME", "two\nlines"),
    *(
        ("BRAND_LOGO", text)
        for text in (
            "/nowhere.svg",
            __file__,
            "https://u@x/a.svg",
            "ftp://x/a.svg",
            "https://x;script-src *",
            "https://x/a b",
        )
    ),
    *(("BRAND_COLOR", text) for text in ("red", "#12", "#12345g", "0b6e4f", "#0b6e4f;")),
    ("BRAND_WELCOME", "x" * 201),
    *(("EMBED_ORIGINS", text) for text in ("*", "a.example", "https://*.a.example", "https://a.example/x")),
    *(
        ("PUBLIC_URL", text)
        for text in ("play.example.com", "ftp://x", "https://u:p@x", "https://x/?a", "https://x/#a")
    ),
    *(("PASSWORD_LOGIN", text) for text in ("true", "ON")),
    *(("TOP_SCORES_AUTH", text) for text in ("true", "none")),
    *(
        ("ALLOWED_ORIGINS", text)
        for text in (
            "*",
            "https://*.example.com",
            "https://a.example, http://*",
            "play.example.com",
            "ftp://a.example",
            "https://",
            "https://a.example/x",
        )
    ),
    *(("ALLOWED_ORIGINS", text) for text in ("https://a.example?x", "https://a.example#x", "https://u@a.example")),
    *(
        ("ALLOWED_ORIGINS", text)
        for text in ("https://a.example:port", "https://[::1", "https://a.example https://b.example")
    ),
    *(("ALLOWED_ORIGINS", text) for text in ("https://a.example, null", "https://a.example; https://b.example")),
    *(("ALLOWED_ORIGINS", text) for text in ("https://bücher.example", "https://a example", "https://a.example:0443")),
    *(("TRUSTED_PROXIES", text) for text in ("proxy", "10.0.0.0/33", "10.0.0", "10.0.0.0/8;10.1.0.0/16")),
    *(("TRUSTED_NETWORKS", text) for text in ("office", "fd00::/129")),
    *(("SCORING_FILE", text) for text in ("/nowhere/scoring.toml", str(HERE))),
    ("BOARDS_FILE", "/nowhere/boards.toml"),
    ("FRAUD_FILE", "/nowhere/fraud.toml"),
    ("ISSUERS_FILE", "/nowhere/issuers.toml"),
    ("BLOCKED_NAMES_FILE", "/nowhere/names.txt"),
    *(("CLIENT_IP_DAYS", text) for text in ("-1", "3651", "30 days", "1.5", "off")),
    *(("PARTITION_MONTHS", text) for text in ("0", "2", "24", "1.0", "off")),
    *((f"WS_MAX_{what}", text) for what in ("PER_USER", "PER_IP", "CONNECTIONS") for text in ("0", "many", "1000001")),
    *(("PUSH_INTERVAL_MS", text) for text in ("-1", "0.5", "60001")),
    *(("PORT", text) for text in ("0", "65536", "http")),
    *(("WEB_CONCURRENCY", text) for text in ("0", "65", "auto")),
    *(("LOG_LEVEL", text) for text in ("LOUD", "NOTSET", "20")),
    *(("FLOWER_PORT", text) for text in ("0", "65536")),
    *(("WORKER_METRICS_PORT", text) for text in ("-1", "65536")),
    *(("FLOWER_BASIC_AUTH", text) for text in ("user", "user:", ":password", "ops:pa,ss", "ops:pass,", "ops:pässword")),
    *(
        ("OTEL_EXPORTER_OTLP_ENDPOINT", text)
        for text in ("collector:4318", "grpc://c:4317", "http://", "http://c:x", "http://c?a=b")
    ),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_malformed_value_is_one_line_that_names_the_variable(name: str, text: str) -> None:
    (line,) = problems({**STORES, name: text})
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("name", sorted({name for name, _ in BAD} - {"APP_ENV", "METRICS_TOKEN"}))
def test_value_of_two_lines_is_told_in_one(name: str) -> None:
    (line,) = problems({**STORES, name: "no\ngood"})
    assert line.startswith(f"{name}: ")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "postgres://u:hunter2@h:port/d"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "postgres://h/d?foo=hunter2"),
        ("DATABASE_URL", "postgres://h/d?sslmode=hunter2"),
        ("DATABASE_URL", "postgres://h/d?x-hunter2=@h"),
        ("REDIS_URL", "redis://h?foo=hunter2"),
        ("REDIS_URL", "redis://:hunter2@h:port"),
        ("CELERY_BROKER_URL", "amqp://:hunter2@h"),
        ("PUBSUB_URL", "redis://:hunter2@h:port"),
        ("DATABASE_REPLICA_URL", "postgres://u:hunter2@h:port/d"),
        ("SECRET_KEY", "hunter2"),
        ("SECRET_KEYS_RETIRED", "hunter2"),
        ("SIGNING_KEY", "hmac:hunter2"),
        ("SIGNING_KEYS_RETIRED", "hunter2"),
        ("FLOWER_BASIC_AUTH", ":hunter2"),
    ],
)
def test_secret_is_not_repeated(name: str, text: str) -> None:
    assert "hunter2" not in "".join(problems({**STORES, name: text}))


@pytest.mark.parametrize("name", STORES)
def test_store_that_is_not_named_is_a_mistake(name: str) -> None:
    (line,) = problems({other: url for other, url in STORES.items() if other != name})
    assert line.startswith(f"{name}: is not set")


def test_mistakes_are_told_all_at_once() -> None:
    lines = problems({"PORT": "x", "SECRET_KEY": "short", "RATE_LIMIT_IP": "x", "REDIS_URL": "x"})
    assert sorted(line.partition(":")[0] for line in lines) == [
        "DATABASE_URL",
        "PORT",
        "RATE_LIMIT_IP",
        "REDIS_URL",
        "SECRET_KEY",
    ]


def test_production_takes_a_good_secret_and_closes_registration() -> None:
    config = load(PRODUCTION)
    assert config.production
    assert config.registration == "closed"
    assert load({**PRODUCTION, "REGISTRATION": "open"}).registration == "open"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "too short"}, "SECRET_KEY"),
        ({"SECRET_KEY": settings.DEVELOPMENT_SECRET}, "SECRET_KEY"),
        ({"SECRET_KEYS_RETIRED": settings.DEVELOPMENT_SECRET}, "SECRET_KEYS_RETIRED"),
        ({"SECRET_KEYS_RETIRED": f"{SECRET}0,{settings.DEVELOPMENT_SECRET}"}, "SECRET_KEYS_RETIRED"),
    ],
)
def test_production_refuses_default_or_short_secrets_in_one_line(environ: dict[str, str], name: str) -> None:
    (line,) = problems({**PRODUCTION, **environ})
    assert line.startswith(f"{name}: ")


def test_process_with_mistakes_ends_with_a_line_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {**STORES, "PORT": "x", "WEB_CONCURRENCY": "y"}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit) as ended:
        settings.load_or_exit()
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[:2] for line in err.splitlines()] == [
        ["scoreboard", " PORT"],
        ["scoreboard", " WEB_CONCURRENCY"],
    ]


def test_settings_can_not_be_changed() -> None:
    config = load(STORES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.port = 1  # type: ignore[misc]


def test_every_variable_of_the_contract_is_tried_here() -> None:
    table = (Path(__file__).parents[2] / "docs" / "contract.md").read_text().partition("## 2.")[2].partition("## 3.")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in row.replace("`", "").replace(",", " ").split()}
    rates = {name for name in named if name.startswith(("RATE_LIMIT_", "_"))}
    assert {name.removeprefix("RATE_LIMIT").removeprefix("_") for name in rates} == set(RATES)
    assert named - rates | {"OTEL_EXPORTER_OTLP_ENDPOINT"} == GOOD_NAMES  # of section 9
