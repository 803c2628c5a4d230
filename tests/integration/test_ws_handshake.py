"""The WebSocket's handshake: who is let in, and with which status everybody else is refused."""

import json
import socket
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.people import Listener, Player, listener, suspend
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import frame, listening, message, raw_peer, refusal, reset, upgrade

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    return service.web(WS_MAX_PER_USER="2", WS_MAX_PER_IP="4")


WAYS: list[tuple[dict[str, Any], str | None]] = [
    ({"subprotocols": ["scoreboard.v1", "bearer.{token}"]}, "scoreboard.v1"),
    ({"subprotocols": ["bearer.{token}", "scoreboard.v1"]}, "scoreboard.v1"),
    ({"additional_headers": {"Authorization": "Bearer {token}"}}, None),
    ({"additional_headers": {"Authorization": "bearer {token}"}, "subprotocols": ["scoreboard.v1"]}, "scoreboard.v1"),
    ({"path": "/ws?token={token}"}, None),
    ({"path": "/ws?board=all-time&token={token}", "subprotocols": ["scoreboard.v1"]}, "scoreboard.v1"),
]


def _with_token(value: Any, token: str) -> Any:
    if isinstance(value, str):
        return value.replace("{token}", token)
    if isinstance(value, dict):
        return {key: _with_token(it, token) for key, it in value.items()}
    return [_with_token(it, token) for it in value]


@pytest.mark.parametrize(("options", "answered"), WAYS)
def test_token_comes_in_any_of_three_ways(
    web: Process, dora: Listener, options: dict[str, Any], answered: str | None
) -> None:
    with listening(web, **_with_token(options, dora.token)) as websocket:
        assert message(websocket)["type"] == "top_scores_update"
        assert websocket.subprotocol == answered
        assert websocket.response is not None
        assert websocket.response.headers.get("Sec-WebSocket-Protocol") == answered


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_token_is_never_logged(service: Service, dora: Listener, level: str) -> None:
    web = service.web(LOG_LEVEL=level)
    for options, _ in WAYS:
        with listening(web, **_with_token(options, dora.token)) as websocket:
            message(websocket)
    assert refusal(web, path=f"/ws?token={dora.token}&board=other").status == 404
    assert refusal(web, path=f"/ws?token={dora.token}x").status == 401
    eventually(lambda: web.output().count("ws.disconnected") == len(WAYS), what="the end of all")
    head, _, signature = dora.token.rpartition(".")
    assert head not in web.output()
    assert signature not in web.output()


FOREIGN = [
    "null",
    "https://evil.example",
    "https://127.0.0.1.evil.example",
    "https://evil127.0.0.1",
    "https://board.example.evil.example",
    "https://notboard.example",
    "https://sub.board.example",
    "https://board.example@evil.example",
    "https://board.example:8443",
    "file://",
    "chrome-extension://board.example",
    "https://[",
    "https://board.example:port",
    "board.example",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_page_of_a_foreign_origin_is_refused(web: Process, dora: Listener, origin: str) -> None:
    refused = refusal(web, dora.token, host="board.example", additional_headers={"Origin": origin})
    assert (refused.status, refused.code) == (403, "foreign-origin")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://board.example", "board.example"),
        ("https://board.example", "board.example"),
        ("https://BOARD.example", "board.example"),
        ("https://board.example", "board.example:443"),
        ("https://board.example:8443", "board.example:8443"),
    ],
)
def test_page_of_the_same_host_is_let_in_also_behind_tls(web: Process, dora: Listener, origin: str, host: str) -> None:
    with listening(web, dora.token, host=host, additional_headers={"Origin": origin}) as websocket:
        message(websocket)


def test_allowed_origins_take_the_place_of_the_same_host(service: Service, dora: Listener) -> None:
    web = service.web(ALLOWED_ORIGINS="https://play.example, http://localhost:3000")
    allowed = ("https://play.example", "https://PLAY.example:443", "http://localhost:3000")
    for origin in allowed:
        with listening(web, dora.token, additional_headers={"Origin": origin}) as websocket:
            message(websocket)
    foreign = (
        *("https://play.example.evil.example", "https://play.example:8443", "http://localhost", "null"),
        *("http://play.example", "https://localhost:3000"),
    )
    for origin in foreign:
        assert refusal(web, dora.token, additional_headers={"Origin": origin}).status == 403


