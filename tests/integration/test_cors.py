"""Pages of the allowed origins may call the API; no others, and none unless origins are named."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.service import Process, Service

FRIEND = "https://play.example.com"
PREFLIGHT = {"access-control-request-method": "PUT", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
def open_to_friends(service: Service) -> Process:
    return service.web(ALLOWED_ORIGINS=f"{FRIEND.upper()}:443/")  # browsers send none of this


@pytest.fixture
def http(open_to_friends: Process) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=open_to_friends.url, timeout=10) as client:
        yield client


def test_friends_preflight_is_answered(http: httpx2.Client) -> None:
    answer = http.options("/users/x/actions/y", headers={"origin": FRIEND, **PREFLIGHT})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    allowed = {it.strip().lower() for it in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"} <= allowed


@pytest.mark.parametrize("header", ["traceparent", "tracestate", "baggage", "sentry-trace"])
def test_friends_page_may_be_traced(http: httpx2.Client, header: str) -> None:
    asked = {**PREFLIGHT, "access-control-request-headers": f"authorization,{header}"}
    answer = http.options("/users/x/actions/y", headers={"origin": FRIEND, **asked})
    assert answer.status_code == 200
    assert header in answer.headers["access-control-allow-headers"].lower().split(", ")


def test_friend_may_read_answers_and_their_headers_errors_too(http: httpx2.Client) -> None:
    for path, status in (("/top-scores", 200), ("/nowhere", 404)):
        answer = http.get(path, headers={"origin": FRIEND})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == FRIEND
        exposed = {it.strip().lower() for it in answer.headers["access-control-expose-headers"].split(",")}
        assert {
            "etag",
            "idempotency-replayed",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        } <= exposed
        assert answer.headers["vary"].lower() == "origin"


@pytest.mark.parametrize("origin", ["https://play.example.com.evil.org", "http://play.example.com", "null"])
def test_stranger_may_not(http: httpx2.Client, origin: str) -> None:
    assert "access-control-allow-origin" not in http.get("/top-scores", headers={"origin": origin}).headers
    assert http.options("/top-scores", headers={"origin": origin, **PREFLIGHT}).status_code == 400


def test_cors_without_origins_lets_nobody_read(web: Process) -> None:
    answer = httpx2.get(f"{web.url}/top-scores", headers={"origin": FRIEND}, timeout=10)
    assert "access-control-allow-origin" not in answer.headers
