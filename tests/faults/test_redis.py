"""Redis, which is cache, channel, queue and rate limits in one, goes away, hangs, forgets or refuses to write."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from app.domain.ids import UserId
from db import redis as redis_client
from dev import embedded
from tests.faults.aftermath import Aftermath
from tests.faults.audience import Audience
from tests.faults.away import hung, killed
from tests.faults.history import Load
from tests.faults.probe import Probe
from tests.support.clock import now
from tests.support.people import Player, suspend, unique
from tests.support.service import NO_LIMITS, Process, Service, Stores, eventually, problem
from tests.support.sockets import refusal
from tests.support.stores import on_redis

FAST = 1.5
"""Seconds within which nine of ten answers have to come while Redis is away."""

LIVE_AGAIN = 5.0
"""Seconds after its return within which the sockets have to show what was completed since."""

WIDE: Any = dict.fromkeys(NO_LIMITS, "1000000/minute")
"""Limits that nobody meets, so that every request asks for a token all the same."""

Healed = Callable[[str, float], None]
Fault = Callable[[embedded.Redis], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def stores(stores: Stores, own_redis: embedded.Redis) -> Iterator[Stores]:
    """This module's stores, with a Redis that can be killed."""
    with on_redis(stores, own_redis.url) as stores:
        yield stores


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    service.worker()
    service.beat()
    return service.web(**WIDE)


def emptied(server: embedded.Redis) -> AbstractContextManager[None]:
    """Kill Redis; it comes back empty, without what it had written down."""

    def forget() -> None:
        for file in server.directory.path.glob("appendonlydir/*"):
            file.unlink()

    return killed(server, forget)


@contextmanager
def full(server: embedded.Redis) -> Iterator[None]:
    """Leave Redis no memory: it answers, and refuses every write."""
    with redis_client.connect(server.url, timeout=5) as client:
        client.set("filler", bytes(2_000_000))
        client.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")
            client.delete("filler")


def lives_again(load: Load, audience: Audience, stores: Stores) -> float:
    """Wait until every socket shows what was completed from now on, and give the seconds that took."""
    back = now()
    eventually(lambda: load.oks(back), within=LIVE_AGAIN, what="a completion")
    user_id = load.oks(back)[0].user_id
    total = stores.value("SELECT total_score FROM users WHERE id = :id", id=user_id)
    eventually(
        lambda: all(dict(it.shows()).get(user_id, 0) >= total for it in audience.everybody),
        within=LIVE_AGAIN - (now() - back),
        what="a completion of after its return on every socket and stream",
    )
    return now() - back


def nobody_noticed(load: Load, probe: Probe, since: float) -> None:
    """Check that all was answered, and soon, whatever became of Redis."""
    assert load.statuses().keys() == {200}
    assert load.starts.keys() == {201}
    assert load.most(since) < FAST
    for path in ("/healthz", "/top-scores"):
        assert probe.statuses(path).keys() == {200}
        assert probe.most(path, since) < FAST
    assert probe.statuses("/readyz").keys() == {200}


