"""What all answers have in common: problem documents, request ids, methods; and requests no client library sends."""

import re
import socket
from collections.abc import Iterator

import httpx2
import pytest

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem

REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture
def visitor(web: Process) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=web.url, timeout=10) as client:
        yield client


@pytest.mark.parametrize("path", ["/nothing", "/users", "/users/", "/auth", "/static/nothing.js", "/%00", "/%ff"])
def test_path_that_leads_nowhere_is_not_found(visitor: httpx2.Client, path: str) -> None:
    problem(visitor.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/auth/register", {"POST"}),
        ("/auth/login", {"POST"}),
        ("/auth/refresh", {"POST"}),
        ("/auth/logout", {"POST"}),
        ("/top-scores", {"GET", "HEAD"}),
        ("/action-types", {"GET", "HEAD"}),
        ("/healthz", {"GET", "HEAD"}),
        ("/readyz", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
        ("/scoreboard.js", {"GET", "HEAD"}),
        ("/scoreboard.d.ts", {"GET", "HEAD"}),
        (f"/users/{NOBODY}", {"GET", "HEAD", "PATCH", "DELETE"}),
        (f"/users/{NOBODY}/password", {"POST"}),
        (f"/users/{NOBODY}/actions", {"GET", "HEAD", "POST"}),
        (f"/users/{NOBODY}/actions/{NOBODY}", {"GET", "HEAD", "PUT"}),
    ],
)
def test_method_not_allowed_tells_all_that_the_path_knows(visitor: httpx2.Client, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        answer = visitor.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_every_answer_has_a_request_id_of_its_own(visitor: httpx2.Client, alice: Player) -> None:
    answers = [
        visitor.get("/healthz"),
        visitor.get("/healthz"),
        visitor.get("/top-scores"),
        visitor.get("/"),
        visitor.get("/static/page.js"),
        visitor.get("/nothing"),
        visitor.delete("/healthz"),
        visitor.post("/auth/refresh"),
        alice.start(),
        alice.http.post("/auth/logout"),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(REQUEST_ID.fullmatch(it) for it in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/auth/refresh"])
@pytest.mark.parametrize("request_id", [NOBODY, "a", "Trace_1.2-3", "x" * 128])
def test_well_formed_request_id_of_the_client_is_kept(visitor: httpx2.Client, path: str, request_id: str) -> None:
    answer = visitor.get(path, headers={"X-Request-ID": request_id})
    assert answer.headers.get_list("x-request-id") == [request_id]
    if answer.is_error:
        assert problem(answer, answer.status_code)["requestId"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a\tb", "<script>", 'a"b', "a;b", "a,b", "\xfc", "{}"])
def test_malformed_request_id_is_replaced(visitor: httpx2.Client, request_id: str) -> None:
    answer = visitor.get("/nothing", headers=[(b"X-Request-ID", request_id.encode("latin-1"))])
    problem(answer, 404)
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_answers_are_not_sniffed_framed_or_told_about(visitor: httpx2.Client) -> None:
    for path in ("/top-scores", "/", "/nothing"):
        headers = visitor.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_browsers_are_told_to_keep_to_tls_in_production_alone(service: Service, visitor: httpx2.Client) -> None:
    production = service.web(APP_ENV="production", SECRET_KEY="k" * 32)
    for path in ("/top-scores", "/", "/nothing"):
        kept = httpx2.get(f"{production.url}{path}", timeout=10).headers["strict-transport-security"]
        assert kept == "max-age=31536000"
        assert "strict-transport-security" not in visitor.get(path).headers


def raw(web: Process, request: bytes, *, end: bool = False) -> bytes:
    """Send bytes as they are, and give all that comes back until the other side, or with `end` we, are done."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer


def head(player: Player, *headers: str) -> bytes:
    """Return the head of a request that starts an action."""
    lines = [
        f"POST /users/{player.user_id}/actions HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {player.token}",
        "Content-Type: application/json",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


BODY = b'{"status": "started"}'
CHUNKED = b"15\r\n" + BODY + b"\r\n0\r\n\r\n"


def actions(stores: Stores, player: Player) -> int:
    return int(stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=player.user_id))


def test_request_by_hand_is_taken(web: Process, alice: Player, stores: Stores) -> None:
    assert raw(web, head(alice, "Content-Length: 21") + BODY).startswith(b"HTTP/1.1 201 ")
    assert raw(web, head(alice, "Transfer-Encoding: chunked") + CHUNKED).startswith(b"HTTP/1.1 201 ")
    assert actions(stores, alice) == 2


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 21", "Transfer-Encoding: chunked"], CHUNKED),
        (["Transfer-Encoding: chunked", "Content-Length: 21"], CHUNKED),
        (["Content-Length: 21", "Content-Length: 20"], BODY),
        (["Content-Length: 21", "Content-Length: 21"], BODY),
        (["Content-Length: 21, 21"], BODY),
        (["Content-Length: -1"], BODY),
        (["Content-Length: +21"], BODY),
        (["Content-Length: 0x15"], BODY),
        (["Content-Length: " + "9" * 30], BODY),
        (["Transfer-Encoding: chunked"], b"zz\r\n" + BODY),
        (["Transfer-Encoding: chunked"], b"-15\r\n" + BODY),
        (["Transfer-Encoding: gzip, chunked, identity"], CHUNKED),
    ],
)
def test_body_whose_end_is_in_doubt_is_refused(
    web: Process, alice: Player, stores: Stores, headers: list[str], body: bytes
) -> None:
    answer = raw(web, head(alice, *headers) + body, end=True)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer
    # The connection can't be used for a second request that hides in the first.
    assert answer.count(b"HTTP/1.1 ") == 1
    assert actions(stores, alice) == 0


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"rubbish\r\n\r\n",
    ],
    ids=["both lengths", "two lengths", "no HTTP"],
)
def test_unreadable_http_gets_a_problem_document_as_well(web: Process, request_: bytes) -> None:
    answer = raw(web, request_, end=True).lower()
    assert answer.startswith(b"http/1.1 400 ")
    assert b"\r\ncontent-type: application/problem+json\r\n" in answer
    assert b"\r\nx-request-id: " in answer
    assert b"\r\nconnection: close\r\n" in answer
    assert b'"code":"malformed-request"' in answer


def test_client_that_leaves_within_its_body_is_forgotten(web: Process, alice: Player, stores: Stores) -> None:
    sent = head(alice, "Content-Length: 21") + BODY[:10]
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(sent)
    assert alice.start().status_code == 201
    eventually(lambda: actions(stores, alice) == 1, what="one action")
    assert "Traceback" not in web.output()


def test_client_that_ends_before_its_body_does_gets_no_action(web: Process, alice: Player, stores: Stores) -> None:
    for request in (
        head(alice, "Content-Length: 21") + BODY[:20],
        head(alice, "Transfer-Encoding: chunked") + CHUNKED[:20],
        head(alice, "Transfer-Encoding: chunked") + CHUNKED[:-5],
    ):
        assert not raw(web, request, end=True).startswith(b"HTTP/1.1 2")
    assert actions(stores, alice) == 0
    assert "Traceback" not in web.output()


@pytest.mark.parametrize(
    "request_",
    [b"\r\n\r\n", b"rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /\0 HTTP/1.1\r\n\r\n"],
)
def test_bytes_that_are_not_http_are_refused_and_web_lives(web: Process, request_: bytes) -> None:
    assert not raw(web, request_, end=True).startswith((b"HTTP/1.1 2", b"HTTP/1.1 5"))
    assert httpx2.get(f"{web.url}/healthz").status_code == 200
    assert "Traceback" not in web.output()


def test_internal_error_tells_nothing_of_the_inside(web: Process, alice: Player, stores: Stores) -> None:
    action_id = alice.started()
    # The one thing that a test can break and the service can't foresee.
    stores.execute("ALTER TABLE actions RENAME COLUMN score TO gone")
    try:
        answer = alice.end(action_id)
        body = problem(answer, 500, "internal-error")
    finally:
        stores.execute("ALTER TABLE actions RENAME COLUMN gone TO score")
    for word in ("score", "SELECT", "psycopg", "Traceback", "actions", "column"):
        assert word not in body["detail"] + body["title"]
    assert answer.headers["connection"] == "close"
    line = f"request.failed requestId={body['requestId']}"
    eventually(lambda: line in web.output(), what="its line in the log")
    assert alice.end(action_id).status_code == 200


def test_log_of_a_failing_statement_has_no_address_or_hash(web: Process, stores: Stores) -> None:
    name = unique("private")
    stores.execute("ALTER TABLE users RENAME COLUMN email TO gone")
    try:
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        answer = httpx2.post(f"{web.url}/auth/register", json=body, timeout=10)
        request_id = problem(answer, 500, "internal-error")["requestId"]
    finally:
        stores.execute("ALTER TABLE users RENAME COLUMN gone TO email")
    eventually(lambda: "UndefinedColumn" in web.output().partition(request_id)[2], what="the traceback")
    said = web.output()
    for word in (name, "@example.org", "$argon2", PASSWORD):
        assert word not in said


def test_invalid_request_is_logged(web: Process, alice: Player) -> None:
    request_id = problem(alice.start(surplus=1), 400)["requestId"]
    line = eventually(lambda: line_of(web, request_id), what="the line")
    assert "scoreboard.security" in line
    assert "request.invalid" in line


def line_of(process: Process, request_id: str) -> str:
    """Return the log line of a request, "" while there is none."""
    return next((it for it in process.output().splitlines() if f"requestId={request_id}" in it), "")
