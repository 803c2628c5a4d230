"""A second board in `boards.toml`: it counts what the first one counts, and nobody sees it who doesn't ask for it."""

import json
import sys
from collections.abc import Callable
from functools import partial
from subprocess import CompletedProcess

import httpx2
import pytest

from app.domain.ids import DEFAULT_BOARD, BoardId
from app.live.board import LiveBoard
from db.redis import TOP_SCORES_CHANNEL, top_scores_channel, top_scores_key
from tests.support.live import in_process
from tests.support.people import PASSWORD, Player
from tests.support.service import Process, Service, Stores, eventually
from tests.support.sockets import listening, message

WEEKLY = BoardId("weekly")

Manage = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def boards_file(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two boards, of which the release process has made rows."""
    path = tmp_path_factory.mktemp("rules") / "boards.toml"
    path.write_text(f"[boards.{WEEKLY}]\n[boards.{DEFAULT_BOARD}]\n")
    released = stores.run(sys.executable, "-m", "db.migrate", BOARDS_FILE=str(path))
    assert released.returncode == 0, released.stderr
    return str(path)


@pytest.fixture(scope="module")
def web(service: Service, boards_file: str) -> Process:
    return service.web(BOARDS_FILE=boards_file)


@pytest.fixture(scope="module", autouse=True)
def worker(service: Service, boards_file: str) -> Process:
    return service.worker(BOARDS_FILE=boards_file)


@pytest.fixture
def manage(stores: Stores, boards_file: str) -> Manage:
    """Run an operator's command."""

    def run(*arguments: str) -> "CompletedProcess[str]":
        return stores.run(sys.executable, "-m", "app.cli", *arguments, BOARDS_FILE=boards_file)

    return run


def shown(stores: Stores, board_id: BoardId) -> dict[str, int]:
    """Return the points of each user in a board's key."""
    text = stores.redis.get(top_scores_key(board_id))
    return {row["userId"]: row["score"] for row in json.loads(text)["payload"]} if text else {}


def both_show(stores: Stores, player: Player, points: int | None) -> None:
    """Wait until both keys say that a player has these points, or is on no board."""

    def agrees(board_id: BoardId) -> bool:
        return shown(stores, board_id).get(player.user_id) == points

    for board_id in (DEFAULT_BOARD, WEEKLY):
        eventually(partial(agrees, board_id), what=f"{points} on {board_id}")


def test_second_board_counts_and_is_published_under_its_own_id(web: Process, stores: Stores, alice: Player) -> None:
    channel = stores.redis.pubsub()  # type: ignore[no-untyped-call]
    with channel, listening(web, alice.token) as socket:
        channel.subscribe(TOP_SCORES_CHANNEL, top_scores_channel(WEEKLY))
        before = message(socket)
        alice.score(2)
        both_show(stores, alice, 20)
        published = list(iter(partial(channel.get_message, timeout=0.5), None))
        heard = [json.loads(it["data"]) for it in published if it["type"] == "message"]
        by_channel = {
            (it["channel"].decode(), json.loads(it["data"])["board"]) for it in published if it["type"] == "message"
        }
        assert by_channel == {("top_scores_updates", DEFAULT_BOARD), (f"top_scores_updates:{WEEKLY}", WEEKLY)}
        assert {it["board"] for it in heard} == {DEFAULT_BOARD, WEEKLY}
        newest = [it for it in heard if it["board"] == DEFAULT_BOARD][-1]
        received = [before]
        while received[-1] != newest:
            received.append(message(socket))
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
    assert {it["board"] for it in received} == {DEFAULT_BOARD}
    assert httpx2.get(f"{web.url}/top-scores").json() == newest["payload"]
    (of_weekly,) = [it["payload"] for it in heard if it["board"] == WEEKLY][-1:]
    assert httpx2.get(f"{web.url}/top-scores?board={WEEKLY}").json() == of_weekly


def test_second_board_follows_corrections(web: Process, stores: Stores, manage: Manage, bob: Player) -> None:
    bob.score()
    both_show(stores, bob, 10)
    (action_id,) = stores.rows("SELECT id::text FROM actions WHERE user_id = :id", id=bob.user_id)[0]
    for points, command in (
        (None, ("suspend", bob.username)),
        (10, ("reinstate", bob.username)),
        (15, ("adjust", bob.username, "5")),
        (5, ("reverse", action_id)),
        (15, ("release", action_id)),
    ):
        done = manage(*command, "--reason", "a test")
        assert done.returncode == 0, done.stderr
        both_show(stores, bob, points)
    assert manage("audit").returncode == 0
    answer = bob.http.request("DELETE", f"/users/{bob.user_id}", json={"password": PASSWORD})
    assert answer.status_code == 204
    both_show(stores, bob, None)


def test_second_board_is_audited_and_rebuilt(web: Process, stores: Stores, manage: Manage, alice: Player) -> None:
    alice.score()
    both_show(stores, alice, 10)
    stores.execute("DELETE FROM standings WHERE board_id = :id AND user_id = :user", id=WEEKLY, user=alice.user_id)
    found = manage("audit")
    assert found.returncode == 1
    assert {"standings 1", "top-scores 1"} <= {" ".join(line.split()) for line in found.stdout.splitlines()}
    assert manage("rebuild").stdout == "1 standings changed; the board did not change.\n"
    assert manage("audit").returncode == 0


def test_second_board_in_memory_follows_and_mends_its_key(
    web: Process, stores: Stores, boards_file: str, bob: Player, caplog: pytest.LogCaptureFixture
) -> None:
    def has_bob(board: LiveBoard) -> bool:
        return board.update is not None and bob.user_id in {row.userId for row in board.update.rows()}

    with in_process(stores, caplog, BOARDS_FILE=boards_file) as server:
        boards = server.web.boards
        assert set(boards) == {DEFAULT_BOARD, WEEKLY}
        assert server.web.board is boards[DEFAULT_BOARD]
        bob.score()
        for board_id, board in boards.items():
            eventually(partial(has_bob, board), what=f"{bob.username} on {board_id}")
            assert board.update is not None
            assert board.update.board == board_id
        stores.redis.delete(top_scores_key(WEEKLY))
        both_show(stores, bob, 10)
