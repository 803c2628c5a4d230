"""Token buckets: which requests need a token of which, who shares one, and what an answer says of it."""

import asyncio
import re
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import NO_LIMITS, Process, Service, Stores, eventually, free_port, problem
from tests.support.sockets import listening

PROXY = "127.0.0.0/8"
"""Makes this machine a proxy, so that a test is from wherever it says."""


@pytest.fixture(autouse=True)
def full_buckets(stores: Stores) -> None:
    """Fill every bucket: all tests are from one address."""
    stores.redis.flushall()


@pytest.fixture
def started(service: Service) -> Iterator[Callable[..., Process]]:
    """Starts web processes with the limits that a test is about, and has them stop after it."""
    processes: list[Process] = []

    def start(**env: Any) -> Process:
        processes.append(service.web(**env))
        return processes[-1]

    yield start
    for process in processes:
        process.signal(signal.SIGTERM)  # the service waits for them at its end


@pytest.fixture
def on(alice: Player) -> Iterator[Callable[..., Player]]:
    """Gives accounts, made where there are no limits, on a process that has some."""
    with ExitStack() as stack:

        def player(process: Process, of: Player = alice, *, address: str = "") -> Player:
            other = Player.__new__(Player)
            other.__dict__.update(of.__dict__)
            headers = {**of.http.headers, **({"X-Forwarded-For": address} if address else {})}
            other.http = stack.enter_context(httpx2.Client(base_url=process.url, headers=headers, timeout=10))
            return other

        yield player


def nobody(player: Player) -> httpx2.Response:
    """Complete an action that there is not: it takes its tokens, and is a 404."""
    return player.end(str(uuid.uuid4()))


def cancel_nobody(player: Player) -> httpx2.Response:
    return player.end(str(uuid.uuid4()), "cancelled")


def show(player: Player) -> httpx2.Response:
    return player.http.get(f"/users/{player.user_id}")


def top(player: Player) -> httpx2.Response:
    return player.http.get("/top-scores")


def refresh(player: Player) -> httpx2.Response:
    return player.http.post("/auth/refresh")


def limits_of(answer: httpx2.Response) -> tuple[str, int, int, int, int]:
    """Return policy, quota, window, remaining and reset as an answer's headers tell them."""
    policy = re.fullmatch(r'"([a-z_]+)";q=(\d+);w=(\d+)', answer.headers["ratelimit-policy"])
    state = re.fullmatch(r'"([a-z_]+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert policy
    assert state
    assert policy[1] == state[1]
    return policy[1], int(policy[2]), int(policy[3]), int(state[2]), int(state[3])


def refused(answer: httpx2.Response, policy: str) -> None:
    """Assert that an answer is the refusal of a policy, and that it says when to come again."""
    body = problem(answer, 429, "rate-limited")
    assert body["policy"] == policy
    name, quota, window, remaining, reset = limits_of(answer)
    assert (name, remaining) == (policy, 0)
    assert 1 <= int(answer.headers["retry-after"]) <= window
    assert int(answer.headers["retry-after"]) <= reset <= window
    assert quota >= 1


Call = Callable[[Player], httpx2.Response]
POLICIES: list[tuple[str, str, list[Call]]] = [
    ("RATE_LIMIT_CREATE", "create", [Player.start]),
    ("RATE_LIMIT_COMPLETE", "complete", [nobody, cancel_nobody]),
    ("RATE_LIMIT_ACTIONS", "actions", [Player.start, nobody, cancel_nobody]),
    ("RATE_LIMIT_USER", "user", [Player.start, nobody, show, top, refresh]),
    ("RATE_LIMIT_IP", "ip", [Player.start, nobody, refresh]),
]


@pytest.mark.parametrize(("variable", "policy", "calls"), POLICIES, ids=[policy for _, policy, _ in POLICIES])
def test_bucket_gives_its_capacity_and_then_refuses(
    started: Callable[..., Process], on: Callable[..., Player], variable: str, policy: str, calls: list[Call]
) -> None:
    player = on(started(**{variable: f"{len(calls)}/hour"}))
    for used, call in enumerate(calls, start=1):
        answer = call(player)
        assert answer.status_code in (200, 201, 404), answer.text
        assert limits_of(answer)[:4] == (policy, len(calls), 3600, len(calls) - used)
    for call in calls:
        refused(call(player), policy)


def test_buckets_are_those_of_the_contract_by_default(
    started: Callable[..., Process], on: Callable[..., Player]
) -> None:
    process = started(**dict.fromkeys(NO_LIMITS, ""))
    player = on(process)
    assert limits_of(player.start())[:4] == ("create", 10, 60, 9)
    assert limits_of(nobody(player))[:4] == ("complete", 30, 60, 29)
    *user, left, _ = limits_of(show(player))
    assert user == ["user", 1000, 60]
    assert 997 <= left < 1000  # one comes back every 60 ms
    assert limits_of(refresh(player))[0] in ("user", "ip")
    login = httpx2.post(f"{process.url}/auth/login", json={"username": player.username, "password": PASSWORD})
    assert limits_of(login)[:4] == ("login_account", 5, 60, 4)
    register = httpx2.post(f"{process.url}/auth/register", json={})
    assert limits_of(register)[:4] == ("login_ip", 10, 60, 8)


def test_headers_tell_of_the_tightest_bucket(started: Callable[..., Process], on: Callable[..., Player]) -> None:
    player = on(started(RATE_LIMIT_CREATE="8/minute", RATE_LIMIT_COMPLETE="2/minute", RATE_LIMIT_ACTIONS="9/minute"))
    assert limits_of(player.start())[:4] == ("create", 8, 60, 7)
    assert limits_of(nobody(player))[:4] == ("complete", 2, 60, 1)
    assert limits_of(player.start())[:4] == ("actions", 9, 60, 6)


def test_bucket_fills_again(started: Callable[..., Process], on: Callable[..., Player]) -> None:
    player = on(started(RATE_LIMIT_CREATE="1/second"))
    eventually(lambda: player.start().status_code == 429, what="a refusal, once two starts come within a second")
    eventually(lambda: player.start().status_code == 201, what="a token")


def test_refusal_takes_from_no_bucket(started: Callable[..., Process], on: Callable[..., Player]) -> None:
    player = on(started(RATE_LIMIT_CREATE="1/hour", RATE_LIMIT_ACTIONS="3/hour", RATE_LIMIT_USER="5/hour"))
    assert player.start().status_code == 201
    for _ in range(10):
        refused(player.start(), "create")
    assert limits_of(nobody(player))[:4] == ("actions", 3, 3600, 1)
    assert limits_of(show(player))[:4] == ("user", 5, 3600, 2)


def test_refused_start_starts_nothing(
    started: Callable[..., Process], on: Callable[..., Player], stores: Stores
) -> None:
    player = on(started(RATE_LIMIT_CREATE="1/hour"))
    for _ in range(5):
        player.start()
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=player.user_id) == 1