@pytest.mark.parametrize("path", ["/", "/nope", "/ws/", "/top-scores", "/healthz", "/static/page.js", "/static/"])
def test_path_other_than_the_sockets_is_refused(web: Process, dora: Listener, path: str) -> None:
    refused = refusal(web, dora.token, path=path, additional_headers={"X-Request-ID": "mine"})
    assert (refused.status, refused.code, refused.headers["x-request-id"]) == (404, "not-found", "mine")
    assert refused.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "line",
    ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: abc", "Sec-WebSocket-Protocol: ,", "Sec-WebSocket-Key: \xfc"],
)
def test_handshake_without_an_upgrade_is_refused_as_a_problem(web: Process, dora: Listener, line: str) -> None:
    name = line.partition(":")[0].encode()
    head = upgrade(dora.token).split(b"\r\n")
    head = [head[0], *(it for it in head[1:-2] if not it.startswith(name)), line.encode("latin-1"), b"", b""]
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(b"\r\n".join(head))
        answer = b""
        while received := peer.recv(65536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 400 ")
    said, _, body = answer.partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert problem["code"] == "malformed-request"
    assert f"x-request-id: {problem['requestId']}".encode() in said.lower()


def test_handshake_without_an_origin_is_let_in(web: Process, dora: Listener) -> None:
    with listening(web, dora.token) as websocket:
        message(websocket)


def test_handshakes_are_limited_by_address_foreign_ones_not(service: Service, dora: Listener) -> None:
    web = service.web(RATE_LIMIT_WS="3/hour")
    for _ in range(4):
        assert refusal(web, additional_headers={"Origin": "null"}).status == 403
    assert refusal(web).status == 401
    assert refusal(web, dora.token, path="/ws?board=other").status == 404
    with listening(web, dora.token) as websocket:
        message(websocket)
    refused = refusal(web)
    assert (refused.status, refused.code) == (429, "rate-limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 1200
    assert refused.headers["ratelimit-policy"] == '"ws";q=3;w=3600'
    assert refused.headers["ratelimit"].startswith('"ws";r=0;t=')
    assert refusal(web, additional_headers={"Origin": "null"}).status == 403, "the origin comes first"


def test_missing_bad_or_expired_token_is_refused(web: Process, stores: Stores, dora: Listener) -> None:
    header, payload, signature = dora.token.split(".")
    bad = [
        None,
        "x",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        listener(stores, secret="some other secret of 32 bytes or more").token,
        dora.token + "A" * 5000,
    ]
    for token in bad:
        refused = refusal(web, token, path="/ws?board=other")
        assert (refused.status, refused.code) == (401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"
    for options in ({"subprotocols": ["scoreboard.v1"]}, {"path": "/ws?token="}, {"subprotocols": ["bearer."]}):
        assert refusal(web, **options).status == 401
    assert refusal(web, additional_headers={"Authorization": "Basic eDp5"}).status == 401
    brief = listener(stores, ttl=1)
    eventually(lambda: refusal(web, brief.token, path="/ws?board=other").status == 401, what="its expiry")


def test_logged_out_token_is_refused_and_a_new_one_is_let_in(web: Process, alice: Player) -> None:
    old = alice.token
    with listening(web, old) as websocket:
        message(websocket)
    assert alice.http.post("/auth/logout").status_code == 204
    eventually(lambda: refusal(web, old, path="/ws?board=other").status == 401, within=5, what="the refusal")
    alice.login()
    with listening(web, alice.token) as websocket:
        message(websocket)


def test_token_of_a_user_who_is_gone_is_refused(web: Process, stores: Stores, dora: Listener) -> None:
    with stores.engine.begin() as conn:
        conn.execute(sa.text("DELETE FROM users WHERE id = :id"), {"id": dora.user_id})
    assert refusal(web, dora.token).status == 401


def test_suspended_user_is_refused_before_the_board_is_looked_at(web: Process, stores: Stores, dora: Listener) -> None:
    suspend(stores, dora.user_id)
    refused = refusal(web, dora.token, path="/ws?board=other")
    assert (refused.status, refused.code) == (403, "user-suspended")


@pytest.mark.parametrize("board", ["other", "", "ALL-TIME", "all-time%00"])
def test_board_of_another_name_is_not_found(web: Process, dora: Listener, board: str) -> None:
    refused = refusal(web, dora.token, path=f"/ws?board={board}")
    assert (refused.status, refused.code) == (404, "not-found")


def test_user_has_so_many_sockets_and_an_address_too(web: Process, stores: Stores) -> None:
    dora, emil, fred = (listener(stores, name) for name in ("dora", "emil", "fred"))
    with ExitStack() as stack:
        for _ in range(2):
            message(stack.enter_context(listening(web, dora.token)))
        for path, status in (("/ws", 429), ("/ws?board=other", 404)):
            refused = refusal(web, dora.token, path=path)
            assert refused.status == status
        refused = refusal(web, dora.token)
        assert (refused.status, refused.code) == (429, "too-many-connections")
        assert int(refused.headers["retry-after"]) > 0
        for _ in range(2):
            message(stack.enter_context(listening(web, emil.token)))
        refused = refusal(web, fred.token)
        assert (refused.status, refused.code) == (429, "too-many-connections")
        assert int(refused.headers["retry-after"]) > 0
    _let_in(web, fred)


def test_full_process_answers_503_after_the_other_limits(service: Service, stores: Stores) -> None:
    web = service.web(WS_MAX_CONNECTIONS="1", WS_MAX_PER_USER="1")
    dora, emil = (listener(stores, name) for name in ("dora", "emil"))
    with listening(web, dora.token) as websocket:
        message(websocket)
        refused = refusal(web, emil.token)
        assert (refused.status, refused.code) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
        assert refusal(web, dora.token).status == 429
        assert refusal(web, emil.token, path="/ws?board=other").status == 404
    _let_in(web, emil)


def _let_in(web: Process, user: Listener) -> None:
    """Wait until there is a place: one is given back a moment after its socket was closed."""

    def admitted() -> bool:
        peer = raw_peer(web)
        try:
            peer.sendall(upgrade(user.token))
            return peer.recv(1000).startswith(b"HTTP/1.1 101")
        finally:
            reset(peer)

    eventually(admitted, within=5, what="a place")


def test_every_way_to_vanish_gives_the_place_back(service: Service, stores: Stores, dora: Listener) -> None:
    web = service.web(WS_MAX_CONNECTIONS="3", WS_MAX_PER_USER="3")
    for turn in range(60):
        peer = raw_peer(web)
        peer.sendall(upgrade(dora.token if turn % 5 else "x"))
        if turn % 4 == 1:
            peer.recv(20)
        if turn % 4 == 2:
            peer.recv(20)
            peer.sendall(frame(8, b"\x03\xe8"))
        if turn % 4 == 3:
            peer.close()
        else:
            reset(peer)
    with ExitStack() as stack:
        for _ in range(3):
            _let_in(web, dora)
        for _ in range(3):
            eventually(lambda: _opens(stack, web, dora), within=5, what="a place")
        assert refusal(web, listener(stores).token).status == 503


def _opens(stack: ExitStack, web: Process, user: Listener) -> bool:
    try:
        message(stack.enter_context(listening(web, user.token)))
    except Exception:  # refused for now
        return False
    return True


TOO_LONG = [
    upgrade("x" * 20_000),
    upgrade("x", path="/ws?token=" + "x" * 20_000),
    upgrade("x", more="".join(f"X-{n}: y\r\n" for n in range(200))),
]
NO_HANDSHAKE = [
    upgrade("x", path="/ws?token=\xff"),
    upgrade("x").replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
    upgrade("x").replace(b"Version: 13", b"Version: 8"),
]


@pytest.mark.parametrize("request_bytes", [*TOO_LONG, *NO_HANDSHAKE])
def test_unreadable_handshake_is_answered_and_closed(web: Process, request_bytes: bytes) -> None:
    answer = b""
    with raw_peer(web) as peer:
        peer.sendall(request_bytes)
        while part := peer.recv(10_000):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    if request_bytes in TOO_LONG:
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["code"] == "malformed-request"


def test_refusal_is_logged_with_its_request_and_reason(web: Process) -> None:
    refused = refusal(web)
    request_id = refused.headers["x-request-id"]

    def lines() -> list[str]:
        return [it for it in web.output().splitlines() if f"requestId={request_id}" in it]

    (line,) = eventually(lines, what="the line")
    for word in ("scoreboard.security", "ws.rejected", f"code={refused.code}", "client=127.0.0.1"):
        assert word in line
