"""Pages in the reader's language.

The HTML is written in English. An element that has `data-words="key"` gets the text of that key in its place, one with
`data-words-title="key"` that title; `-label` stands for `aria-label`. What the page's modules say comes along in a
block of JSON, which `words.js` reads: so no request is needed for it, and nothing changes its language in front of the
reader.
"""

import re
from html import escape
from pathlib import Path
from typing import cast

import msgspec

STATIC = Path(__file__).parent.parent / "static"

SECTIONS = {
    "index.html": ("common", "account", "board", "player", "wall"),
    "wall.html": ("common", "board", "wall"),
    "embed.html": ("common", "board", "embed"),
    "operator.html": ("common", "account", "board", "organizer"),
}
"""The pages that are there in every language, and the sections that their modules use."""

Words = dict[str, str | dict[str, str]]

_MARKED = re.compile(r"<([a-z][^<>]*?\sdata-words[^<>]*)>([^<]*)")
_MARK = re.compile(r'\sdata-words(?:-([a-z]+))?="([^"]+)"')
_AROUND = re.compile(r"(\S(?:.*\S)?)", re.DOTALL)


def words_of(language: str) -> Words:
    """Return the words of a language: a text for each key, or one for each plural form."""
    return cast(Words, msgspec.json.decode((STATIC / "words" / f"{language}.json").read_bytes()))


def in_language(html: str, page: str, language: str) -> str:
    """Return a page with its texts in a language, and the words of its modules; a page without words as it is."""
    if page not in SECTIONS:
        return html
    words = words_of(language)
    html = _MARKED.sub(lambda found: _translated(found[1], found[2], words), html)
    html = html.replace('<html lang="en"', f'<html lang="{language}"', 1)
    used = {key: text for key, text in words.items() if key.partition(".")[0] in SECTIONS[page]}
    block = msgspec.json.encode(used).decode().replace("<", "\\u003c")
    block = f'<script type="application/json" id="scoreboard-words">{block}</script>\n'
    return html.replace("</body>", f"{block}</body>", 1)


def _translated(tag: str, text: str, words: Words) -> str:
    for name, key in _MARK.findall(tag):
        said = words[key]
        if not isinstance(said, str):
            raise TypeError(f"{key} has plural forms: markup can't choose one")
        if name:
            attribute = "aria-label" if name == "label" else name
            before, _, after = re.split(rf'(?<=\s{attribute}=)("[^"]*")', tag, maxsplit=1)
            tag = f'{before}"{escape(said)}"{after}'
        else:
            before, _, after = _AROUND.split(text)
            text = f"{before}{escape(said, quote=False)}{after}"
    return f"<{tag}>{text}"
