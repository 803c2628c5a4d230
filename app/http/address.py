"""The address under which people reach the pages."""

from starlette.requests import Request

from config.settings import Settings


def page_url(settings: Settings, request: Request) -> str:
    """Return the pages' address, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{settings.root_path}"
