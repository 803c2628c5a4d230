"""The board on pages of others: in a frame, or as an element that they import. Source: contract, section 4."""

import re
from functools import lru_cache

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Malformed
from app.routes import static_files
from app.routes.brand import stylesheet_of
from app.routes.pages import html, release_of
from app.routes.static_files import ASK_EACH_TIME, FOR_ANYBODY, Content, Release
from app.web import web_of

MOST_ROWS = 100
THEMES = ("light", "dark", "auto")

_FONT_FACE = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
_OWN_NAMES = {"card": "ground", "ink": "ink", "button": "accent", "bar": "accent"}
"""Tokens that a page of somebody else may set, and how the properties are called there."""
_FRAME = """
score-board { color: var(--ink); font-family: var(--score-board-font, inherit); line-height: 1.4; }
score-board, score-board *, score-board *::before, score-board *::after { box-sizing: border-box; }
"""


async def page(request: Request) -> Response:
    """GET /embed: the board alone, for a frame on a page of somebody else, or over a video."""
    attributes = _attributes(request.query_params)
    return html(request, "embed.html", attributes=attributes, framed_by=web_of(request).settings.embed_origins)


def _attributes(query: QueryParams) -> str:
    """Return what the query says of the page's look, as attributes of its first element.

    Raises:
        Malformed: when it says what makes no sense.
    """
    theme, transparent, rows = query.get("theme", "auto"), query.get("transparent", "0"), query.get("rows", "10")
    if theme not in THEMES:
        raise Malformed(f"theme: must be one of {', '.join(THEMES)}.")
    if transparent not in ("0", "1"):
        raise Malformed("transparent: must be 1 or 0.")
    if not (re.fullmatch(r"[0-9]{1,3}", rows) and 1 <= int(rows) <= MOST_ROWS):
        raise Malformed(f"rows: must be a whole number from 1 to {MOST_ROWS}.")
    scheme = "" if theme == "auto" else f' data-theme="{theme}"'
    return scheme + (' data-transparent=""' if transparent == "1" else "")


async def element(request: Request) -> Response:
    """GET /score-board.js: the element as an ES module, which brings its style sheet along."""
    return static_files.answer(request, _entry(release_of(request)), {"Cache-Control": ASK_EACH_TIME, **FOR_ANYBODY})


async def element_styles(request: Request) -> Response:
    """GET /score-board.css: how the element looks on a page that has none of ours."""
    styles = _styles(release_of(request), web_of(request).settings.brand_color)
    return static_files.answer(request, styles, {"Cache-Control": ASK_EACH_TIME, **FOR_ANYBODY})


@lru_cache(maxsize=2)
def _entry(release: Release) -> Content:
    file = release.files["element.js"]
    return Content.of(file.body.replace(b'"./', b'"./static/'), file.media_type)


@lru_cache(maxsize=2)
def _styles(release: Release, color: str | None) -> Content:
    tokens = release.files["tokens.css"].body.decode() + stylesheet_of(color).decode()
    board = release.files["board.css"].body.decode()
    return Content.of(styles_of_element(tokens, board).encode(), "text/css")


def styles_of_element(tokens: str, board: str) -> str:
    """Return style sheets that touch nothing but the element: the palette is its own, and none of the page's."""
    tokens = _FONT_FACE.sub("", tokens)
    tokens = tokens.replace(":root, [data-theme], [theme]", "score-board").replace(":root", "score-board")
    tokens = re.sub(r'\[data-theme="(\w+)"\], \[theme="\1"\]', r'score-board[theme="\1"]', tokens)
    for token, name in _OWN_NAMES.items():
        tokens = re.sub(rf"(--{token}): (.+);", rf"\1: var(--score-board-{name}, \2);", tokens)
    return tokens + _FRAME + board
