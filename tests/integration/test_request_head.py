"""A request's head is bounded in size, and all of it in time."""

import contextlib
import socket

import httpx2
import pytest

from app.serving import http_protocol
from tests.support.live import in_process
from tests.support.service import Process, Stores

MANY = 50_000_000
"""Bytes that nobody would take."""


def _received(peer: socket.socket) -> bytes:
    data = b""
    while chunk := peer.recv(65536):
        data += chunk
    return data


def test_head_that_never_ends_is_cut_off(web: Process) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            while sent < MANY:
                sent += peer.send(b"a" * 4096)
    assert sent < MANY
    assert httpx2.get(f"{web.url}/healthz", timeout=10).status_code == 200


def test_long_head_and_a_body_of_the_largest_size_are_taken(web: Process) -> None:
    answer = httpx2.get(f"{web.url}/healthz", headers={"x-long": "a" * 16_000}, timeout=10)
    assert answer.status_code == 200
    body = b'{"username": "a", "password": "' + b"b" * 16_000 + b'"}'
    answer = httpx2.post(
        f"{web.url}/auth/login", content=body, headers={"content-type": "application/json"}, timeout=10
    )
    assert answer.status_code == 400


def test_silent_or_slow_client_is_let_go_and_others_are_not(
    stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_WITHIN", 0.3)
    with in_process(stores, caplog) as server:
        for said in (b"", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
                peer.sendall(said)
                assert _received(peer) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            peer.sendall(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
            assert _received(peer).startswith(b"HTTP/1.1 400")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            for _ in range(3):
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert peer.recv(4096).startswith(b"HTTP/1.1 200")


def test_path_with_a_slash_too_many_is_not_redirected(web: Process) -> None:
    answer = httpx2.get(f"{web.url}/top-scores/", timeout=10)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
