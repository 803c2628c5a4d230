"""The issuers whose tokens are taken beside our own: read from `issuers.toml`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Those of public keys: with a shared secret, whoever can check a token could make one."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_URL = re.compile(
    r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[!-~]*)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?(/[!-~]*)?"
)

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID Connect provider, and what its tokens must be like. `config/issuers.toml` says what each key means."""

    id: str
    issuer: Url
    audience: Words
    title: Words
    jwks_url: Url | None = None
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256",)
    username_claim: Words = "preferred_username"
    display_name_claim: Words | None = None
    admin_claim: Words | None = None
    admin_value: Words | bool | int | None = None
    private_network: bool = False
    client_id: Words | None = None
    scope: Words = "openid profile"
    authorization_endpoint: Url | None = None
    token_endpoint: Url | None = None
    parameters: dict[Words, Words] = {}


def parse(table: Mapping[str, Any], *, production: bool) -> tuple[Issuer, ...]:
    """Return the issuers of a parsed `issuers.toml`, in its order.

    Raises:
        ValueError: one line that names the key.
    """
    for key in table:
        if key != "issuers":
            raise ValueError(f"{key}: unknown key, only [issuers.<id>] is known")
    tables = table.get("issuers", {})
    if not isinstance(tables, dict):
        raise ValueError("issuers: must be tables, [issuers.<id>]")
    issuers = tuple(_parse_issuer(name, rule, production=production) for name, rule in tables.items())
    seen: dict[str, str] = {}
    for it in issuers:
        if it.issuer in seen:
            raise ValueError(f"issuers.{it.id}.issuer: is that of issuers.{seen[it.issuer]}, too")
        seen[it.issuer] = it.id
    return issuers


def _parse_issuer(name: str, rule: object, *, production: bool) -> Issuer:
    here = f"issuers.{name}"
    if not _ID.fullmatch(name):
        raise ValueError(f"{here}: an id has 1 to 32 of a-z, 0-9 and -, none of them - at its ends")
    if not isinstance(rule, dict):
        raise ValueError(f"{here}: must be a table")
    if "id" in rule:
        raise ValueError(f"{here}.id: unknown key")
    try:
        issuer = msgspec.convert({**rule, "id": name}, Issuer, strict=True)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise ValueError(f"{here}{path.rstrip('`')}: {message[0].lower()}{message[1:]}") from None
    for key in ("issuer", "jwks_url", "authorization_endpoint", "token_endpoint"):
        if (url := getattr(issuer, key)) is not None:
            try:
                check_url(url, production=production)
            except ValueError as error:
                raise ValueError(f"{here}.{key}: {error}") from None
    if (issuer.admin_claim is None) != (issuer.admin_value is None):
        missing = "admin_claim" if issuer.admin_claim is None else "admin_value"
        raise ValueError(f"{here}.{missing}: is missing, the one makes no sense without the other")
    return issuer


def check_url(url: str, *, production: bool) -> None:
    """Check the address of a provider: https alone in production, and nothing that a policy or a header can't hold.

    Raises:
        ValueError: in words for people.
    """
    if not _URL.fullmatch(url) or any(it in url for it in "#;,'\"<>\\"):
        raise ValueError(f"must be an address such as https://login.example.com, not {url!r}")
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"must have a port from 1 to 65535, not {url!r}")
    if production and not url.startswith("https://"):
        raise ValueError("must begin with https:// in production")


def origin_of(url: str) -> str:
    """Return the scheme, host and port of an address, as a Content-Security-Policy names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
