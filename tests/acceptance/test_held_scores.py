"""A score that is held back is seen nowhere, not for a moment: whoever listens or asks all the time never gets it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from db.redis import TOP_SCORES_CHANNEL
from tests.faults.audience import Audience
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually

Board = dict[str, int]
"""Points by user id."""

AT_MOST = 3
"""Completions of one player in a minute, 10 points each, that are cleared."""


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A worker that holds what a player completes beyond three in a minute."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text(f"[velocity]\ncompletions_per_minute = {AT_MOST}\n")
    service.beat()
    return service.worker(FRAUD_FILE=str(rules))


@contextmanager
def asked_all_the_time(web: Process) -> Iterator[list[Board]]:
    """Ask for the board again and again, and give every answer."""
    boards: list[Board] = []
    leaving = threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=web.url, timeout=10) as http:
            while not leaving.is_set():
                boards.append(points(http.get("/top-scores").json()))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield boards
    finally:
        leaving.set()
        thread.join(15)


@contextmanager
def published(stores: Stores) -> Iterator[list[Board]]:
    """Listen to the channel, and give every board that went over it once the block ends."""
    boards: list[Board] = []
    with stores.redis.pubsub() as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(TOP_SCORES_CHANNEL)
        assert channel.get_message(timeout=5)["type"] == "subscribe"
        yield boards
        while (heard := channel.get_message(timeout=0.5)) is not None:
            boards.append(points(json.loads(heard["data"])["payload"]))


def points(payload: list[dict[str, int]]) -> Board:
    return {str(row["userId"]): row["score"] for row in payload}


def test_held_score_is_on_no_board_on_no_socket_not_for_a_moment(
    service: Service, web: Process, worker: Process, alice: Player, bob: Player
) -> None:
    stores, other = service.stores, service.web(PUSH_INTERVAL_MS="0")
    with (
        Audience(bob, [web, other]) as audience,
        asked_all_the_time(web) as answers,
        published(stores) as messages,
    ):
        ids = [alice.started() for _ in range(10)]
        for place, action_id in enumerate(ids):
            assert alice.end(action_id).json()["awardedPoints"] == 10
            if place % 4 == 3:
                bob.score()  # so that the board moves after what is held, too
        eventually(lambda: all(alice.settlement(it) != "pending" for it in ids), what="a verdict on each")
        bob.score()
        last = {alice.user_id: AT_MOST * 10, bob.user_id: 30}
        eventually(lambda: all(dict(it.shows()) == last for it in audience.listeners), what="the last board")
        eventually(lambda: answers[-1] == last, what="the last board")
    sent = [points(it["payload"]) for listener in audience.listeners for it in listener.boards]
    assert last in messages
    for where, boards in (("sockets", sent), ("answers", answers), ("channel", messages)):
        assert max(board.get(alice.user_id, 0) for board in boards) == AT_MOST * 10, where

    held = [it for it in ids if alice.settlement(it) == "held"]
    assert held == ids[AT_MOST:]
    assert alice.http.get(f"/users/{alice.user_id}").json()["score"] == AT_MOST * 10
    on_record = "SELECT action_id::text FROM audit_events WHERE kind = 'held' AND details->>'rule' = 'velocity'"
    assert sorted(row[0] for row in stores.rows(on_record)) == sorted(held)
    lines = [line for line in worker.output().splitlines() if "fraud.held" in line and "scoreboard.security" in line]
    for action_id in held:
        [line] = [line for line in lines if action_id in line]
        assert "rule=velocity" in line