def test_players_do_not_share_the_buckets_of_players(
    started: Callable[..., Process], on: Callable[..., Player], bob: Player
) -> None:
    process = started(RATE_LIMIT_CREATE="1/hour", RATE_LIMIT_USER="2/hour")
    alice, bob = on(process), on(process, bob)
    assert alice.start().status_code == 201
    refused(alice.start(), "create")
    assert bob.start().status_code == 201


def test_buckets_are_shared_by_tokens_of_a_player(
    started: Callable[..., Process], on: Callable[..., Player], alice: Player
) -> None:
    process = started(RATE_LIMIT_CREATE="1/hour")
    assert on(process).start().status_code == 201
    alice.login()
    refused(on(process).start(), "create")


def test_reading_without_a_token_is_not_limited(started: Callable[..., Process]) -> None:
    process = started(**dict.fromkeys(NO_LIMITS, "1/hour"))
    with httpx2.Client(base_url=process.url) as client:
        for path in ("/top-scores", "/action-types", "/healthz", "/readyz", "/"):
            for _ in range(3):
                answer = client.get(path)
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers


def test_limit_that_is_off_is_off(started: Callable[..., Process], on: Callable[..., Player]) -> None:
    player = on(started(RATE_LIMIT_USER="1000/hour", RATE_LIMIT_CREATE="OFF"))
    for _ in range(15):
        answer = player.start()
        assert answer.status_code == 201
        assert limits_of(answer)[0] == "user"
    player = on(started())
    assert "ratelimit" not in player.start().headers


def flood(urls: list[str], player: Player, times: int) -> Counter[int]:
    """Start actions at the same time, over several processes, and count the answers."""

    async def run() -> list[httpx2.Response]:
        path, limits = f"/users/{player.user_id}/actions", httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(headers=player.http.headers, timeout=20, limits=limits) as client:
            wanted = [client.post(urls[n % len(urls)] + path, json={"status": "started"}) for n in range(times)]
            return await asyncio.gather(*wanted)

    return Counter(answer.status_code for answer in asyncio.run(run()))


def test_buckets_are_shared_by_processes(started: Callable[..., Process], alice: Player, stores: Stores) -> None:
    urls = [started(RATE_LIMIT_CREATE="20/hour").url for _ in range(2)]
    assert flood(urls, alice, 100) == {201: 20, 429: 80}
    assert stores.value("SELECT count(*) FROM actions WHERE user_id = :id", id=alice.user_id) == 20


