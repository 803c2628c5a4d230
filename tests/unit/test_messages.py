"""The messages: what is written can be read, the same version is the same bytes, and nothing else is taken for one."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import messages
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from app.domain.messages import Row, Update
from app.domain.signing import HMAC, Key, Signer

AT = datetime(2026, 3, 1, 12, 30, 5, 123_456, tzinfo=UTC)
EPOCH = "01890a5d-ac96-774b-bcce-b302099a8057"
ROWS = [Row(UserId("a"), "alice", 30, 1), Row(UserId("b"), 'b"ö\\b', 20, 2)]

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ROW = st.builds(
    Row, st.uuids().map(lambda it: UserId(str(it))), st.text(max_size=32), st.integers(0, 2**53), st.integers(1, 10)
)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


def test_update_is_what_the_contract_says() -> None:
    update = messages.update(DEFAULT_BOARD, (EPOCH, 42), ROWS, AT)
    assert json.loads(update.text) == {
        "type": "top_scores_update",
        "board": "all-time",
        "epoch": EPOCH,
        "version": 42,
        "payload": [
            {"userId": "a", "username": "alice", "score": 30, "rank": 1},
            {"userId": "b", "username": 'b"ö\\b', "score": 20, "rank": 2},
        ],
        "timestamp": "2026-03-01T12:30:05.123Z",
    }
    assert json.loads(update.payload) == json.loads(update.text)["payload"]
    assert update.etag == f'"{EPOCH}-42"'
    assert (update.board, update.stamp) == (DEFAULT_BOARD, (EPOCH, 42))


def test_type_comes_first() -> None:
    assert messages.update(DEFAULT_BOARD, (EPOCH, 0), [], AT).text.startswith('{"type":"top_scores_update",')
    assert messages.heartbeat(DEFAULT_BOARD, (EPOCH, 0), AT).startswith('{"type":"heartbeat",')


def test_empty_board_has_an_empty_payload() -> None:
    update = messages.update(DEFAULT_BOARD, (EPOCH, 0), [], AT)
    assert update.payload == b"[]"
    assert json.loads(update.text)["payload"] == []


def test_every_message_is_signed_where_there_is_a_key() -> None:
    signer = Signer(Key(HMAC, b"k" * 32))
    heartbeat = messages.heartbeat(DEFAULT_BOARD, (EPOCH, 7), AT, signer)
    for text in (heartbeat, messages.update(DEFAULT_BOARD, (EPOCH, 7), ROWS, AT, signer).text):
        assert json.loads(text)["signature"]["keyId"] == Key(HMAC, b"k" * 32).key_id
        assert signer.accepts(text)


def test_heartbeat_is_what_the_contract_says() -> None:
    assert json.loads(messages.heartbeat(DEFAULT_BOARD, (EPOCH, 7), AT)) == {
        "type": "heartbeat",
        "board": "all-time",
        "epoch": EPOCH,
        "version": 7,
        "timestamp": "2026-03-01T12:30:05.123Z",
        "broadcasting": True,
    }
    paused = json.loads(messages.heartbeat(DEFAULT_BOARD, (EPOCH, 7), AT, broadcasting=False, frozen=True))
    assert list(paused.items())[-2:] == [("broadcasting", False), ("frozen", True)]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (AT, "2026-03-01T12:30:05.123Z"),
        (AT.replace(microsecond=0), "2026-03-01T12:30:05.000Z"),
        (AT.replace(microsecond=999_999), "2026-03-01T12:30:05.999Z"),
        (AT.astimezone(timezone(timedelta(hours=5, minutes=45))), "2026-03-01T12:30:05.123Z"),
        (datetime(2025, 12, 31, 23, 0, tzinfo=timezone(timedelta(hours=-2))), "2026-01-01T01:00:00.000Z"),
    ],
)
def test_times_are_utc_with_z(moment: datetime, text: str) -> None:
    assert messages.rfc3339(moment) == text


@given(
    st.text(max_size=20).map(BoardId),
    st.uuids().map(str),
    st.integers(0, 2**63 - 1),
    st.lists(ROW, max_size=10),
    MOMENTS,
)
def test_update_written_can_be_read_and_is_the_same_bytes_again(
    board: BoardId, epoch: str, version: int, rows: list[Row], at: datetime
) -> None:
    update = messages.update(board, (epoch, version), rows, at)
    assert messages.update(board, (epoch, version), rows, at) == update
    assert messages.read_update(update.text) == update
    assert messages.read_update(update.text.encode()) == update
    assert RFC3339_UTC.fullmatch(json.loads(update.text)["timestamp"])


def test_members_that_are_not_known_stay_in_the_text() -> None:
    text = messages.update(DEFAULT_BOARD, (EPOCH, 3), ROWS, AT).text[:-1] + ',"signature":{"alg":"EdDSA"}}'
    update = messages.read_update(text.encode())
    assert update is not None
    assert update.text == text
    assert update.stamp == (EPOCH, 3)


GOOD = messages.update(DEFAULT_BOARD, (EPOCH, 3), ROWS, AT).text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        GOOD[:-1],
        GOOD + "x",
        GOOD.replace("top_scores_update", "heartbeat"),
        GOOD.replace('"version":3', '"version":"3"'),
        GOOD.replace('"version":3', '"version":3.5'),
        GOOD.replace('"version":3', '"version":null'),
        GOOD.replace('"epoch"', '"apoch"'),
        re.sub('"timestamp":"[^"]+"', '"timestamp":"yesterday"', GOOD),
        re.sub('"timestamp":"[^"]+"', '"timestamp":"0001-01-01T00:00:00+23:59"', GOOD),
        GOOD.replace('"score":30', '"score":"30"'),
        GOOD.replace('"payload":[', '"payload":[1,'),
        messages.heartbeat(DEFAULT_BOARD, (EPOCH, 3), AT),
        "\ud800",
        GOOD[:-1] + ',"x":"\ud800"}',
    ],
)
def test_update_is_never_read_from_anything_else(text: str) -> None:
    assert messages.read_update(text) is None


@given(st.binary())
@example(GOOD.encode()[:-1] + b',"x":"\xff"}')
@example(GOOD.encode().replace(b"alice", b"\xff"))
@example(b"[" * 100_000)
def test_update_is_read_from_bytes_or_is_none(data: bytes) -> None:
    update = messages.read_update(data)
    assert update is None or isinstance(update, Update)


@given(st.text(st.characters(categories=None, exclude_categories=[])))
def test_update_is_read_from_text_or_is_none(text: str) -> None:
    assert messages.read_update(text) is None
