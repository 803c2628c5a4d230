"""The words of the pages: every language is complete, and every word that a page or a module names is there."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest

from app.http.languages import LANGUAGES, accepted
from app.routes.page_words import SECTIONS, STATIC, Words, in_language, words_of

PAGES = sorted(page for page in SECTIONS if (STATIC / page).exists())
ENGLISH = words_of("en")
ANY_KEY = re.compile(r'"((?:common|account|board|player|wall|embed|organizer)\.[a-z0-9-]+)"')
FORMAL = {
    "de": re.compile(r"\bIhnen\b|\w+en Sie\b"),
    "es": re.compile(r"\busted(?:es)?\b", re.IGNORECASE),
    "fr": re.compile(r"\b(?:vous|votre|vos)\b", re.IGNORECASE),
}
"""German says du, Spanish tú, French tu."""
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
IMPORT = re.compile(r'^(?:import|export) (?:[^;"]*? from )?"(\.[^"]+)";', re.MULTILINE)


def forms_of(said: str | dict[str, str]) -> dict[str, str]:
    return said if isinstance(said, dict) else {"other": said}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


class Marked(HTMLParser):
    """Collects what the markup says in English under each key: the first text in the element, or its attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self._waiting: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self._waiting = known.get("data-words")
        for name, key in known.items():
            if name.startswith("data-words-"):
                about = name.removeprefix("data-words-")
                self.said.append((key, known["aria-label" if about == "label" else about]))

    def handle_endtag(self, tag: str) -> None:
        self._waiting = None

    def handle_data(self, data: str) -> None:
        if self._waiting:
            self.said.append((self._waiting, " ".join(data.split())))
            self._waiting = None


def marked(page: str, language: str = "en") -> list[tuple[str, str]]:
    parser = Marked()
    parser.feed(in_language((STATIC / page).read_text(), page, language).partition('<script type="application')[0])
    return parser.said


def modules_of(page: str) -> set[Path]:
    named = re.findall(r'<script type="module" src="(.+?)"', (STATIC / page).read_text())
    found = {(STATIC.parent / name).resolve() for name in named}
    needed: set[Path] = set()
    while found:
        needed |= found
        found = {(it.parent / name).resolve() for it in found for name in IMPORT.findall(it.read_text())} - needed
    return needed


def keys_in(modules: Iterable[Path]) -> set[str]:
    return {key for module in modules for key in ANY_KEY.findall(COMMENT.sub("", module.read_text()))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_has_every_word_with_the_same_placeholders(language: str) -> None:
    words = words_of(language)
    assert set(words) == set(ENGLISH)
    assert list(words) == sorted(words)
    for key, said in words.items():
        assert isinstance(said, dict) == isinstance(ENGLISH[key], dict), key
        assert "other" in forms_of(said), key
        wanted = placeholders(forms_of(ENGLISH[key])["other"])
        for form, text in forms_of(said).items():
            assert text.strip(), key
            assert placeholders(text) in ([wanted, wanted - {"count"}] if form == "one" else [wanted]), key


@pytest.mark.parametrize("language", FORMAL)
def test_readers_are_addressed_as_friends(language: str) -> None:
    texts = {key: " ".join(forms_of(said).values()) for key, said in words_of(language).items()}
    assert {key: text for key, text in texts.items() if FORMAL[language].search(text)} == {}


@pytest.mark.parametrize("page", PAGES)
def test_markup_says_in_english_what_the_english_words_are(page: str) -> None:
    """As it is written: no word of the file has been put into it yet."""
    parser = Marked()
    parser.feed((STATIC / page).read_text())
    assert parser.said == [(key, ENGLISH[key]) for key, _ in parser.said]
    assert parser.said == marked(page)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_page_is_in_the_language_as_a_whole(page: str, language: str) -> None:
    words = words_of(language)
    assert marked(page, language) == [(key, words[key]) for key, _ in marked(page)]


@pytest.mark.parametrize("page", PAGES)
def test_page_brings_the_sections_that_its_modules_use(page: str) -> None:
    used = keys_in(modules_of(page))
    assert {key for key in used if key.partition(".")[0] not in SECTIONS[page]} == set()


def test_every_word_is_used_and_every_used_one_is_there() -> None:
    in_markup = {key for page in PAGES for key, _ in marked(page)}
    assert keys_in(STATIC.rglob("*.js")) | in_markup == set(ENGLISH)


def test_texts_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    words: Words = {"common.a": 'a < b & "c"</script>', "organizer.b": "not this page's"}
    monkeypatch.setattr("app.routes.page_words.words_of", lambda _: words)
    html = '<html lang="en"><body><p title="x" data-words="common.a" data-words-title="common.a">\n x</p></body>'
    page = in_language(html, "embed.html", "de")
    assert page.startswith('<html lang="de"><body><p title="a &lt; b &amp; &quot;c&quot;&lt;/script&gt;"')
    assert '>\n a &lt; b &amp; "c"&lt;/script&gt;</p>' in page
    assert page.count("</script>") == 1
    assert "not this page" not in page


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", ["de-AT", "de", "en"]),
        ("en;q=0.5, fr", ["fr", "en"]),
        ("es;q=0, fr;q=x, *;q=0.1", ["*"]),
        ("", [""]),
        ("de;q=", ["de"]),
    ],
)
def test_accepted_languages_come_by_their_weight(header: str, wanted: list[str]) -> None:
    assert list(accepted(header)) == wanted