def login(process: Process, username: str, password: str = PASSWORD, *, address: str = "") -> httpx2.Response:
    headers = {"X-Forwarded-For": address} if address else {}
    body = {"username": username, "password": password}
    return httpx2.post(f"{process.url}/auth/login", json=body, headers=headers, timeout=10)


def test_logins_and_registrations_of_an_address_share_a_bucket(started: Callable[..., Process]) -> None:
    process = started(RATE_LIMIT_LOGIN_IP="4/hour")
    problem(login(process, unique("a")), 401)
    problem(login(process, unique("b")), 401)
    problem(httpx2.post(f"{process.url}/auth/register", json={}), 400)
    problem(httpx2.post(f"{process.url}/auth/login", content=b"?"), 415)
    refused(login(process, unique("c")), "login_ip")
    refused(httpx2.post(f"{process.url}/auth/register", json={}), "login_ip")
    refused(httpx2.post(f"{process.url}/auth/login", content=b"?"), "login_ip")


def test_logins_count_as_writes_of_their_address(started: Callable[..., Process]) -> None:
    process = started(RATE_LIMIT_IP="1/hour")
    problem(login(process, unique("a")), 401)
    refused(login(process, unique("a")), "ip")


def test_logins_are_limited_by_address_so_nobody_is_locked_out(started: Callable[..., Process], alice: Player) -> None:
    process = started(RATE_LIMIT_LOGIN_ACCOUNT="2/hour", TRUSTED_PROXIES=PROXY)
    for _ in range(2):
        problem(login(process, alice.username, "wrong password", address="203.0.113.1"), 401)
    refused(login(process, alice.username, address="203.0.113.1"), "login_account")
    # Whatever the case of the name, it is the same account; another address and another account are not.
    refused(login(process, alice.username.upper(), address="203.0.113.1"), "login_account")
    assert login(process, alice.username, address="203.0.113.2").status_code == 200
    problem(login(process, unique("other"), address="203.0.113.1"), 401)


def test_failures_of_an_account_have_a_bucket_ten_times_as_wide(
    started: Callable[..., Process], alice: Player, bob: Player
) -> None:
    process = started(RATE_LIMIT_LOGIN_ACCOUNT="1/hour", TRUSTED_PROXIES=PROXY)
    assert login(process, alice.username, address="203.0.113.200").status_code == 200  # no failure
    for n in range(10):
        # Whatever the case of the name.
        name = alice.username[:n].upper() + alice.username[n:]
        problem(login(process, name, "wrong password", address=f"203.0.113.{n}"), 401)
    answer = login(process, alice.username, "wrong password", address="203.0.113.100")
    problem(answer, 429, "rate-limited")
    assert limits_of(answer)[1] == 10
    problem(login(process, bob.username, "wrong password", address="203.0.113.100"), 401)


def test_client_is_the_right_most_address_that_is_no_proxy(
    started: Callable[..., Process], on: Callable[..., Player]
) -> None:
    process = started(RATE_LIMIT_IP="1/hour", TRUSTED_PROXIES=f"{PROXY},10.0.0.0/8,2001:db8:ffff::/48")
    first = "203.0.113.7"
    same = [
        f"198.51.100.1, {first}",  # what the client says of itself
        f"{first}, 10.1.2.3",
        f"198.51.100.2,{first},10.1.2.3,2001:db8:ffff::1",
        f"{first}:4711",
        f"::ffff:{first}",
        f"198.51.100.3 ,  {first}",
    ]
    assert on(process, address=first).start().status_code == 201
    for address in same:
        refused(on(process, address=address).start(), "ip")
    for address in ("203.0.113.8", f"{first}, 203.0.113.9", "10.9.9.9, 198.51.100.77, 10.1.2.3"):
        assert on(process, address=address).start().status_code == 201


def test_several_headers_are_one_list(started: Callable[..., Process], alice: Player) -> None:
    process = started(RATE_LIMIT_LOGIN_IP="1/hour", TRUSTED_PROXIES=PROXY)

    def try_from(*lines: str) -> httpx2.Response:
        headers = [("X-Forwarded-For", line) for line in lines]
        body = {"username": alice.username, "password": PASSWORD}
        return httpx2.post(f"{process.url}/auth/login", json=body, headers=headers)

    assert try_from("198.51.100.1", "203.0.113.1").status_code == 200
    refused(try_from("198.51.100.2", "203.0.113.1"), "login_ip")
    assert try_from("203.0.113.1", "198.51.100.2").status_code == 200


RUBBISH = ["unknown", "", ",", "999.1.1.1", "[::", "a" * 5000, "1.2.3.4.5", "\xff", "fe80::1%25"]


