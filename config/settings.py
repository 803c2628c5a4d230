"""The settings: one frozen object, parsed strictly from the environment by an entry point and handed down."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from config import store_urls, values
from config.values import Network, Rate, SigningKey

HERE = Path(__file__).parent
DEVELOPMENT_SECRET = "development-only-secret-key-never-use-it-in-production"
LONGEST_TOKEN_LIFE = 30 * 24 * 3600

T = TypeVar("T")
Registration = Literal["open", "code", "closed"]
"""Who may register: everybody, who has a join code, nobody."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The token buckets' rates, by policy; None switches one off."""

    create: Rate | None
    complete: Rate | None
    actions: Rate | None
    user: Rate | None
    ip: Rate | None
    ws: Rate | None
    login_ip: Rate | None
    login_account: Rate | None
    key: Rate | None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment decides. Source: contract, section 2."""

    production: bool
    database_url: str
    database_replica_url: str | None
    replica_max_lag: int
    redis_url: str
    broker_url: str
    pubsub_url: str
    secret_key: str
    secret_keys_retired: tuple[str, ...]
    signing_key: SigningKey | None
    signing_keys_retired: tuple[SigningKey, ...]
    access_token_ttl: int
    registration: Registration
    ask_email: bool
    service_name: str
    brand_name: str
    brand_logo: str | Path | None
    brand_color: str | None
    brand_welcome: str | None
    public_url: str | None
    password_login: bool
    top_scores_need_token: bool
    allowed_origins: tuple[str, ...]
    embed_origins: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    trusted_networks: tuple[Network, ...]
    client_ip_days: int
    partition_months: int
    rates: Rates
    boards_file: Path
    scoring_file: Path
    fraud_file: Path
    issuers_file: Path
    webhook_private_addresses: bool
    blocked_names_file: Path
    ws_max_per_user: int
    ws_max_per_ip: int
    ws_max_connections: int
    push_interval: float
    keep_alive: int
    root_path: str
    port: int
    web_concurrency: int
    log_level: str
    flower_port: int
    worker_metrics_port: int
    metrics_token: str | None
    flower_basic_auth: str | None
    traces_endpoint: str | None

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Every key that is accepted, the one in use first."""
        return (self.secret_key, *self.secret_keys_retired)


