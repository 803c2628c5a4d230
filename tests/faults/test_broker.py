"""The way from the commit to the queue: brokers that refuse, hang or go away, and a web process that dies there."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from dev import embedded
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.away import hung, killed
from tests.faults.history import Load, complete, settled
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Process, Service, eventually, free_port

FAST = 0.5
"""Seconds within which nine of ten completions have to be answered while the broker is away."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Redis]:
    """A Redis that is the queue, and nothing else."""
    with embedded.Redis(tmp_path_factory.mktemp("broker") / "redis") as broker:
        yield broker


@pytest.fixture(scope="module")
def web(service: Service, broker: embedded.Redis) -> Process:
    service.worker(CELERY_BROKER_URL=broker.url)
    service.beat(CELERY_BROKER_URL=broker.url)
    return service.web(CELERY_BROKER_URL=broker.url)


@contextmanager
def black_hole() -> Iterator[tuple[int, list[bytes]]]:
    """Listen on a port, take whatever comes, and never answer; give the port and what came."""
    peers: list[socket.socket] = []
    swallowed: list[bytes] = []

    def swallow(peer: socket.socket) -> None:
        while taken := _received(peer):
            swallowed.append(taken)

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peers.append(peer)
            threading.Thread(target=swallow, args=(peer,)).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1], swallowed
        finally:
            for it in (listener, *peers):
                _shut(it)
            acceptor.join(5)


def _received(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65536)
    except OSError:
        return b""


def _shut(it: socket.socket) -> None:
    try:
        it.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    it.close()


def test_completion_never_enqueued_before_a_crash_is_settled(
    service: Service, web: Process, alice: Player, aftermath: Aftermath, healed: Callable[[str, float], None]
) -> None:
    """Its broker takes the connection and says nothing, so that it dies with the message in its hands."""
    with black_hole() as (port, swallowed), Audience(alice, [web]) as audience:
        doomed = service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/0")
        done = complete(alice.http, alice.user_id, alice.started())  # this one takes the usual way
        settled(service.stores)
        action_id = alice.started()
        alice.http.base_url = doomed.url
        open_one = complete(alice.http, alice.user_id, action_id)
        alice.http.base_url = web.url
        assert (open_one.status, open_one.score) == (200, 10)
        eventually(lambda: swallowed, what="a message for the broker")
        aftermath.kill(doomed)
        assert alice.settlement(action_id) == "pending"
        healed("web dies between commit and enqueue, until the sweep has settled it", settled(service.stores))
        aftermath.holds([done, open_one], audience)


@pytest.mark.parametrize("how", ["refused", "hung"])
def test_completions_stay_fast_without_a_broker_and_are_swept(
    how: str,
    service: Service,
    web: Process,
    players: list[Player],
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    with black_hole() as (hole, _):
        port = hole if how == "hung" else free_port()
        cut_off = service.web(CELERY_BROKER_URL=f"redis://127.0.0.1:{port}/0")
        load = Load([cut_off.url], players)
        with Audience(players[0], [web, cut_off]) as audience:
            with load:
                eventually(lambda: len(load.oks()) > 200, within=10)
            assert load.statuses().keys() == {200}
            assert load.most() < FAST
            healed(f"broker {how} for one web process, until the sweep has settled all", settled(service.stores))
            aftermath.holds(load.history, audience)
        aftermath.stop(cut_off)


@pytest.mark.parametrize(("fault", "how"), [(killed, "killed"), (hung, "stopped")], ids=["killed", "stopped"])
def test_service_survives_a_broker_that_goes_and_returns(
    fault: Callable[[embedded.Redis], AbstractContextManager[None]],
    how: str,
    service: Service,
    web: Process,
    broker: embedded.Redis,
    players: list[Player],
    aftermath: Aftermath,
    healed: Callable[[str, float], None],
) -> None:
    load = Load([web.url], players)
    with Audience(players[0], [web]) as audience:
        with load:
            load.flowing(within=5)
            away = now()
            with fault(broker):
                # Longer than a task may take: none that was done by then must be taken for one that hangs.
                eventually(lambda: now() - away > 7, within=10, what="some time")
                assert load.most(away) < FAST
            back = now()
        assert load.statuses().keys() == {200}
        settled(service.stores, within=15)
        healed(f"broker {how} for {back - away:.0f} s, until all is settled", now() - back)
        aftermath.holds(load.history, audience)


def test_queue_is_used_again_after_its_broker_came_back(
    service: Service, web: Process, broker: embedded.Redis, alice: Player, aftermath: Aftermath
) -> None:
    """The sweep alone settles nothing younger than two seconds."""
    broker.kill()
    broker.start()
    history = []

    def soon() -> bool:
        history.append(complete(alice.http, alice.user_id, alice.started()))
        return settled(service.stores, within=15) < 1.0

    eventually(soon, within=20, what="an action that is settled at once")
    aftermath.holds(history)
