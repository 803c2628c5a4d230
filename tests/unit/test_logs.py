"""Log lines: for people, or JSON; events with their fields; no token in any."""

import json
import logging
from collections.abc import Iterator

import pytest

from telemetry import logs


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


log = logging.getLogger("scoreboard.test")


def lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    logs.flush()
    out, err = capfd.readouterr()
    assert out == ""
    return err.removesuffix("\n").split("\n")


def test_json_has_time_level_logger_event_and_the_fields(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=True)
    logs.event(log, logs.ACTION_COMPLETED, actionId="a", points=10, deep={"x": [None, 1.5]})
    (line,) = map(json.loads, lines(capfd))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "scoreboard.test",
        "event": "action.completed",
        "actionId": "a",
        "points": 10,
        "deep": {"x": [None, 1.5]},
    }


def test_line_names_the_requests_it_was_written_on_behalf_of(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=True)
    with logs.on_behalf_of({"a": "first", "b": "second"}):
        logs.event(log, logs.FRAUD_HELD, actionId="b")
        logs.event(log, logs.SCORE_UPDATED, cleared=1)
        logs.event(log, logs.ACTION_EXPIRED, actionId="c", requestId="own")
        log.error("it failed")
    log.error("nobody asked")
    found = [(line.get("requestId"), line.get("requestIds")) for line in map(json.loads, lines(capfd))]
    assert found == [
        ("second", None),
        (None, ["first", "second"]),
        ("own", None),
        (None, ["first", "second"]),
        (None, None),
    ]


def test_json_is_one_line_whatever_is_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=True)
    logs.event(log, logs.ACTION_CREATED, text='two\nlines, "quotes" and \u2028', thing=object(), nan=float("nan"))
    (line,) = lines(capfd)
    assert json.loads(line)["text"] == 'two\nlines, "quotes" and \u2028'
    assert json.loads(line)["thing"].startswith("<object object")


def test_exception_goes_along(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=True)
    try:
        raise ValueError("what went wrong")
    except ValueError:
        log.exception("it failed")
    (line,) = map(json.loads, lines(capfd))
    assert line["level"] == "error"
    assert "Traceback" in line["exception"]
    assert line["exception"].endswith("ValueError: what went wrong")


def test_line_for_people_ends_with_the_fields(capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=False)
    logs.event(log, logs.WS_CONNECTED, userId="u", connections=3)
    log.info("plain %s", "words")
    event, plain = lines(capfd)
    assert event.endswith("INFO    scoreboard.test: ws.connected userId=u connections=3")
    assert plain.endswith("INFO    scoreboard.test: plain words")


@pytest.mark.parametrize("as_json", [True, False])
def test_line_below_the_level_is_not_logged(as_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("WARNING", json=as_json)
    logs.event(log, logs.ACTION_CREATED)
    logs.event(log, logs.RATE_LIMITED, logging.WARNING)
    log.info("nothing")
    assert len(lines(capfd)) == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_setting_up_twice_logs_once(as_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=not as_json)
    logs.set_up("INFO", json=as_json)
    log.info("once")
    assert len(lines(capfd)) == 1


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("/ws?token=SECRET", (), "/ws?token=***"),
        ('%s - "WebSocket %s" [accepted]', ("1.2.3.4", "/ws?token=SECRET"), '"WebSocket /ws?token=***" [accepted]'),
        ("/ws?board=all-time&token=SECRET&x=1", (), "/ws?board=all-time&token=***&x=1"),
        ("GET '/ws?token=SECRET' HTTP/1.1", (), "GET '/ws?token=***' HTTP/1.1"),
        ("token=SECRET", (), "token=***"),
        ("a token=SECRET b token=SECRET", (), "a token=*** b token=***"),
        ("/x?mytoken=kept", (), "/x?mytoken=kept"),
        ("Invalid value 'sbk_SECRET-_1'.", (), "Invalid value 'sbk_***'."),
        ("no such thing", (), "no such thing"),
    ],
)
def test_tokens_in_urls_and_service_keys_are_blanked(
    message: str, args: tuple[str, ...], shown: str, as_json: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("INFO", json=as_json)
    log.info(message, *args)
    (line,) = lines(capfd)
    assert "SECRET" not in line
    text = json.loads(line)["event"] if as_json else line
    assert text.endswith(shown)


@pytest.mark.parametrize("as_json", [True, False])
def test_key_in_the_field_of_a_refusal_is_blanked(as_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", json=as_json)
    logs.refused(logs.REQUEST_INVALID, "192.0.2.1", detail="no such type: sbk_SECRET", requestId=None)
    (line,) = lines(capfd)
    assert "SECRET" not in line
    assert "no such type: sbk_***" in line


@pytest.mark.parametrize("as_json", [True, False])
def test_line_with_wrong_arguments_is_reported_and_hurts_nobody(
    as_json: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)
    logs.set_up("INFO", json=as_json)
    log.info("%d of %d", "one")
    log.info("the next")
    written = lines(capfd)
    assert "--- Logging error ---" in written
    assert "the next" in written[-1]


def test_security_is_a_logger_of_its_own() -> None:
    assert logs.security.name == "scoreboard.security"
