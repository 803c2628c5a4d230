"""GET /embed, and what pages of other origins import: who may show it, and in which looks."""

import httpx2
import pytest

from tests.support.service import Process, Service

PAGE = "https://blog.example.com"


@pytest.fixture(scope="module")
def embeddable(service: Service) -> Process:
    return service.web(EMBED_ORIGINS=f"{PAGE}, http://b.example:8080", BRAND_COLOR="#0b6e4f", ROOT_PATH="/board")


def policy(url: str) -> str:
    return httpx2.get(url).headers["content-security-policy"]


def test_board_alone_may_be_framed_and_by_the_named_alone(embeddable: Process) -> None:
    allowed = f"frame-ancestors 'self' {PAGE} http://b.example:8080"
    assert policy(f"{embeddable.url}/embed").endswith(allowed)
    for path in ("/", "/operator", "/docs", "/about", "/score-board.js"):
        assert policy(embeddable.url + path).endswith("frame-ancestors 'none'"), path


def test_without_origins_nobody_may_frame_it(web: Process) -> None:
    assert policy(f"{web.url}/embed").endswith("frame-ancestors 'none'")


def test_theme_and_ground_are_those_of_the_address(web: Process) -> None:
    asked = httpx2.get(f"{web.url}/embed?theme=dark&transparent=1&rows=100&lang=fr").text
    assert '<html data-theme="dark" data-transparent="" lang="fr">' in asked
    assert '<html lang="en">' in httpx2.get(f"{web.url}/embed?theme=auto&transparent=0&board=nope").text


@pytest.mark.parametrize(
    "query", ["theme=blue", "theme=", "transparent=yes", "rows=0", "rows=101", "rows=1.5", "rows=٣", 'theme="><b>']
)
def test_look_that_there_is_not_is_malformed(web: Process, query: str) -> None:
    answer = httpx2.get(f"{web.url}/embed?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert answer.json()["detail"].startswith(query.partition("=")[0])


def test_client_and_element_are_there_for_pages_of_anybody(embeddable: Process) -> None:
    entry = httpx2.get(f"{embeddable.url}/score-board.js").text
    assert 'from "./static/score-board.js";' in entry
    paths = ("/scoreboard.js", "/scoreboard.d.ts", "/score-board.js", "/score-board.css", "/static/score-board.js")
    for path in (*paths, "/static/words/de.json"):
        headers = httpx2.get(embeddable.url + path, headers={"Origin": "https://anybody.example"}).headers
        assert headers["access-control-allow-origin"] == "*", path
        assert headers["cross-origin-resource-policy"] == "cross-origin", path
    api = httpx2.get(f"{embeddable.url}/about", headers={"Origin": "https://anybody.example"}).headers
    assert "access-control-allow-origin" not in api


def test_style_sheet_of_the_element_touches_no_other_one(embeddable: Process) -> None:
    answer = httpx2.get(f"{embeddable.url}/score-board.css")
    assert answer.headers["content-type"].partition(";")[0] == "text/css"
    assert ":root" not in answer.text
    assert "[data-theme" not in answer.text
    assert 'score-board[theme="dark"] {' in answer.text
    assert "--button: var(--score-board-accent, var(--light, #0b6e4f)" in answer.text