def test_header_that_makes_no_sense_is_no_way_out(started: Callable[..., Process], alice: Player) -> None:
    process = started(RATE_LIMIT_LOGIN_IP="1/hour", TRUSTED_PROXIES=PROXY)
    assert login(process, alice.username).status_code == 200
    for rubbish in RUBBISH:
        headers = [(b"X-Forwarded-For", b"%b," % rubbish.encode("latin-1"))]
        body = {"username": alice.username, "password": PASSWORD}
        refused(httpx2.post(f"{process.url}/auth/login", json=body, headers=headers), "login_ip")


def test_ipv6_addresses_of_one_network_share_a_bucket(
    started: Callable[..., Process], on: Callable[..., Player]
) -> None:
    process = started(RATE_LIMIT_IP="1/hour", TRUSTED_PROXIES=PROXY)
    assert on(process, address="2001:db8:1:2::1").start().status_code == 201
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "[2001:DB8:1:2::3]:443", "2001:db8:1:2:3::"):
        refused(on(process, address=address).start(), "ip")
    assert on(process, address="2001:db8:1:3::1").start().status_code == 201


def test_untrusted_header_is_ignored_and_warned_of_once(
    started: Callable[..., Process], on: Callable[..., Player]
) -> None:
    process = started(RATE_LIMIT_IP="1/hour")
    assert on(process, address="203.0.113.1").start().status_code == 201
    for n in range(2, 5):
        refused(on(process, address=f"203.0.113.{n}").start(), "ip")
    assert process.output().count("TRUSTED_PROXIES") == 1


def test_trusted_network_has_all_limits_but_those_by_address(
    started: Callable[..., Process], on: Callable[..., Player]
) -> None:
    process = started(
        RATE_LIMIT_IP="1/hour",
        RATE_LIMIT_LOGIN_IP="1/hour",
        RATE_LIMIT_CREATE="3/hour",
        TRUSTED_PROXIES=PROXY,
        TRUSTED_NETWORKS="192.0.2.0/24, 2001:db8:5::/48",
    )
    for address in ("192.0.2.1", "192.0.2.1", "2001:db8:5::1"):
        assert on(process, address=address).start().status_code == 201
        problem(login(process, unique("a"), address=address), 401)
    refused(on(process, address="192.0.2.1").start(), "create")
    problem(login(process, unique("a"), address="192.0.3.1"), 401)
    refused(login(process, unique("a"), address="192.0.3.1"), "login_ip")


def test_handshakes_are_limited_by_address(started: Callable[..., Process], alice: Player, bob: Player) -> None:
    process = started(RATE_LIMIT_WS="2/hour", TRUSTED_PROXIES=PROXY)

    def connect(player: Player, address: str) -> Any:
        with listening(process, player.token, additional_headers={"X-Forwarded-For": address}):
            return 101

    for player in (alice, bob):
        assert connect(player, "203.0.113.1") == 101
    with pytest.raises(InvalidStatus) as refusal:
        connect(alice, "203.0.113.1")
    assert refusal.value.response.status_code == 429
    assert int(refusal.value.response.headers["Retry-After"]) >= 1
    assert connect(alice, "203.0.113.2") == 101


def test_refusal_is_logged_with_its_policy(started: Callable[..., Process], on: Callable[..., Player]) -> None:
    process = started(RATE_LIMIT_CREATE="1/hour")
    player = on(process)
    answers = [player.start() for _ in range(2)]
    request_id = answers[1].headers["x-request-id"]
    (line,) = eventually(lambda: [it for it in process.output().splitlines() if request_id in it], what="its line")
    for word in ("scoreboard.security", "rate.limited", "policy=create", "client=127.0.0.1"):
        assert word in line
    assert player.token not in process.output()


def test_process_without_redis_limits_by_itself(
    started: Callable[..., Process], on: Callable[..., Player], alice: Player
) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    limits = {"RATE_LIMIT_CREATE": "5/hour", "RATE_LIMIT_LOGIN_ACCOUNT": "2/hour"}
    process = started(REDIS_URL=away, **limits)
    assert flood([process.url], alice, 30) == {201: 5, 429: 25}
    player = on(process)
    refused(player.start(), "create")
    for _ in range(2):
        assert login(process, alice.username).status_code == 200
    refused(login(process, alice.username), "login_account")
    assert nobody(player).status_code == 404
    assert "Traceback" not in process.output()


def test_buckets_that_redis_lost_start_full(
    started: Callable[..., Process], on: Callable[..., Player], stores: Stores
) -> None:
    player = on(started(RATE_LIMIT_CREATE="1/hour"))
    assert player.start().status_code == 201
    refused(player.start(), "create")
    stores.redis.flushall()
    stores.redis.script_flush()
    assert player.start().status_code == 201
    refused(player.start(), "create")
