"""What this service is, and which ways in there are: a page offers only what works."""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from app.http.answers import JSON
from app.routes import brand
from app.routes.shapes import About, Brand, IssuerTitle
from app.web import web_of
from config.version import VERSION


async def show(request: Request) -> Response:
    """GET /about"""
    web = web_of(request)
    settings = web.settings
    about = About(
        name=settings.service_name,
        version=VERSION,
        registration=settings.registration if settings.password_login else "closed",
        password_login=settings.password_login,
        issuers=[IssuerTitle(it.id, it.title) for it in web.identities.issuers],
        top_scores_auth="required" if settings.top_scores_need_token else "optional",
        ask_email=settings.ask_email,
        brand=Brand(
            name=settings.brand_name,
            logo=brand.logo_path(settings) or UNSET,
            color=settings.brand_color or UNSET,
            welcome=settings.brand_welcome or UNSET,
        ),
        url=UNSET if settings.public_url is None else settings.public_url,
    )
    return JSON(about, headers={"Cache-Control": "public, max-age=60"})
