"""docs/protocol.md: its commands, typed in one shell, give the answers that it shows; its tables name what there is."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.domain.errors import Conflict, ScoreboardError
from app.live.close_codes import CloseCode
from app.router import ROUTES
from tests.support.service import NO_LIMITS, ROOT, Process, Service
from tests.support.sockets import listening, message

PAGE = (ROOT / "docs" / "protocol.md").read_text()
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
END_OF_ANSWER = "\x1e\n"

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@dataclass(frozen=True)
class Example:
    """Commands, and the answer that the page shows after them; the kind is "" when it shows none."""

    commands: str
    kind: str = ""
    answer: str = ""


def examples(page: str) -> Iterator[Example]:
    """Return the page's commands in their order."""
    blocks = [(found[1], found[2]) for found in BLOCK.finditer(page)]
    assert {kind for kind, _ in blocks} == {"bash", "json", "json message", "text"}
    for place, (kind, text) in enumerate(blocks):
        following = blocks[place + 1] if place + 1 < len(blocks) else ("bash", "")
        if kind == "bash":
            yield Example(text, *(following if following[0] in ("json", "text") else ()))
        elif kind != "json message":
            assert blocks[place - 1][0] == "bash", f"nothing asks for this answer: {text}"


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    """The whole service, at the default rates."""
    service.worker()
    service.beat()
    unset: dict[str, Any] = dict.fromkeys(NO_LIMITS, "")
    return service.web(**unset)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


@pytest.fixture(scope="module")
def answers(service: Service, web: Process, directory: Path) -> list[str]:
    """What each of the page's commands printed, all of them typed into one shell."""
    typed = "".join(f"{it.commands}printf '\\x1e\\n'\n" for it in examples(PAGE))
    done = subprocess.run(
        ["bash", "-eu", "-c", typed.replace("localhost:8000", f"127.0.0.1:{web.port}")],
        cwd=directory,
        env=service.stores.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr}"
    return done.stdout.split(END_OF_ANSWER)[:-1]


@pytest.fixture(scope="module")
def name(answers: list[str]) -> str:
    """What the shell has called its player, whose name on the page is "dora"."""
    return str(json.loads(answers[1])["username"])


def test_every_answer_is_the_one_that_is_shown(answers: list[str], name: str) -> None:
    shown = list(examples(PAGE))
    assert len(shown) == len(answers)
    for example, answer in zip(shown, answers, strict=True):
        if example.kind == "json":
            wrong = differences(json.loads(example.answer.replace("dora", name)), json.loads(answer))
            assert not wrong, f"{example.commands}{wrong}\n{answer}"
        elif example.kind == "text":
            assert without_counts(answer) == without_counts(example.answer), example.commands


def test_first_message_is_the_one_that_is_shown(answers: list[str], name: str, web: Process, directory: Path) -> None:
    (shown,) = (text for kind, text in BLOCK.findall(PAGE) if kind == "json message")
    token = json.loads((directory / "login.json").read_text())["accessToken"]
    with listening(web, token) as websocket:
        assert differences(json.loads(shown.replace("dora", name)), message(websocket)) == []


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ({"score": 10}, {"score": 11}),
        ({"score": 10}, {"score": "10"}),
        ({"score": 10}, {"score": 10.0}),
        ({"score": 10}, {}),
        ({}, {"score": 10}),
        ({"rank": None}, {"rank": 1}),
        ({"enabled": True}, {"enabled": 1}),
        ({"items": [1]}, {"items": []}),
        ({"items": [{"score": 10}]}, {"items": [{"points": 10}]}),
        ({"code": "unauthorized"}, {"code": "forbidden"}),
        ({"version": 42}, {"version": "43"}),
        ({"userId": "019a8f1e-0c5a-7c3e-9a57-5ad8a3f4c1b2"}, {"userId": "17"}),
        ({"endAt": "2026-11-24T09:00:00.000000Z"}, {"endAt": "2026-11-24T09:00:00Z"}),
        ({"endAt": "2026-11-24T09:00:00.000000Z"}, {"endAt": None}),
        ({"accessToken": "eyJhbGci.…"}, {"accessToken": "secret"}),
    ],
)
def test_page_that_is_out_of_date_is_noticed(shown: Any, got: Any) -> None:
    assert differences(shown, got)
    assert differences(shown, shown) == []


def differences(shown: Any, got: Any, place: str = "") -> list[str]:
    """Return where an answer differs from what the page shows: ids, times, tokens and versions may differ."""
    if type(shown) is not type(got):
        return [f"{place}: {shown!r} is shown, {got!r} was answered"]
    if isinstance(shown, dict):
        missing = [f"{place}.{key}: is shown or answered alone" for key in shown.keys() ^ got.keys()]
        return missing + [
            it for key in shown.keys() & got.keys() for it in differences(shown[key], got[key], f"{place}.{key}")
        ]
    if isinstance(shown, list) and len(shown) == len(got):
        return [
            it for at, pair in enumerate(zip(shown, got, strict=True)) for it in differences(*pair, f"{place}[{at}]")
        ]
    if place.endswith(".version") or same_form(shown, got):
        return []
    return [f"{place}: {shown!r} is shown, {got!r} was answered"]


def same_form(shown: Any, got: Any) -> bool:
    """Return whether two values are the same, or two ids, two times, or a token and its beginning."""
    if not isinstance(shown, str):
        return bool(shown == got)
    if UUID.fullmatch(shown):
        return UUID.fullmatch(got) is not None
    if TIME.fullmatch(shown):
        return re.sub(r"\d", "0", shown) == re.sub(r"\d", "0", got)
    beginning, cut, _ = shown.partition("…")
    return bool(got.startswith(beginning) if cut else shown == got)


def without_counts(text: str) -> str:
    """Blank what is left of a limit, and when it is whole again."""
    return re.sub(r";r=\d+;t=\d+", ";r=0;t=0", text.replace("\r", "")).strip()


def rows(heading: str) -> list[list[str]]:
    """The cells of a table of the page, by the heading of its first column."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def subclasses(error: type[ScoreboardError]) -> set[type[ScoreboardError]]:
    return {error}.union(*(subclasses(it) for it in error.__subclasses__()))


def named(heading: str) -> set[tuple[int, str]]:
    """The statuses and codes that a table of the page names."""
    return {(int(status), code) for status, codes, _ in rows(heading) for code in re.findall(r"`([a-z-]+)`", codes)}


def test_tables_of_errors_name_all_that_there_are() -> None:
    assert ROUTES  # each of which has imported its errors
    raised = {(error.status, error.code) for error in subclasses(ScoreboardError) - {Conflict}}
    router = {(405, "method-not-allowed")}
    assert named("status") | named("refused with") == raised | router


def test_router_refusals_have_the_codes_of_the_table(web: Process) -> None:
    answer = httpx2.put(f"{web.url}/top-scores")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"]
    answer = httpx2.get(f"{web.url}/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_table_of_close_codes_names_all_that_there_are() -> None:
    listed = {code for codes, *_ in rows("closed with") for code in codes.split(", ")}
    assert listed == {*(str(code) for code in CloseCode), "1006"}  # which no server sends
