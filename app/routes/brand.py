"""The look that whoever runs the service has given it: a colour and a logo, from BRAND_COLOR and BRAND_LOGO."""

import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response

from app.domain import colors
from app.domain.colors import Color, Scheme
from app.domain.errors import NotFound
from app.web import web_of
from config.settings import Settings
from config.values import LOGO_TYPES

STATIC = Path(__file__).parent.parent / "static"

_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_EACH_TIME = {"Cache-Control": "no-cache"}
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""An SVG may be styled, but runs no script, wherever it is opened."""

_TOKEN = re.compile(r"--([a-z]+): var\(--light, (#[0-9a-f]{6})\) var\(--dark, (#[0-9a-f]{6})\);")


def stylesheet_address(settings: Settings) -> str | None:
    """Return the relative address of the stylesheet, which changes with it; None when no colour was chosen."""
    return f"brand.css?v={_version(stylesheet_of(settings.brand_color))}" if settings.brand_color else None


def logo_address(settings: Settings) -> str | None:
    """Return where the logo is: its own address, or a relative one of this service; None when there is none."""
    logo = settings.brand_logo
    return f"brand-logo?v={_version(_read(logo))}" if isinstance(logo, Path) else logo


def logo_path(settings: Settings) -> str | None:
    """Return where the logo is, to whoever is not on a page of this service: its address, or its path."""
    address = logo_address(settings)
    return f"{settings.root_path}/{address}" if isinstance(settings.brand_logo, Path) else address


def logo_origins(settings: Settings) -> list[str]:
    """Return the origin that a page asks for the logo, when that is another one."""
    logo = settings.brand_logo
    return [urlunsplit((*urlsplit(logo)[:2], "", "", ""))] if isinstance(logo, str) else []


async def stylesheet(request: Request) -> Response:
    """GET /brand.css"""
    body = stylesheet_of(web_of(request).settings.brand_color)
    return Response(body, media_type="text/css", headers=_keeping(request, body))


async def logo(request: Request) -> Response:
    """GET /brand-logo"""
    file = web_of(request).settings.brand_logo
    if not isinstance(file, Path):
        raise NotFound("This service has no logo of its own.")
    body = _read(file)
    headers = {"Content-Security-Policy": _DRAWING_POLICY, **_keeping(request, body)}
    return Response(body, media_type=LOGO_TYPES[file.suffix.lower()], headers=headers)


def _keeping(request: Request, body: bytes) -> dict[str, str]:
    return _FOR_GOOD if request.query_params.get("v") == _version(body) else _ASK_EACH_TIME


def _version(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


@cache
def _read(file: Path) -> bytes:
    return file.read_bytes()


@cache
def stylesheet_of(chosen: str | None) -> bytes:
    """Return the rules that put a chosen colour over those of tokens.css; without one there are none."""
    if not chosen:
        return b""
    color = colors.parse(chosen)
    light, dark = (colors.branded(color, scheme) for scheme in schemes((STATIC / "tokens.css").read_text()))
    rules = [
        f"  --{name}: var(--light, {colors.written(one)}) var(--dark, {colors.written(other)});"
        for name, one, other in (
            ("accent", light.accent, dark.accent),
            ("button", light.button, dark.button),
            ("button-ink", light.button_ink, dark.button_ink),
            ("own", light.own, dark.own),
            ("bar", light.bar, dark.bar),
        )
    ]
    return "\n".join([":root, [data-theme], [theme] {", *rules, "}", ""]).encode()


def schemes(tokens: str) -> tuple[Scheme, Scheme]:
    """Read the light and the dark scheme from tokens.css."""
    known = {name: (colors.parse(light), colors.parse(dark)) for name, light, dark in _TOKEN.findall(tokens)}

    def scheme(at: int, far: Color) -> Scheme:
        grounds = tuple(known[name][at] for name in ("ground", "climb", "card"))
        return Scheme(grounds, tuple(known[name][at] for name in ("ink", "quiet")), far)

    return scheme(0, colors.BLACK), scheme(1, colors.WHITE)
