"""The page's files, as a browser gets them."""

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
