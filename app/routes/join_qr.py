"""The QR code by which phones join: the page's address, with a join code filled in or without one."""

import io
from functools import lru_cache

import segno
from starlette.requests import Request
from starlette.responses import Response

from app.access.page_url import page_url
from app.accounts.join_codes import link
from app.domain import join_codes
from app.domain.errors import Malformed
from app.web import web_of

LONGEST_ADDRESS = 2_000
"""Characters that a QR code has room for."""


async def show(request: Request) -> Response:
    """GET /join-qr.svg

    It draws what it is given: whether there is such a code it neither looks up nor tells.
    """
    url = page_url(request, web_of(request).settings)
    typed = request.query_params.get("code")
    if typed is not None:
        code = join_codes.normalized(typed)
        if code is None:
            raise Malformed("code: must be a join code.")
        url = link(url, code)
    if len(url) > LONGEST_ADDRESS:
        raise Malformed("The address is too long for a QR code.")
    return Response(qr_svg(url), media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@lru_cache(maxsize=128)
def qr_svg(text: str) -> str:
    """Return a QR code as an SVG document, as wide as whatever shows it, with the margin that scanners need."""
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="svg", xmldecl=False, omitsize=True, nl=False, light="#fff")
    return drawn.getvalue().decode()
