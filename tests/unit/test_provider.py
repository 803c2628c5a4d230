"""Asking an issuer for a document: bounded, and of no address that wasn't meant."""

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.access import provider
from app.access.provider import ProviderAway, get_json
from app.outgoing.checked import is_public
from tests.support.issuer import Issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


def test_get_json_returns_the_document(issuer: Issuer) -> None:
    assert get_json(f"{issuer.url}/keys", private_network=True)["keys"][0]["kid"] == "first"


def test_get_json_asks_no_private_address_unless_it_may(issuer: Issuer) -> None:
    asked = issuer.asked.total()
    for host in ("127.0.0.1", "localhost"):
        url = issuer.url.replace("127.0.0.1", host)
        with pytest.raises(ProviderAway, match="private_network"):
            get_json(f"{url}/keys", private_network=False)
    assert issuer.asked.total() == asked


def test_get_json_follows_no_redirect(issuer: Issuer) -> None:
    issuer.answer["/moved"] = (302, b"", {"Location": f"{issuer.url}/keys"})
    asked = issuer.asked["/keys"]
    with pytest.raises(ProviderAway, match="answered 302"):
        get_json(f"{issuer.url}/moved", private_network=True)
    assert issuer.asked["/keys"] == asked


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps("x" * provider.LARGEST).encode(), "larger"),
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff", "no JSON"),
    ],
    ids=["large", "html", "deep", "bytes"],
)
def test_get_json_refuses_what_is_too_large_or_no_json(issuer: Issuer, body: bytes, said: str) -> None:
    issuer.answer["/odd"] = (200, body, {})
    with pytest.raises(ProviderAway, match=said):
        get_json(f"{issuer.url}/odd", private_network=True)


def test_get_json_gives_up_on_a_server_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and all of them never do."""
    monkeypatch.setattr(provider, "PATIENCE", 0.4)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not over.wait(0.05):
                    try:
                        peer.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(ProviderAway):
            get_json(f"http://127.0.0.1:{server.getsockname()[1]}/", private_network=True)
        assert time.monotonic() - began < 3
        over.set()
        thread.join(5)


def test_get_json_says_in_a_line_that_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ProviderAway) as caught:
        get_json(f"http://127.0.0.1:{port}/", private_network=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d70e", True),
        ("2002:7f00:1::", False),
        ("ff02::1", False),
    ],
)
def test_is_public_knows_addresses_within_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
