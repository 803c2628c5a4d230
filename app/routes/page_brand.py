"""Pages with the name, logo, colour and welcome of whoever runs the service.

In the HTML an element with `data-brand="name"` gets the name as its text; an image with `data-brand="logo"` shows the
logo, also a hidden one; one with `data-brand="welcome"` has the words of welcome, and is hidden without any.
"""

import re
from functools import partial
from html import escape

from app.routes.brand import logo_address, stylesheet_address
from config.settings import Settings

_TOKENS = re.compile(r'( *)<link rel="stylesheet" href="static/tokens\.css">\n')
_NAME = re.compile(r'(<[^<>]*\sdata-brand="name"[^<>]*>)[^<]*')
_LOGO = re.compile(r'(<img[^<>]*\sdata-brand="logo"[^<>]*?\ssrc=)"[^"]*"([^<>]*?)(?: hidden)?>')
_WELCOME = re.compile(r'(<[^<>]*\sdata-brand="welcome"[^<>]*?) hidden>[^<]*')


def in_brand(html: str, settings: Settings) -> str:
    """Return a page with the look that the settings give it."""
    html = _NAME.sub(partial(_followed_by, escape(settings.brand_name, quote=False)), html)
    if sheet := stylesheet_address(settings):
        # After the palette, and before every file that uses it.
        html = _TOKENS.sub(rf'\g<0>\1<link rel="stylesheet" href="{sheet}">' + "\n", html, count=1)
    if logo := logo_address(settings):
        html = _LOGO.sub(lambda found: f'{found[1]}"{escape(logo)}"{found[2]}>', html)
    if settings.brand_welcome:
        html = _WELCOME.sub(partial(_followed_by, f">{escape(settings.brand_welcome, quote=False)}"), html)
    return html


def _followed_by(text: str, found: re.Match[str]) -> str:
    return found[1] + text
