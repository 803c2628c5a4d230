"""Parses the addresses of PostgreSQL and Redis: every parameter is understood, ignored on purpose, or refused.

Platforms and other clients add parameters of their own. Those that only concern other clients are ignored. Errors never
repeat a value: it may hold a password.
"""

import re
from urllib.parse import parse_qsl, quote, urlsplit

import psycopg2
import sqlalchemy as sa
from psycopg2.extensions import parse_dsn

from config.values import file

_FOREIGN_TO_POSTGRES = {
    # Prisma, Supabase and Vercel, JDBC, asyncpg, Npgsql, Rails: pools, prepared statements, time-outs of their own.
    *("pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "supa", "workaround"),
    *("prepareThreshold", "prepared_statements", "prepared_statement_cache_size", "preparedStatementCacheQueries"),
    *("pool", "pool_size", "max_connections", "pool_mode", "reconnect", "encoding", "sslaccept"),
}
_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey")
_OURS = {"connect_timeout", "application_name", "keepalives_idle", "keepalives_interval", "keepalives_count"}
"""Parameters that the service sets itself, and ignores in an address."""

_FOREIGN_TO_REDIS = {
    # ioredis, redis-py and others: how connections are made and kept, for which we have bounds of our own.
    *(
        "family",
        "protocol",
        "client_name",
        "clientName",
        "health_check_interval",
        "max_connections",
        "maxRetriesPerRequest",
    ),
    *(
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "retry_on_timeout",
        "timeout",
        "decode_responses",
    ),
    *("enableReadyCheck", "lazyConnect"),
}
_TLS_OF_REDIS = {
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"),
    *("ssl_ca_path", "ssl_ca_data", "ssl_password", "ssl_ciphers"),
}
_REDIS_DATABASE = re.compile(r"/?[0-9]*")


def database_url(text: str) -> str:
    """Return PostgreSQL's address as SQLAlchemy wants it; several hosts are separated by commas."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg2"):
        raise ValueError("must begin with postgres:// or postgresql://")
    try:
        # SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3.
        url = sa.make_url(f"postgresql+psycopg2://{_hosts_apart(rest)}")
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("must be postgresql://user:password@host:port/database") from None
    return url.set(query=_parameters(url)).render_as_string(hide_password=False)


def _hosts_apart(rest: str) -> str:
    """Return an address with its hosts as parameters if they are several, as SQLAlchemy wants them."""
    user, hosts, path, query = _PLACES.fullmatch(rest).groups("")  # type: ignore[union-attr]
    if "," not in hosts:
        return rest
    parts = [_HOST.fullmatch(host) for host in hosts.split(",")]
    names, ports = zip(*[part.groups("") for part in parts if part], strict=True)
    if len(names) < len(parts):
        raise ValueError
    several = f"host={','.join(name.strip('[]') for name in names)}"
    several += f"&port={','.join(port or '5432' for port in ports)}" if any(ports) else ""
    return f"{user}{path or '/'}?{several}{'&' + query[1:] if query[1:] else ''}"


_PLACES = re.compile(r"((?:[^:/@]*(?::[^@]*)?@)?)([^/?]*)(/[^?]*)?(\?.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[^]]+\]|[^:]+)(?::([0-9]*))?")
_SAYABLE = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")


def _said(name: str) -> str:
    """Return how a parameter is named in an error: not at all when it may be a piece of a password."""
    return f"the parameter {name}" if _SAYABLE.fullmatch(name) else "a parameter"


def _parameters(url: sa.URL) -> dict[str, str | tuple[str, ...]]:
    kept: dict[str, str | tuple[str, ...]] = {}
    for name, value in url.query.items():
        if name == "host":
            kept[name] = value
            continue
        if not isinstance(value, str):
            raise ValueError(f"has {_said(name)} more than once")
        if name in _FOREIGN_TO_POSTGRES or name in _OURS or (name, value) == ("schema", "public"):
            continue
        if name == "schema":
            raise ValueError("the service's tables are in the schema public; leave the parameter schema out")
        if (name, value) in (("ssl", "true"), ("ssl", "1")):  # as libpq itself takes it from JDBC
            name, value = "sslmode", "require"
        _check(name, value)
        kept[name] = value
    return kept


def _check(name: str, value: str) -> None:
    """Refuse what PostgreSQL's library would not know, or would fail on only when it connects."""
    try:
        parse_dsn(f"postgresql://host/database?{quote(name)}=1")
    except psycopg2.ProgrammingError:
        raise ValueError(f"has {_said(name)}, which is none of PostgreSQL's") from None
    if name in _WORDS and value not in _WORDS[name]:
        raise ValueError(f"{name} must be one of {', '.join(_WORDS[name])}")
    if name in _FILES and value != "system":
        file(value)


def redis_url(text: str) -> str:
    """Return Redis's address."""
    if not text.startswith(("redis://", "rediss://")):
        raise ValueError("must begin with redis:// or rediss://")
    try:
        parts = urlsplit(text)
        well_formed = parts.hostname and parts.port != 0 and _REDIS_DATABASE.fullmatch(parts.path)
    except ValueError:
        well_formed = None
    if not well_formed:
        raise ValueError("must be redis://:password@host:port/number")
    foreign = False
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _TLS_OF_REDIS:
            _check_tls(parts.scheme, name, value)
        elif name in _FOREIGN_TO_REDIS:
            foreign = True
        else:
            raise ValueError(
                f"has {_said(name)}, which Redis's address can't have here (docs/deploy.md, Parameters of addresses)"
            )
    if not foreign:
        return text
    kept = [it for it in parts.query.split("&") if it.partition("=")[0] not in _FOREIGN_TO_REDIS]
    return parts._replace(query="&".join(kept)).geturl()


def _check_tls(scheme: str, name: str, value: str) -> None:
    """Refuse what redis-py and kombu would fail on only when they connect, or read differently."""
    if scheme != "rediss":
        raise ValueError(f"{name} wants rediss://")
    if name == "ssl_cert_reqs" and value not in ("required", "optional", "none"):
        raise ValueError(f"ssl_cert_reqs must be required, optional or none, not {value!r}")
    if name == "ssl_check_hostname" and value.lower() not in ("true", "false"):
        raise ValueError(f"ssl_check_hostname must be true or false, not {value!r}")
    if name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        file(value)
