"""The page's files, as a browser gets them."""

import re

import httpx2
import pytest

from tests.support.service import Process


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        ("/scoreboard.js", "text/javascript"),
        ("/scoreboard.d.ts", "text/plain"),
        ("/static/page.js", "text/javascript"),
        ("/static/base.css", "text/css"),
        ("/static/favicon.svg", "image/svg+xml"),
    ],
)
def test_browser_may_keep_a_file_but_asks_each_time(web: Process, path: str, media_type: str) -> None:
    answer = httpx2.get(web.url + path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"]


def test_file_that_is_still_the_same_is_not_sent_again(web: Process) -> None:
    url = f"{web.url}/static/page.js"
    answer = httpx2.get(url, headers={"If-None-Match": httpx2.get(url).headers["etag"]})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["cache-control"] == "no-cache"


def test_page_allows_scripts_and_styles_of_its_own_alone(web: Process) -> None:
    policy = httpx2.get(web.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/static/", "/static/missing.js", "/static/../ops.py", "/static/%2e%2e/ops.py"])
def test_path_that_is_no_file_of_the_page_is_not_found(web: Process, path: str) -> None:
    answer = httpx2.get(web.url + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_pages_name_their_files_by_what_is_in_them(web: Process) -> None:
    page = httpx2.get(web.url, headers={"Accept-Encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    assert page.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(named) > 20
    for path in named:
        answer = httpx2.get(f"{web.url}/{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        assert answer.content == httpx2.get(f"{web.url}/static/{path.split('/', 2)[2]}").content


def test_file_of_another_release_is_answered_and_kept_by_nobody(web: Process) -> None:
    own = httpx2.get(f"{web.url}/static/page.js")
    other = httpx2.get(f"{web.url}/static/{'0' * 16}/page.js")
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")
    assert other.content == own.content
    assert httpx2.get(f"{web.url}/static/{'0' * 16}/nothing.js").status_code == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, br", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip; q=0.0", None),
        ("", None),
    ],
)
def test_file_is_compressed_for_who_takes_it(web: Process, accepted: str, coding: str | None) -> None:
    plain = httpx2.get(f"{web.url}/static/page.js", headers={"Accept-Encoding": "identity"})
    answer = httpx2.get(f"{web.url}/static/page.js", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert answer.content == plain.content
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (answer.headers["etag"] == plain.headers["etag"]) == (coding is None)
    assert (int(answer.headers["content-length"]) < int(plain.headers["content-length"])) == (coding == "gzip")
