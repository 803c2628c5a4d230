"""Tokens and frames that were tampered with, by the thousand: none is taken, and the process lives."""

import base64
import random
import socket
from collections.abc import Callable

import httpx2
import pytest

from tests.support.live import complaints
from tests.support.people import Player
from tests.support.service import Process
from tests.support.sockets import frame, listening, message, raw_peer, upgrade

TOKENS = 2_000
FRAMES = 10_000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "


def decoded(token: str) -> list[bytes] | None:
    """Return the bytes of a token's parts: two spellings of the same bytes are the same token."""
    try:
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    except ValueError:
        return None


def mutant(token: str, chance: random.Random) -> str:
    """Change a token somewhere: a letter, a bit, a part, or its order."""
    place = chance.randrange(len(token))
    parts = token.split(".")
    kind = chance.randrange(6)
    if kind == 0:
        return token[:place] + chance.choice(ALPHABET) + token[place + 1 :]
    if kind == 1:
        return token[:place] + token[place + 1 :]
    if kind == 2:
        return token[:place] + chance.choice(ALPHABET) + token[place:]
    if kind == 3:
        chance.shuffle(parts)
        return ".".join(parts)
    if kind == 4:
        part = chance.randrange(3)
        raw = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        parts[part] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return ".".join(parts)
    return token[:place]


def test_mutated_token_is_refused(web: Process, alice: Player, everything: Callable[[], dict[str, str]]) -> None:
    chance = random.Random(20261124)
    before = everything()
    genuine = decoded(alice.token)
    refused = 0
    with httpx2.Client(base_url=web.url, timeout=10) as visitor:
        while refused < TOKENS:
            forged = mutant(alice.token, chance).strip()
            if decoded(forged) == genuine or not forged:
                continue
            answer = visitor.post(
                f"/users/{alice.user_id}/actions",
                json={"status": "started"},
                headers={"authorization": f"Bearer {forged}"},
            )
            assert answer.status_code == 401, forged
            refused += 1
    assert everything() == before
    assert alice.start().status_code == 201
    assert complaints([web]) == []


def mutated_frame(chance: random.Random) -> bytes:
    """Return a frame with something wrong in it, or plain noise."""
    good = bytearray(frame(chance.choice([1, 1, 2, 8, 9, 10]), chance.randbytes(chance.randrange(60))))
    for _ in range(chance.randrange(1, 5)):
        good[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 80))
    if kind == 1:
        return bytes([0x81, 0xFF]) + chance.randbytes(12)  # a length of 64 bits
    if kind == 2:
        return frame(1, chance.randbytes(20), masked=False)
    if kind == 3:
        return frame(8, chance.randbytes(2) + b"\xff\xfe")
    return bytes(good)


def attacked(web: Process, token: str, chance: random.Random) -> None:
    """Open a socket, send one mutated frame, and go: after a bad one nothing more of that socket is read."""
    with raw_peer(web) as peer:
        peer.sendall(upgrade(token))
        assert b" 101 " in peer.recv(4096)
        try:
            peer.sendall(mutated_frame(chance))
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65_536):
                pass
        except ConnectionError:
            pass


@pytest.mark.timeout(180)
def test_ten_thousand_mutated_frames_change_nothing(
    web: Process, alice: Player, bob: Player, everything: Callable[[], dict[str, str]]
) -> None:
    chance = random.Random(20261125)
    before = everything()
    with listening(web, bob.token) as healthy:
        message(healthy)
        for _ in range(FRAMES):
            attacked(web, alice.token, chance)
        assert everything() == before
        healthy.ping().wait(5)
    with listening(web, alice.token) as again:
        assert message(again)["type"] == "top_scores_update"
    assert httpx2.get(f"{web.url}/healthz", timeout=5).status_code == 200
    assert complaints([web]) == []
