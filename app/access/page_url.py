"""The address at which people open the page, for the links that are made here."""

from starlette.requests import Request

from app.access.client_address import is_trusted_proxy
from config.settings import Settings


def page_url(request: Request, settings: Settings) -> str:
    """Return the page's address without a slash at its end: PUBLIC_URL, or else where this request was sent.

    Who asks for a link names its host: it is told to nobody else. Whether it is `https` a trusted proxy knows.
    """
    if settings.public_url is not None:
        return settings.public_url
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    believed = forwarded in ("http", "https") and is_trusted_proxy(request.scope, settings.trusted_proxies)
    return f"{forwarded if believed else request.url.scheme}://{request.url.netloc}{settings.root_path}"
