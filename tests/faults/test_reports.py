"""Reports with idempotency keys while web or PostgreSQL is killed: each key ends as one action, and is paid once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx2
import pytest

from dev import embedded
from tests.faults.away import killed
from tests.faults.history import invariants_hold, settled
from tests.support.clock import now
from tests.support.keys import add_key
from tests.support.people import Player
from tests.support.service import Process, Service, Stores, eventually
from tests.support.stores import on_postgres

SERVERS = 4
REPORT = {"status": "completed"}


@dataclass
class Reporters:
    """Game servers that report, and repeat what got no answer, until each of their reports is acknowledged."""

    url: str
    key: str
    players: list[Player]
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The action and its player by idempotency key."""
    repeated: int = 0
    replayed: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Reporters":
        for number in range(SERVERS):
            self._threads.append(threading.Thread(target=self._report, args=(number,)))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def flowing(self) -> None:
        """Wait until further reports are acknowledged."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) > before + 20, within=20, what="further reports")

    def repeating(self) -> None:
        """Wait until a report has to be repeated from now on."""
        before = self.repeated
        eventually(lambda: self.repeated > before, within=20, what="a report that is repeated")

    def _report(self, number: int) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx2.Client(base_url=self.url, headers=headers, timeout=5) as http:
            turn = 0
            while not self._stopping.is_set():
                turn += 1
                player = self.players[(number + turn) % len(self.players)]
                self._until_acknowledged(http, player, f"{number}-{turn}")

    def _until_acknowledged(self, http: httpx2.Client, player: Player, key: str) -> None:
        give_up = now() + 30
        while now() < give_up:
            try:
                answer = http.post(f"/users/{player.user_id}/actions", json=REPORT, headers={"Idempotency-Key": key})
            except httpx2.TransportError:
                self.repeated += 1
                time.sleep(0.02)
                continue
            if answer.status_code in (200, 201):
                self.replayed += answer.status_code == 200
                self.acknowledged[key] = (answer.json()["actionId"], player.user_id)
                return
            assert answer.status_code == 503, answer.text
            self.repeated += 1
            time.sleep(0.02)
        raise AssertionError(f"{key} was never acknowledged")


def holds(stores: Stores, reporters: Reporters) -> None:
    """Check that every key is one action, the one that was acknowledged, and that every total is right."""
    settled(stores, within=20)
    invariants_hold(stores, within=20)
    players = [player.user_id for player in reporters.players]
    rows = stores.rows(
        "SELECT key, action_id::text, user_id::text FROM actions LEFT JOIN idempotency_keys ON action_id = actions.id"
        " WHERE user_id = ANY(CAST(:players AS uuid[]))",
        players=players,
    )
    assert len(rows) == len(reporters.acknowledged)
    assert {key: (action_id, user_id) for key, action_id, user_id in rows} == reporters.acknowledged
    for player in reporters.players:
        own = sum(user_id == player.user_id for _, _, user_id in rows)
        assert stores.value("SELECT total_score FROM users WHERE id = :id", id=player.user_id) == 10 * own


@pytest.fixture(scope="module")
def stores(stores: Stores, own_postgres: embedded.Postgres) -> Iterator[Stores]:
    """This module's stores, with a PostgreSQL that can be killed."""
    with on_postgres(stores, own_postgres.url) as stores:
        yield stores


@pytest.fixture(scope="module", autouse=True)
def workers(service: Service) -> None:
    service.worker()
    service.beat()


def test_reports_through_kills_of_web_are_each_one_action(
    service: Service, web: Process, alice: Player, bob: Player, healed: Callable[[str, float], None]
) -> None:
    doomed = service.web()
    reporters = Reporters(doomed.url, add_key(service.stores, "actions"), [alice, bob])
    with reporters:
        for _ in range(4):
            reporters.flowing()
            died = now()
            doomed.kill()
            reporters.repeating()
            doomed = service.web(port=doomed.port)
            reporters.flowing()
            healed("web killed while reports come in, until further ones are acknowledged", now() - died)
    holds(service.stores, reporters)


def test_reports_through_kills_of_postgres_are_each_one_action(
    web: Process, stores: Stores, own_postgres: embedded.Postgres, alice: Player, bob: Player
) -> None:
    reporters = Reporters(web.url, add_key(stores, "actions"), [alice, bob])
    with reporters:
        for _ in range(3):
            reporters.flowing()
            with killed(own_postgres):
                reporters.repeating()  # a shorter absence the service may bridge by itself
            reporters.flowing()
    stores.engine.dispose()  # its connections were ended, too
    holds(stores, reporters)


def test_report_whose_answer_was_lost_is_told_again(service: Service, web: Process, alice: Player) -> None:
    """The first server reads nothing after its request, and the process dies; the second asks another process."""
    doomed, path = service.web(), f"/users/{alice.user_id}/actions"
    headers = {"authorization": f"Bearer {add_key(service.stores, 'actions')}", "Idempotency-Key": "lap 1"}
    count = "SELECT count(*) FROM actions WHERE user_id = :id"
    with httpx2.Client(base_url=doomed.url, headers=headers) as http, http.stream("POST", path, json=REPORT):
        eventually(lambda: service.stores.value(count, id=alice.user_id))
        doomed.kill()
    with httpx2.Client(base_url=web.url, headers=headers) as http, ThreadPoolExecutor(4) as threads:
        answers = [it.result() for it in [threads.submit(http.post, path, json=REPORT) for _ in range(4)]]
    assert {(it.status_code, it.headers["Idempotency-Replayed"], it.json()["totalScore"]) for it in answers} == {
        (200, "true", 10)
    }
    assert service.stores.value(count, id=alice.user_id) == 1
