"""Every page has the look of whoever runs the service."""

import re

import pytest

from app.routes.page_brand import in_brand
from app.routes.page_words import SECTIONS, STATIC
from config import settings

STORES = {"DATABASE_URL": "postgres://h/d", "REDIS_URL": "redis://h"}
LOGO = "https://cdn.example.com/logo.svg?a=1&b=2"
PAGES = sorted(page for page in SECTIONS if (STATIC / page).exists())


@pytest.mark.parametrize("page", PAGES)
def test_page_has_colour_and_logo_of_the_brand(page: str) -> None:
    looks = settings.load({**STORES, "BRAND_COLOR": "#0b6e4f", "BRAND_LOGO": LOGO})
    html = in_brand((STATIC / page).read_text(), looks)
    sheets = re.findall(r'rel="stylesheet" href="(.+?)(?:\?v=\w+)?"', html)
    assert sheets[:2] == ["static/tokens.css", "brand.css"], "before what uses the colours"
    assert 'src="https://cdn.example.com/logo.svg?a=1&amp;b=2"' in html


@pytest.mark.parametrize("page", PAGES)
def test_page_without_a_brand_is_as_it_was_written(page: str) -> None:
    html = (STATIC / page).read_text()
    assert in_brand(html, settings.load(STORES)) == html
