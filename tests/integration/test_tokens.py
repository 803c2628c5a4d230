"""What an access token may be wrong in, wherever one is shown: 401, on reads and writes alike."""

import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest

from config.settings import DEVELOPMENT_SECRET
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually, problem
from tests.support.tokens import authorization, encode, from_now, sign, signed

OLD, NEW, FOREIGN = (f"{name}-secret-key-of-thirty-two-bytes-or-more" for name in ("old", "new", "foreign"))


def refused_everywhere(player: Player, header: str | None) -> None:
    """Assert that a header is a 401 for a read, a write, the board, a refresh; and that nothing comes of it."""
    headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]
    path = f"/users/{player.user_id}"
    with httpx2.Client(base_url=player.http.base_url, headers=headers, timeout=10) as http:
        problem(http.get(path), 401, "unauthorized")
        problem(http.post(f"{path}/actions", json={"status": "started"}), 401, "unauthorized")
        problem(http.post("/auth/refresh"), 401, "unauthorized")
        if header is not None:
            problem(http.get("/top-scores"), 401, "unauthorized")


@pytest.fixture(scope="module")
def mallory(web: Process) -> Iterator[Player]:
    """A player whose tokens are tampered with; nothing here changes the account."""
    player = Player(web.url, unique("mallory"))
    yield player
    player.close()


@pytest.fixture(autouse=True)
def nothing_written(stores: Stores) -> Iterator[None]:
    before = stores.value("SELECT count(*) FROM actions")
    yield
    assert stores.value("SELECT count(*) FROM actions") == before


def test_token_that_a_test_signs_is_taken(mallory: Player) -> None:
    headers = authorization(signed(mallory))
    assert mallory.http.get(f"/users/{mallory.user_id}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic YTpi",
        "Bearer",
        "Token abc",
        "Bearer abc",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer a b c",
        "Bearer e30.e30.",
        "Bearer null",
        "Bearer W10.W10.W10",
        "Bearer \xff\xfe",
        "Bearer " + "." * 200,
        ",",
    ],
)
def test_header_that_holds_no_token_is_refused(mallory: Player, header: str) -> None:
    refused_everywhere(mallory, header)


def test_header_missing_is_refused_where_a_token_is_needed(mallory: Player) -> None:
    refused_everywhere(mallory, None)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_scheme_is_known_in_any_case(mallory: Player, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {signed(mallory)}"}
    assert mallory.http.get(f"/users/{mallory.user_id}", headers=headers).status_code == 200


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp", "jti", "ver"])
def test_token_without_one_of_its_claims_is_refused(mallory: Player, claim: str) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, without=claim)}")


CLAIMS: list[tuple[str, Any]] = [
    ("iss", "elsewhere"),
    ("iss", ["scoreboard"]),
    ("iss", None),
    ("aud", "elsewhere"),
    ("aud", ["scoreboard", "elsewhere"]),
    ("aud", None),
    ("sub", "alice"),
    ("sub", ""),
    ("sub", None),
    ("sub", "a\0b"),
    ("sub", 1),
    ("iat", "now"),
    ("iat", None),
    ("iat", from_now(3600)),
    ("iat", -1),
    ("exp", "later"),
    ("exp", None),
    ("exp", 10**400),
    ("exp", -(10**400)),
    ("exp", 1e308),
    ("exp", float("inf")),
    ("exp", float("nan")),
    ("exp", from_now(365 * 24 * 3600)),
    ("exp", 0),
    ("nbf", from_now(3600)),
    ("nbf", "later"),
    ("nbf", float("inf")),
    ("jti", 1),
    ("jti", None),
    ("ver", "0"),
    ("ver", 1),
    ("ver", -1),
    ("ver", None),
    ("ver", True),
    ("ver", 10**30),
    ("auth_time", "long ago"),
]


@pytest.mark.parametrize(("claim", "value"), CLAIMS, ids=[f"{it[0]}-{number}" for number, it in enumerate(CLAIMS)])
def test_token_with_a_wrong_claim_is_refused(mallory: Player, claim: str, value: Any) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, **{claim: value})}")


def test_expired_token_is_refused(mallory: Player) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, iat=from_now(-3601), exp=from_now(-1))}")


def test_token_that_was_good_is_refused_once_it_expires(mallory: Player) -> None:
    headers, path = authorization(signed(mallory, exp=from_now(2))), f"/users/{mallory.user_id}"
    assert mallory.http.get(path, headers=headers).status_code == 200
    eventually(lambda: mallory.http.get(path, headers=headers).status_code == 401, within=4, what="the expiry")


@pytest.mark.parametrize("header", [{"alg": alg} for alg in ("none", "None", "HS384", "HS512", "RS256", "")], ids=str)
def test_algorithm_other_than_ours_is_refused_even_with_our_key(mallory: Player, header: dict[str, str]) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, header=header)}")


def test_token_whose_signature_was_taken_off_is_refused(mallory: Player) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory).rpartition('.')[0]}.")


def test_token_signed_with_another_key_is_refused(mallory: Player) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, key=FOREIGN)}")


