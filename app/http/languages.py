"""Which of the languages a reader is given: the one of the address, of the switch, or of the browser's settings."""

from collections.abc import Iterator

from starlette.requests import Request

LANGUAGES = ("en", "de", "es", "fr")
"""English first: who reads none of them gets it."""
COOKIE = "language"
"""What the page's switch stores."""
VARY = "Accept-Language, Cookie"

_MOST_ACCEPTED = 20


def language_of(request: Request) -> str:
    """Return one of LANGUAGES: by `?lang=`, else the switch, else Accept-Language."""
    chosen = (request.query_params.get("lang"), request.cookies.get(COOKIE))
    for wanted in (*chosen, *accepted(request.headers.get("accept-language", ""))):
        language = (wanted or "").partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def accepted(header: str) -> Iterator[str]:
    """Yield the languages of an Accept-Language, the most wanted first; what is malformed is left out."""
    weighted = []
    for part in header.split(",")[:_MOST_ACCEPTED]:
        language, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1) if weight else 1.0
        except ValueError:
            continue
        if quality > 0:
            weighted.append((quality, language.strip()))
    for _, language in sorted(weighted, key=lambda it: it[0], reverse=True):  # stable: the first of equals is first
        yield language
