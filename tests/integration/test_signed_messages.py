"""Signed messages: verifiable by anyone with the JWK set; forged ones reach nobody, and the key is mended."""

import base64
import json
from collections.abc import Iterator

import pytest

from app.domain.signing import ED25519, Key, Signer
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import listening, message

SECRET = b"seed" * 8
SIGNER = Signer(Key(ED25519, SECRET))


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    """A web process that signs."""
    return service.web(SIGNING_KEY=f"ed25519:{base64.b64encode(SECRET).decode()}")


@pytest.fixture
def dora(web: Process) -> Iterator[Player]:
    player = Player(web.url, unique("dora"))
    yield player
    player.close()


def test_first_message_and_key_verify_with_the_jwk_set(web: Process, dora: Player, stores: Stores) -> None:
    keys = dora.http.get("/.well-known/jwks.json").json()["keys"]
    assert [(key["kty"], key["crv"], key["kid"]) for key in keys] == [("OKP", "Ed25519", Key(ED25519, SECRET).key_id)]
    with listening(web, dora.token) as socket:
        first = message(socket)
    assert first["signature"]["alg"] == "EdDSA"
    assert SIGNER.accepts(json.dumps(first))
    assert json.loads(stores.redis.get("top_scores:10") or b"{}") == first


def test_forged_or_unsigned_updates_are_dropped_and_keys_mended(web: Process, dora: Player, stores: Stores) -> None:
    with listening(web, dora.token) as socket:
        first = message(socket)
        forged = {**first, "version": first["version"] + 1, "payload": []}
        unsigned = {name: value for name, value in forged.items() if name != "signature"}
        for lie in (forged, unsigned):
            stores.redis.publish("top_scores_updates", json.dumps(lie))
        stores.redis.set("top_scores:10", json.dumps(forged))
        eventually(lambda: SIGNER.accepts(stores.redis.get("top_scores:10") or b""), within=5, what="the key mended")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
    assert dora.http.get("/top-scores").headers["etag"] == f'"{first["epoch"]}-{first["version"]}"'


def test_replayed_signatures_are_not_believed(web: Process, dora: Player, stores: Stores) -> None:
    """Whoever reads the channel can send genuine messages again: old ones and other boards' move nothing."""
    with listening(web, dora.token) as socket:
        message(socket)
        old = stores.redis.get("top_scores:10") or b""
        with stores.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE boards SET version = version + 1, updated_at = clock_timestamp()")
        new = message(socket)
        bare = {name: value for name, value in new.items() if name != "signature"}
        other = json.dumps(SIGNER.sign({**bare, "board": "weekly", "version": 2**40, "payload": []}))
        for replayed in (old, other):
            stores.redis.publish("top_scores_updates", replayed)
        stores.redis.set("top_scores:10", old)
        eventually(lambda: json.loads(stores.redis.get("top_scores:10") or b"{}") == new, within=5, what="the newest")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
    assert dora.http.get("/top-scores").headers["etag"] == f'"{new["epoch"]}-{new["version"]}"'


def test_replayed_key_is_outlived_by_a_process_that_starts_on_it(
    service: Service, web: Process, dora: Player, stores: Stores
) -> None:
    """Such a process has nothing to compare the key with but the database, which it asks at once."""
    old = stores.redis.get("top_scores:10") or b""
    assert SIGNER.accepts(old)
    with stores.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE boards SET version = version + 1, updated_at = clock_timestamp()")
    version = stores.value("SELECT version FROM boards")
    stores.redis.set("top_scores:10", old)
    fresh = service.web(SIGNING_KEY=f"ed25519:{base64.b64encode(SECRET).decode()}")
    eventually(
        lambda: dora.http.get(f"{fresh.url}/top-scores").headers.get("etag", "").endswith(f'-{version}"'),
        within=5,
        what="the board of the database",
    )


def test_rotated_key_leaves_nobody_deaf_and_the_version_as_it_is(
    service: Service, web: Process, dora: Player, stores: Stores
) -> None:
    old = f"ed25519:{base64.b64encode(SECRET).decode()}"
    new = f"hmac:{base64.b64encode(b'new!' * 8).decode()}"
    rotated = service.web(SIGNING_KEY=new, SIGNING_KEYS_RETIRED=old)
    with listening(web, dora.token) as before, listening(rotated, dora.token) as after:
        first, second = message(before), message(after)
        assert (first["epoch"], first["version"]) == (second["epoch"], second["version"])
        with stores.engine.begin() as conn:
            conn.exec_driver_sql("UPDATE boards SET version = version + 1, updated_at = clock_timestamp()")
        assert message(before)["version"] == message(after)["version"] == first["version"] + 1
    keys = dora.http.get(f"{rotated.url}/.well-known/jwks.json").json()["keys"]
    assert [key["kid"] for key in keys] == [Key(ED25519, SECRET).key_id]