FOREIGN_JWK = {"kty": "oct", "alg": "HS256", "kid": "mine", "k": encode(FOREIGN.encode())}


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"jwk": FOREIGN_JWK}, FOREIGN),
        ({"jwk": FOREIGN_JWK, "kid": "mine"}, FOREIGN),
        ({"kid": FOREIGN}, FOREIGN),
        ({"kid": "../../../../dev/null"}, ""),
        ({"kid": "' UNION SELECT 'mine'; --"}, "mine"),
        ({"kid": "0"}, FOREIGN),
        ({"x5c": [encode(FOREIGN.encode())]}, FOREIGN),
    ],
    ids=["jwk", "jwk-and-kid", "kid-is-the-key", "kid-is-a-file", "kid-is-sql", "kid-is-a-place", "x5c"],
)
def test_token_that_brings_its_own_key_is_refused(mallory: Player, header: dict[str, Any], key: str) -> None:
    refused_everywhere(mallory, f"Bearer {signed(mallory, header=header, key=key)}")


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_token_that_names_a_key_url_is_refused_without_a_fetch(mallory: Player, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        theirs.setblocking(False)
        header = {name: f"http://127.0.0.1:{theirs.getsockname()[1]}/jwks.json", "kid": "mine"}
        refused_everywhere(mallory, f"Bearer {signed(mallory, header=header, key=FOREIGN)}")
        with pytest.raises(BlockingIOError):
            theirs.accept()


def test_token_with_claims_changed_after_signing_is_refused(mallory: Player) -> None:
    header, _, signature = signed(mallory).split(".")
    payload = signed(mallory, ver=1).split(".")[1]
    refused_everywhere(mallory, f"Bearer {header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"1", b'"sub"', b"{", b"\xff", b"[" * 3000, b"{" * 2000, b'{"exp":' + b"9" * 2500 + b"}"],
    ids=range(10),
)
def test_signed_payload_that_is_no_object_is_refused(mallory: Player, payload: bytes) -> None:
    refused_everywhere(mallory, f"Bearer {sign(payload)}")


def test_token_of_four_kilobytes_is_taken_and_a_longer_not(mallory: Player) -> None:
    spare = (4096 - len(signed(mallory, more=""))) * 3 // 4 - 2
    fits = signed(mallory, more="x" * spare)
    assert 4080 < len(fits) <= 4096
    assert mallory.http.get(f"/users/{mallory.user_id}", headers=authorization(fits)).status_code == 200
    refused_everywhere(mallory, f"Bearer {signed(mallory, more='x' * (spare + 20))}")


def test_token_whose_user_does_not_exist_is_refused(mallory: Player, alice: Player, stores: Stores) -> None:
    nobody = str(uuid.uuid4())
    path, headers = f"/users/{nobody}", authorization(signed(mallory, sub=nobody))
    started, ended = {"status": "started"}, {"status": "completed"}
    http = mallory.http
    problem(http.get(path, headers=headers), 401)
    problem(http.get("/top-scores", headers=headers), 401)
    problem(http.get(f"{path}/actions/{uuid.uuid4()}", headers=headers), 401)
    problem(http.post(f"{path}/actions", json=started, headers=headers), 401)
    problem(http.put(f"{path}/actions/{uuid.uuid4()}", json=ended, headers=headers), 401)
    problem(http.post("/auth/refresh", headers=headers), 401)
    problem(http.post("/auth/logout", headers=headers), 401)

    stores.execute("DELETE FROM users WHERE id = :id", id=alice.user_id)
    problem(alice.start(), 401, "unauthorized")


def test_retired_key_is_accepted_and_never_signs(service: Service, mallory: Player) -> None:
    rotated = service.web(SECRET_KEY=NEW, SECRET_KEYS_RETIRED=f"{OLD}, {DEVELOPMENT_SECRET}")
    path = f"{rotated.url}/users/{mallory.user_id}"
    for key in (NEW, OLD, DEVELOPMENT_SECRET):
        assert mallory.http.get(path, headers=authorization(signed(mallory, key=key))).status_code == 200
    problem(mallory.http.get(path, headers=authorization(signed(mallory, key=FOREIGN))), 401)
    expired = signed(mallory, key=OLD, iat=from_now(-20), exp=from_now(-10))
    problem(mallory.http.get(path, headers=authorization(expired)), 401)

    issued = mallory.http.post(f"{rotated.url}/auth/refresh", headers=authorization(signed(mallory, key=OLD)))
    jwt.decode(issued.json()["accessToken"], NEW, ["HS256"], audience="scoreboard")
    rotated.stop()


def test_key_that_is_no_longer_retired_is_refused(service: Service, mallory: Player) -> None:
    rotated = service.web(SECRET_KEY=NEW)
    problem(mallory.http.get(f"{rotated.url}/users/{mallory.user_id}"), 401, "unauthorized")
    rotated.stop()


def test_board_needs_no_token_unless_it_is_told_to(service: Service, mallory: Player) -> None:
    strict = service.web(TOP_SCORES_AUTH="required")
    problem(httpx2.get(f"{strict.url}/top-scores"), 401, "unauthorized")
    assert mallory.http.get(f"{strict.url}/top-scores", headers=authorization(signed(mallory))).status_code == 200
    strict.stop()