@pytest.mark.parametrize(
    ("fault", "seconds", "what"),
    [
        (emptied, 0.3, "killed and back empty after 0.3 s"),
        (emptied, 5, "killed and back empty after 5 s"),
        (emptied, 20, "killed and back empty after 20 s"),
        (hung, 10, "stopped (SIGSTOP) for 10 s"),
        (full, 5, "without memory (maxmemory 1mb) for 5 s"),
    ],
    ids=["killed-0.3", "killed-5", "killed-20", "hung-10", "full-5"],
)
def test_redis_away_completions_go_on_and_live_returns_soon(
    fault: Fault,
    seconds: float,
    what: str,
    service: Service,
    web: Process,
    own_redis: embedded.Redis,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    load = Load([web.url], regulars)
    with Audience(regulars[0], [web]) as audience:
        with load, Probe(web) as probe:
            load.flowing(within=5)
            away = now()
            with fault(own_redis):
                time.sleep(seconds)  # as long as the fault takes
            took = lives_again(load, audience, service.stores)
            healed(f"Redis {what}, until sockets show what is completed since", took)
        nobody_noticed(load, probe, away)
        if seconds > 1 and fault is not full:
            assert "down" in probe.check("redis", away)
        aftermath.holds(load.history, audience, within=15)
    eventually(lambda: web_is_ready(web), within=LIVE_AGAIN, what="that all is well")


def web_is_ready(web: Process) -> bool:
    with Probe(web) as probe:
        eventually(lambda: probe.statuses("/readyz"))
    return bool(probe.answers) and all(it.body["status"] == "ok" for it in probe.answers if it.path == "/readyz")


@pytest.mark.parametrize("fault", ["FLUSHALL", "CLIENT KILL TYPE pubsub"])
def test_redis_flushed_or_dropping_subscribers_stops_nothing(
    fault: str,
    service: Service,
    web: Process,
    regulars: list[Player],
    aftermath: Aftermath,
    healed: Healed,
) -> None:
    load = Load([web.url], regulars)
    with Audience(regulars[0], [web]) as audience:
        with load, Probe(web) as probe:
            load.flowing(within=5)
            began = now()
            for _ in range(4):
                service.stores.redis.execute_command(*fault.split())  # type: ignore[no-untyped-call]
                took = lives_again(load, audience, service.stores)
                healed(f"{fault} during load, until sockets show what is completed since", took)
        nobody_noticed(load, probe, began)
        aftermath.holds(load.history, audience)


def refused(player: Player, http_status: int, code: str) -> None:
    """Check that a write of a player is refused."""
    problem(player.start(), http_status, code)


def test_redis_away_or_back_empty_keeps_logged_out_users_out(
    service: Service, web: Process, own_redis: embedded.Redis, alice: Player, bob: Player, aftermath: Aftermath
) -> None:
    other = service.web(**WIDE)
    with Audience(alice, [web, other]) as leaving, Audience(bob, [web, other]) as cheating:
        with emptied(own_redis):
            assert alice.http.post("/auth/logout").status_code == 204
            suspend(service.stores, UserId(bob.user_id))
            refused(alice, 401, "unauthorized")
            refused(bob, 403, "user-suspended")
            for audience, code in ((leaving, 4401), (cheating, 4403)):
                for it in audience.listeners:
                    assert it.closed.wait(5)
                    assert it.code == code
        for process in (web, other):
            assert refusal(process, alice.token).status == 401
            assert refusal(process, bob.token).status == 403
        refused(alice, 401, "unauthorized")
        refused(bob, 403, "user-suspended")
        assert alice.http.get("/top-scores").status_code == 401
    aftermath.stop(other)
    aftermath.holds([])


@pytest.mark.parametrize("fault", [emptied, hung, full])
def test_rate_limits_hold_while_redis_is_away_and_afterwards(
    fault: Fault,
    service: Service,
    web: Process,
    own_redis: embedded.Redis,
    aftermath: Aftermath,
) -> None:
    """Whoever keeps the bucket, it has five tokens and a new one every 12 s."""
    limited = service.web(RATE_LIMIT_CREATE="5/minute")
    player = Player(web.url, unique("eager"))
    player.http.base_url = limited.url
    newcomer = Player(web.url, unique("newcomer"))
    newcomer.http.base_url = limited.url
    before = starts(player)
    assert before == {201: 5, 429: 7}
    with fault(own_redis):
        during = starts(player)
        # Whoever has tokens left takes one, which is written where Redis takes nothing.
        assert starts(newcomer) == {201: 5, 429: 7}
    after = starts(player)
    flushed = Counter[int]()
    for _ in range(2):
        service.stores.redis.flushall()
        flushed += starts(player)
    newcomer.close()
    player.close()
    for answers, most in ((during, 6), (after, 6), (flushed, 12)):
        assert answers.keys() <= {201, 429}, (during, after, flushed)
        assert answers[201] <= most, (during, after, flushed)
    aftermath.stop(limited)
    aftermath.holds([])


def starts(player: Player) -> "Counter[int]":
    """Start twelve actions, and count the answers."""
    answers: Counter[int] = Counter()
    for _ in range(12):
        began = now()
        answer = player.start()
        assert now() - began < 3
        if answer.status_code != 201:
            problem(answer, 429, "rate-limited")
        answers[answer.status_code] += 1
    return answers
