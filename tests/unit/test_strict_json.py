"""Strict JSON: a value that can be read in one way only, or Malformed; never anything else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.errors import Malformed
from app.http.strict_json import DEEPEST, parse


class Body(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A body as the routes have them."""

    status: str
    points: int = 0
    big_share: float = 0.0
    metadata: dict[str, Any] = {}


def nested(levels: int) -> bytes:
    """Return an object nested so many levels deep, the outermost one counted."""
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' \t\r\n{ "a" : 1 } \n', {"a": 1}),
        (b'{"a":[1,-2,3.5,1e3,-0.0,true,false,null,"x"]}', {"a": [1, -2, 3.5, 1000.0, 0.0, True, False, None, "x"]}),
        ('{"ä":"😀"}'.encode(), {"ä": "😀"}),
        (rb'{"a":"\u00e4\ud83d\ude00\n\/"}', {"a": "ä😀\n/"}),
        (b'{"a":9007199254740993}', {"a": 9007199254740993}),
        (b'{"a":' + b"9" * 4000 + b"}", {"a": int("9" * 4000)}),
        (b'{"a":1e-400}', {"a": 0.0}),
        (b'{"a":{"a":1},"b":{"a":1}}', {"a": {"a": 1}, "b": {"a": 1}}),
        (b'{"":0}', {"": 0}),
    ],
)
def test_object_is_read(body: bytes, value: object) -> None:
    assert parse(body, dict[str, Any]) == value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b" ", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{}{}", "not valid JSON"),
        (b"{} x", "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":+1}', "not valid JSON"),
        (b'{"a":.5}', "not valid JSON"),
        (b'{"a":0x1}', "not valid JSON"),
        (b'{"a":tru}', "not valid JSON"),
        (b'{"a":"\n"}', "not valid JSON"),
        (b'{"a":"\\x"}', "not valid JSON"),
        (b'{"a":1}//', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ("{}".encode("utf-16"), "UTF-8"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xc0\x80"}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"1", "object"),
        (b'"{}"', "object"),
        (b'[{"a":1}]', "object"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":[-Infinity]}', "-Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":-1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too long"),
        (b'{"a":1,"a":1}', "Duplicate key 'a'"),
        (b'{"a":1,"\\u0061":2}', "Duplicate key 'a'"),
        (b'{"b":{"a":1,"a":2}}', "Duplicate key 'a'"),
        (b'{"b":[{"a":1,"a":2}]}', "Duplicate key 'a'"),
        (b'{"\\ud800":1,"\\ud800":2}', "Duplicate key"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":[{"b":"x\\u0000y"}]}', "NUL"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (nested(DEEPEST + 1), "nested"),
        (b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", "nested"),
        (b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}", "nested"),
        (nested(2000), "nested"),
        (b"[" * 16_000, "nested"),
    ],
)
def test_anything_else_is_malformed_and_told_why(body: bytes, words: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body, dict[str, Any])
    assert refused.value.status == 400
    assert words in refused.value.detail
    assert msgspec.json.encode(refused.value.detail)  # it can be sent


@pytest.mark.parametrize("levels", range(1, DEEPEST + 1))
def test_deep_nesting_is_fine(levels: int) -> None:
    assert parse(nested(levels), dict[str, Any]) == json.loads(nested(levels))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "status"),
        (b'{"status":"x","state":"y"}', "state"),
        (b'{"status":"x","big_share":1}', "big_share"),
        (b'{"status":1}', "$.status"),
        (b'{"status":null}', "$.status"),
        (b'{"status":"x","points":"1"}', "$.points"),
        (b'{"status":"x","points":1.5}', "$.points"),
        (b'{"status":"x","points":true}', "$.points"),
        (b'{"status":"x","bigShare":"much"}', "$.bigShare"),
        (b'{"status":"x","metadata":[]}', "$.metadata"),
        (b'{"status":"x","metadata":null}', "$.metadata"),
    ],
)
def test_unknown_field_or_a_wrong_type_is_named(body: bytes, words: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body, Body)
    assert words in refused.value.detail


def test_body_becomes_its_shape() -> None:
    body = parse(b'{"status":"started","bigShare":1,"metadata":{"deep":[1,{"er":null}]}}', Body)
    assert body == Body("started", 0, 1.0, {"deep": [1, {"er": None}]})


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=None, exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
PIECES = [
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b" ", b"\0", b"\xff", b"\xed\xa0\x80", b"\\u0000", b"\\ud800"),
    *(
        b"a",
        b'"a"',
        b'{"a":',
        b'{"status":"x",',
        b"1",
        b"-",
        b".",
        b"e9",
        b"e999",
        b"NaN",
        b"Infinity",
        b"true",
        b"null",
    ),
]
FRAGMENTS = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


@settings(max_examples=500)
@given(
    st.binary(max_size=60)
    | FRAGMENTS
    | JSON_LIKE.map(lambda value: json.dumps(value).encode())
    | JSON_LIKE.map(lambda value: json.dumps({"status": "x", "metadata": {"m": value}}).encode())
)
@example(b'{"a":' * 100_000)
@example(b'{"bigShare":' + b"9" * 4000 + b',"status":"x"}')
@example(b'{"points":' + b"9" * 4000 + b',"status":"x"}')
def test_bytes_are_a_value_or_malformed(body: bytes) -> None:
    for shape in (Body, dict[str, Any]):
        try:
            value: Any = parse(body, shape)
        except Malformed as refused:
            msgspec.json.encode(refused.detail)
            continue
        # What was read can be written again by any JSON writer, and read again as the same.
        written = msgspec.json.encode(value.metadata if isinstance(value, Body) else value)
        assert json.loads(written) == (value.metadata if isinstance(value, Body) else value)
