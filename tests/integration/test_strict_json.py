"""Bodies that are no JSON as we take it, wherever one is taken: 400, 413 or 415, and nothing comes of them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Stores, problem

JSON = {"Content-Type": "application/json"}
KIB = 1024


@pytest.fixture(scope="module")
def player(web: Process) -> Iterator[Player]:
    """A player with a started action, which no test here ends."""
    player = Player(web.url, unique("player"))
    yield player
    player.close()


@pytest.fixture(scope="module")
def action_id(player: Player) -> str:
    return player.started()


class Endpoint:
    """An endpoint that takes a body, and a body that it would take."""

    def __init__(self, method: str, path: str, **good: Any) -> None:
        self.method, self.path, self.good = method, path, good

    def send(self, player: Player, content: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
        return player.http.request(
            self.method, self.path, content=content, headers=JSON if headers is None else headers
        )


ENDPOINTS: dict[str, Callable[[Player, str], Endpoint]] = {
    "register": lambda player, action_id: Endpoint(
        "POST", "/auth/register", username="somebody", email="somebody@example.org", password=PASSWORD
    ),
    "login": lambda player, action_id: Endpoint("POST", "/auth/login", username=player.username, password=PASSWORD),
    "create": lambda player, action_id: Endpoint("POST", f"/users/{player.user_id}/actions", status="started"),
    "complete": lambda player, action_id: Endpoint(
        "PUT", f"/users/{player.user_id}/actions/{action_id}", status="completed"
    ),
}


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest, player: Player, action_id: str) -> Endpoint:
    return ENDPOINTS[request.param](player, action_id)


@pytest.fixture(autouse=True)
def nothing_comes_of_it(stores: Stores, web: Process, player: Player, action_id: str) -> Iterator[None]:
    """Assert that a test wrote nothing, and that the process lives on."""
    tables = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM actions WHERE status = 'started')"
    before = stores.rows(tables)
    yield
    assert stores.rows(tables) == before
    assert web.popen.poll() is None
    assert httpx2.get(f"{web.url}/healthz").status_code == 200
    assert "Traceback" not in web.output()


def members(endpoint: Endpoint, more: str = "") -> bytes:
    """Return a good body as text, with something more in it as it stands."""
    text = json.dumps(endpoint.good)
    return (text[:-1] + more + "}").encode("utf-8", "surrogatepass")


NO_OBJECT: dict[str, bytes] = {
    "nothing": b"",
    "blank": b" \r\n\t",
    "null": b"null",
    "true": b"true",
    "number": b"1",
    "text": b'"status"',
    "list": b"[]",
    "list of an object": b'[{"status": "started"}]',
    "half": b'{"status": "started"',
    "word": b"status",
    "form": b"status=started",
    "single quotes": b"{'status': 'started'}",
    "no quotes": b"{status: 1}",
    "comma at the end": b'{"status": "started",}',
    "comment": b'{"status": "started"} // so',
    "two objects": b'{"status": "started"}{"status": "started"}',
    "byte order mark": b'\xef\xbb\xbf{"status": "started"}',
    "UTF-16": '{"status": "started"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"status": "started"}'.encode("utf-16-le"),
    "UTF-32": '{"status": "started"}'.encode("utf-32-le"),
    "NUL": b"\0",
    "NUL at the end": b'{"status": "started"}\0',
    "NaN": b"NaN",
    "thousands of lists": b"[" * 16_000,
    "thousands of objects": b'{"a":' * 3_000,
    "thousands of lists, closed": b"[" * 8_000 + b"]" * 8_000,
    "a long number": b"9" * 16_000,
}


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT)
def test_body_that_is_no_object_is_refused(endpoint: Endpoint, player: Player, body: bytes) -> None:
    problem(endpoint.send(player, body), 400, "malformed-request")


MORE: dict[str, str] = {
    "unknown field": ', "surplus": 1',
    "unknown field of a prototype": ', "__proto__": {"role": "admin"}',
    "NaN": ', "surplus": NaN',
    "Infinity": ', "surplus": Infinity',
    "-Infinity": ', "surplus": -Infinity',
    "1e999": ', "surplus": 1e999',
    "-1e999": ', "surplus": -1e999',
    "huge integer": f', "surplus": {"9" * 10_000}',
    "leading zero": ', "surplus": 01',
    "hexadecimal": ', "surplus": 0x1',
    "NUL in a value": ', "surplus": "a\\u0000b"',
    "raw NUL in a value": ', "surplus": "a\0b"',
    "raw newline in a value": ', "surplus": "a\nb"',
    "NUL in a key": ', "sur\\u0000plus": 1',
    "lone surrogate in a value": ', "surplus": "\\ud800"',
    "lone surrogate in a key": ', "\\udfff": 1',
    "surrogates the wrong way round": ', "surplus": "\\udc00\\ud800"',
    "raw surrogate": ', "surplus": "\ud800"',
    "broken escape": ', "surplus": "\\u12"',
    "unknown escape": ', "surplus": "\\x41"',
    "nine levels": ', "surplus": [[[[[[[[1]]]]]]]]',
    "nine levels of objects": ', "surplus": ' + '{"a":' * 8 + "1" + "}" * 8,
    "thousands of levels": ', "surplus": ' + "[" * 5_000 + "]" * 5_000,
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_object_with_something_bad_in_it_is_refused(endpoint: Endpoint, player: Player, more: str) -> None:
    body = problem(endpoint.send(player, members(endpoint, more)), 400, "malformed-request")
    if more == MORE["unknown field"]:
        assert "surplus" in body["detail"]


def test_duplicate_key_is_refused_by_name(endpoint: Endpoint, player: Player) -> None:
    for key, value in endpoint.good.items():
        same = problem(endpoint.send(player, members(endpoint, f', "{key}": {json.dumps(value)}')), 400)
        assert key in same["detail"]
        # The same key, written in another way.
        escaped = f"\\u{ord(key[0]):04x}{key[1:]}"
        problem(endpoint.send(player, members(endpoint, f', "{escaped}": {json.dumps(value)}')), 400)


def test_bytes_that_are_no_utf_8_are_refused(endpoint: Endpoint, player: Player) -> None:
    for rubbish in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
        body = members(endpoint).replace(b'"}', rubbish + b'"}')
        assert "UTF-8" in problem(endpoint.send(player, body), 400, "malformed-request")["detail"]


@pytest.mark.parametrize("value", [None, True, 0, 1.5, [], {}, ["started"], {"status": "started"}, -(10**30)], ids=str)
def test_field_of_the_wrong_type_is_refused_by_name(endpoint: Endpoint, player: Player, value: object) -> None:
    for key in endpoint.good:
        if (key, value) == ("email", None):
            continue  # who has none may say so
        body = json.dumps({**endpoint.good, key: value}).encode()
        assert key in problem(endpoint.send(player, body), 400, "malformed-request")["detail"]


@pytest.mark.parametrize(
    "inside",
    [
        '{"x": NaN}',
        '{"x": -Infinity}',
        '{"x": 1e999}',
        f'{{"x": {"9" * 5000}}}',
        '{"x": 1, "x": 2}',
        '{"a": {"x": 1, "x": 1}}',
        '{"a": [{"x": "\\u0000"}]}',
        '{"a": {"\\u0000": 1}}',
        '{"a": "\\ud83d"}',
        '{"\\ud83d": 1}',
        "[" * 7 + "]" * 7,
        '{"a":' * 8 + "1" + "}" * 8,
        f'{{"x": "{"y" * 5000}"}}',
        f'{{"x": [{", ".join(["1"] * 2100)}]}}',
    ],
    ids=lambda text: text[:24],
)
def test_metadata_are_held_to_the_same_rules(player: Player, inside: str) -> None:
    endpoint = ENDPOINTS["create"](player, "")
    problem(endpoint.send(player, members(endpoint, f', "metadata": {inside}')), 400, "malformed-request")


CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json; charset=latin-1",
    "application/json; charset=utf-16",
    "application",
    "json",
    "",
    ";",
    "application/json, text/plain",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_content_type_other_than_json_is_refused(endpoint: Endpoint, player: Player, content_type: str) -> None:
    answer = endpoint.send(player, members(endpoint), {"Content-Type": content_type})
    problem(answer, 415, "unsupported-media-type")


def test_content_type_missing_is_refused(endpoint: Endpoint, player: Player) -> None:
    problem(endpoint.send(player, members(endpoint), {}), 415, "unsupported-media-type")
    problem(endpoint.send(player, b"", {}), 415, "unsupported-media-type")


def padded(endpoint: Endpoint, size: int) -> bytes:
    """Return a body of a size that is refused for an unknown field, if it is not too large."""
    body = members(endpoint, ', "surplus": 1')
    return body.ljust(size)


def chunks(body: bytes) -> Iterator[bytes]:
    for first in range(0, len(body), 1000):
        yield body[first : first + 1000]


@pytest.mark.parametrize("send", [bytes, chunks], ids=["with its length", "in chunks"])
@pytest.mark.parametrize(("size", "status"), [(16 * KIB, 400), (16 * KIB + 1, 413), (200 * KIB, 413)])
def test_body_over_sixteen_kibibytes_is_too_large(
    endpoint: Endpoint, player: Player, size: int, status: int, send: Callable[[bytes], Any]
) -> None:
    problem(endpoint.send(player, send(padded(endpoint, size))), status)


@pytest.mark.parametrize("send", [bytes, chunks], ids=["with its length", "in chunks"])
def test_body_too_large_comes_before_the_wrong_type(
    endpoint: Endpoint, player: Player, send: Callable[[bytes], Any]
) -> None:
    answer = endpoint.send(player, send(b"?" * 20 * KIB), {"Content-Type": "text/plain"})
    problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_json_is_json_however_its_type_is_written(player: Player, content_type: str) -> None:
    endpoint = ENDPOINTS["login"](player, "")
    assert endpoint.send(player, members(endpoint), {"Content-Type": content_type}).status_code == 200


def test_eight_levels_and_four_kibibytes_are_no_mistake(player: Player, stores: Stores) -> None:
    endpoint = ENDPOINTS["create"](player, "")
    deep = '{"a":' * 6 + "[1]" + "}" * 6
    answer = endpoint.send(player, members(endpoint, f', "metadata": {deep}'))
    assert answer.status_code == 201
    # What the fixture counts is as it was.
    assert player.end(answer.json()["actionId"], "cancelled").status_code == 200
