"""In which language a page comes."""

import httpx2
import pytest

from tests.support.service import Process


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ("", {}, "en"),
        ("", {"Accept-Language": "pt, de-AT;q=0.9, fr;q=0.8"}, "de"),
        ("", {"Accept-Language": "de", "Cookie": "other=1; language=fr"}, "fr"),
        ("?lang=es", {"Accept-Language": "de", "Cookie": "language=fr"}, "es"),
        ("?lang=xx", {"Accept-Language": "de"}, "de"),
    ],
)
def test_page_comes_in_the_language_of_address_switch_or_browser(
    web: Process, query: str, headers: dict[str, str], language: str
) -> None:
    answer = httpx2.get(f"{web.url}/{query}", headers=headers)
    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["vary"].startswith("Accept-Language, Cookie")


def test_page_is_another_one_in_another_language(web: Process) -> None:
    def ask(language: str, etag: str = "none") -> httpx2.Response:
        return httpx2.get(web.url, headers={"Accept-Language": language, "If-None-Match": etag})

    german, etag = ask("de"), ask("de").headers["etag"]
    assert "Diese Seite braucht JavaScript." in german.text
    assert (ask("de", etag).status_code, ask("fr", etag).status_code) == (304, 200)
