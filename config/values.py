"""How the value of one variable is parsed: each function takes its text and raises ValueError in words for people."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import limits

MIN_SECRET_BYTES = 32
MOST_OF_A_RATE = 1_000_000_000
LONGEST_TITLE = 60
LONGEST_WELCOME = 200
LARGEST_LOGO = 512 * 1024
LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
"""The media types of logos, by how the file's name ends."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Rate = limits.RateLimitItem
T = TypeVar("T")
W = TypeVar("W", bound=str)

_PATH_PART = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]+")
_COLOR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key for board messages: `algorithm` is "hmac" or "ed25519", `secret` the raw bytes."""

    algorithm: str
    secret: bytes


def text(text: str) -> str:
    """Take any text."""
    return text


def line(most: int) -> Callable[[str], str]:
    """Take words to show to people, on one line of at most so many characters."""

    def parse(text: str) -> str:
        if len(text) > most or not text.isprintable():
            raise ValueError(f"must be at most {most} characters on one line")
        return text

    return parse


title = line(LONGEST_TITLE)
welcome = line(LONGEST_WELCOME)


def color(text: str) -> str:
    """Take a colour; returns it as `#rrggbb` in lower case."""
    known = text.lower()
    if not _COLOR.fullmatch(known):
        raise ValueError(f"must be a colour such as #0b6e4f, not {text!r}")
    return known if len(known) == 7 else "#" + "".join(2 * digit for digit in known[1:])


def logo(text: str) -> str | Path:
    """Take the address of a picture, or the path of a file."""
    if "://" in text:
        parts = urlsplit(text)
        try:
            origin(f"{parts.scheme}://{parts.netloc}")  # it becomes part of the page's policy
        except ValueError:
            parts = urlsplit("")
        if not parts.netloc or not text.isprintable() or any(it.isspace() for it in text):
            raise ValueError("must be an address such as https://example.com/logo.svg, or a file")
        return text
    path = file(text)
    if path.suffix.lower() not in LOGO_TYPES:
        raise ValueError(f"must end in {', '.join(LOGO_TYPES)}, not {text!r}")
    if path.stat().st_size > LARGEST_LOGO:
        raise ValueError(f"must be at most {LARGEST_LOGO // 1024} KB large")
    return path


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Take whole numbers from `minimum` to `maximum`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and minimum <= int(text) <= maximum):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}, not {text!r}")
        return int(text)

    return parse


def one_of(*words: W) -> Callable[[str], W]:
    """Accept one of a set of words."""

    def parse(text: str) -> W:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {text!r}")
        return words[words.index(text)]

    return parse


def list_of(parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Take a comma separated list."""
    return lambda text: tuple(parse(part.strip()) for part in text.split(",") if part.strip())


def secret(text: str) -> str:
    """Take a key that signs tokens."""
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes long")
    return text


def signing_key(text: str) -> SigningKey:
    """Take a key that signs board messages."""
    algorithm, _, encoded = text.partition(":")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("must be hmac:<base64> or ed25519:<base64>") from None
    if algorithm == "hmac" and len(raw) >= MIN_SECRET_BYTES:
        return SigningKey(algorithm, raw)
    if algorithm == "ed25519" and len(raw) == 32:
        return SigningKey(algorithm, raw)
    raise ValueError("must be hmac:<base64 of at least 32 bytes> or ed25519:<base64 of a 32 byte seed>")


def root_path(text: str) -> str:
    """Take a path below which the service stands on its host: `/board`, `/games/board`."""
    parts = text.split("/")[1:]
    if not text.startswith("/") or not all(_PATH_PART.fullmatch(part) for part in parts) or len(text) > 100:
        raise ValueError(f"must be a path like /board, without a slash at its end, not {text!r}")
    return text


def origin(text: str) -> str:
    """Return the origin of a page as browsers send it: in lower case, without the port that is the scheme's own.

    What no browser sends is refused, since it would match no page.
    """
    if "*" in text:
        raise ValueError(f"takes no patterns: name each origin, not {text!r}")
    given = text.lower().removesuffix("/")
    try:
        parts = urlsplit(given)
        port, own = parts.port, {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        parts, port, own = urlsplit(""), None, None
    host = parts.netloc.removesuffix(f":{port}")
    if not _HOST.fullmatch(host) or given != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"must be origins as browsers send them, such as https://play.example.com, not {text!r}")
    return f"{parts.scheme}://{host}" if port in (None, own) else given


def http_url(text: str) -> str:
    """Take the address of a service."""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or any(it.isspace() for it in text) or parts.query or parts.fragment:
        raise ValueError("must be an address such as http://collector:4318")
    return text


def page_url(text: str) -> str:
    """Take the address at which people open the page, without a slash at its end."""
    try:
        address = http_url(text).rstrip("/")
        named = "@" not in urlsplit(address).netloc
    except ValueError:
        named = False
    if not named:
        raise ValueError("must be the address of the page, such as https://play.example.com")
    return address


def network(text: str) -> Network:
    """Take a network, or a single address."""
    return ipaddress.ip_network(text, strict=False)


def rate(text: str) -> Rate | None:
    """Take a rate; None for `off`."""
    if text.lower() == "off":
        return None
    try:
        rates = limits.parse_many(text.lower()) if len(text) <= 50 else []
    except ValueError:
        rates = []
    if len(rates) != 1:
        raise ValueError(f"must be a rate such as 10/minute, or off, not {text!r}")
    if not 1 <= rates[0].amount <= MOST_OF_A_RATE:
        raise ValueError(f"must be from 1 to {MOST_OF_A_RATE}; off switches a limit off")
    return rates[0]


def file(text: str) -> Path:
    """Take the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text!r}")
    return path


def log_level(text: str) -> str:
    """Take the name of a level."""
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not {text!r}")
    return text.upper()


def user_and_password(text: str) -> str:
    """Take one `user:password`, as Flower takes it: of what has a comma it makes several."""
    if "," in text:
        raise ValueError("must be one user:password, without a comma: Flower would take it for several")
    if not text.isascii():
        raise ValueError("must be of ASCII characters: Flower can't compare others, and answers 500 to everybody")
    user, separator, password = text.partition(":")
    if not (user and separator and password):
        raise ValueError("must be user:password")
    return text
