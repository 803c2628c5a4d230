"""GET /about: what a page needs to know to offer only what works."""

import httpx2

from config.version import VERSION
from tests.support.service import Process, Service

ABOUT = {
    "name": "Scoreboard",
    "version": VERSION,
    "registration": "open",
    "passwordLogin": True,
    "issuers": [],
    "topScoresAuth": "optional",
    "askEmail": False,
    "brand": {"name": "Scoreboard"},
}


def test_about_tells_anybody_what_is_so_by_default(web: Process) -> None:
    answer = httpx2.get(f"{web.url}/about", headers={"authorization": "Bearer of-nothing"})
    assert (answer.status_code, answer.json()) == (200, ABOUT)
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert "ratelimit" not in answer.headers


def test_about_tells_what_the_environment_says(service: Service) -> None:
    process = service.web(SERVICE_NAME="Größe zählt", REGISTRATION="code", TOP_SCORES_AUTH="required", ASK_EMAIL="true")
    told = {"name": "Größe zählt", "registration": "code", "topScoresAuth": "required", "askEmail": True}
    told["brand"] = {"name": "Größe zählt"}
    assert httpx2.get(f"{process.url}/about").json() == {**ABOUT, **told}
    closed = service.web(APP_ENV="production", SECRET_KEY="of-this-test-alone-and-of-no-other-0123456789")
    assert httpx2.get(f"{closed.url}/about").json() == {**ABOUT, "registration": "closed"}