class SettingsError(Exception):
    """The environment is malformed; `problems` holds one line per mistake, each naming its variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Environment:
    """Reads variables one by one and collects the mistakes, so that all are reported at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.mistaken: set[str] = set()

    def get(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self.environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            self.mistaken.add(name)
            return default


def load(environ: Mapping[str, str]) -> Settings:
    """Parse the environment.

    Raises:
        SettingsError: with one line for each malformed, missing or (in production) weak value.
    """
    env = _Environment(environ)
    production = env.get("APP_ENV", values.one_of("development", "production"), "development") == "production"
    registration: Callable[[str], Registration] = values.one_of("open", "code", "closed")
    top_scores_auth = values.one_of("optional", "required")
    redis_url = env.get("REDIS_URL", store_urls.redis_url, "")
    service_name = env.get("SERVICE_NAME", values.title, "Scoreboard")
    settings = Settings(
        production=production,
        database_url=env.get("DATABASE_URL", store_urls.database_url, ""),
        database_replica_url=env.get("DATABASE_REPLICA_URL", store_urls.database_url, None),
        replica_max_lag=env.get("REPLICA_MAX_LAG", values.integer(1, 300), 2),
        redis_url=redis_url,
        broker_url=env.get("CELERY_BROKER_URL", store_urls.redis_url, redis_url),
        pubsub_url=env.get("PUBSUB_URL", store_urls.redis_url, redis_url),
        secret_key=env.get("SECRET_KEY", values.secret, DEVELOPMENT_SECRET),
        secret_keys_retired=env.get("SECRET_KEYS_RETIRED", values.list_of(values.secret), ()),
        signing_key=env.get("SIGNING_KEY", values.signing_key, None),
        signing_keys_retired=env.get("SIGNING_KEYS_RETIRED", values.list_of(values.signing_key), ()),
        access_token_ttl=env.get("ACCESS_TOKEN_TTL", values.integer(1, LONGEST_TOKEN_LIFE), 3600),
        registration=env.get("REGISTRATION", registration, "closed" if production else "open"),
        ask_email=env.get("ASK_EMAIL", values.one_of("true", "false"), "false") == "true",
        service_name=service_name,
        brand_name=env.get("BRAND_NAME", values.title, service_name),
        brand_logo=env.get("BRAND_LOGO", values.logo, None),
        brand_color=env.get("BRAND_COLOR", values.color, None),
        brand_welcome=env.get("BRAND_WELCOME", values.welcome, None),
        public_url=env.get("PUBLIC_URL", values.page_url, None),
        password_login=env.get("PASSWORD_LOGIN", values.one_of("on", "off"), "on") == "on",
        top_scores_need_token=env.get("TOP_SCORES_AUTH", top_scores_auth, "optional") == "required",
        allowed_origins=env.get("ALLOWED_ORIGINS", values.list_of(values.origin), ()),
        embed_origins=env.get("EMBED_ORIGINS", values.list_of(values.origin), ()),
        trusted_proxies=env.get("TRUSTED_PROXIES", values.list_of(values.network), ()),
        trusted_networks=env.get("TRUSTED_NETWORKS", values.list_of(values.network), ()),
        client_ip_days=env.get("CLIENT_IP_DAYS", values.integer(0, 3650), 30),
        partition_months=int(env.get("PARTITION_MONTHS", values.one_of("1", "3", "6", "12"), "12")),
        rates=Rates(
            create=env.get("RATE_LIMIT_CREATE", values.rate, values.rate("10/minute")),
            complete=env.get("RATE_LIMIT_COMPLETE", values.rate, values.rate("30/minute")),
            actions=env.get("RATE_LIMIT_ACTIONS", values.rate, values.rate("60/minute")),
            user=env.get("RATE_LIMIT_USER", values.rate, values.rate("1000/minute")),
            ip=env.get("RATE_LIMIT_IP", values.rate, values.rate("300/minute")),
            ws=env.get("RATE_LIMIT_WS", values.rate, values.rate("120/minute")),
            login_ip=env.get("RATE_LIMIT_LOGIN_IP", values.rate, values.rate("10/minute")),
            login_account=env.get("RATE_LIMIT_LOGIN_ACCOUNT", values.rate, values.rate("5/minute")),
            key=env.get("RATE_LIMIT_KEY", values.rate, values.rate("6000/minute")),
        ),
        boards_file=env.get("BOARDS_FILE", values.file, HERE / "boards.toml"),
        scoring_file=env.get("SCORING_FILE", values.file, HERE / "scoring.toml"),
        fraud_file=env.get("FRAUD_FILE", values.file, HERE / "fraud.toml"),
        issuers_file=env.get("ISSUERS_FILE", values.file, HERE / "issuers.toml"),
        webhook_private_addresses=env.get(
            "WEBHOOK_PRIVATE_ADDRESSES", values.one_of("on", "off"), "off" if production else "on"
        )
        == "on",
        blocked_names_file=env.get("BLOCKED_NAMES_FILE", values.file, HERE / "blocked_names.txt"),
        ws_max_per_user=env.get("WS_MAX_PER_USER", values.integer(1, 1_000_000), 20),
        ws_max_per_ip=env.get("WS_MAX_PER_IP", values.integer(1, 1_000_000), 50),
        ws_max_connections=env.get("WS_MAX_CONNECTIONS", values.integer(1, 1_000_000), 10_000),
        push_interval=env.get("PUSH_INTERVAL_MS", values.integer(0, 60_000), 100) / 1000,
        keep_alive=env.get("KEEP_ALIVE", values.integer(1, 3600), 100),
        root_path=env.get("ROOT_PATH", values.root_path, ""),
        port=env.get("PORT", values.integer(1, 65_535), 8000),
        web_concurrency=env.get("WEB_CONCURRENCY", values.integer(1, 64), 1),
        log_level=env.get("LOG_LEVEL", values.log_level, "INFO"),
        flower_port=env.get("FLOWER_PORT", values.integer(1, 65_535), 5555),
        worker_metrics_port=env.get("WORKER_METRICS_PORT", values.integer(0, 65_535), 9091),
        metrics_token=env.get("METRICS_TOKEN", values.text, None),
        flower_basic_auth=env.get("FLOWER_BASIC_AUTH", values.user_and_password, None),
        traces_endpoint=env.get("OTEL_EXPORTER_OTLP_ENDPOINT", values.http_url, None),
    )
    for name in ("DATABASE_URL", "REDIS_URL"):
        if not environ.get(name, "").strip():
            env.problems.append(f"{name}: is not set (bin/dev starts a PostgreSQL and a Redis of its own)")
    if production and settings.secret_key == DEVELOPMENT_SECRET and "SECRET_KEY" not in env.mistaken:
        env.problems.append("SECRET_KEY: production needs a secret of its own, at least 32 random bytes")
    if production and DEVELOPMENT_SECRET in settings.secret_keys_retired:
        env.problems.append("SECRET_KEYS_RETIRED: the development key is no key for production")
    if env.problems:
        raise SettingsError(env.problems)
    return settings


def load_or_exit() -> Settings:
    """Parse this process's environment, or end the process with one line per mistake and exit code 2."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        exit_with(error.problems)
    if settings.traces_endpoint and find_spec("opentelemetry") is None:
        exit_with(["OTEL_EXPORTER_OTLP_ENDPOINT: needs the packages of requirements-tracing.txt"])
    return settings


def exit_with(problems: list[str]) -> NoReturn:
    """Print one line per problem to standard error and end the process with exit code 2."""
    for problem in problems:
        print(f"scoreboard: {problem}", file=sys.stderr)
    sys.exit(2)
