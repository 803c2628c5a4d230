"""Networks that operators trust at run time: in force in every process, without a restart."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.board.networks import NetworksAtRunTime
from app.board.vetting import Vetting
from app.domain import fraud
from db import networks
from tests.integration.test_vetting import SHARED, done, settled
from tests.support.people import Player, add_user, listener, set_role
from tests.support.service import NOBODY, Process, Service, Stores, eventually, problem
from tests.support.shell import manage
from tests.support.sockets import listening

NETWORKS = "/admin/networks"
HALL = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture(scope="module")
def two(service: Service) -> tuple[Process, Process]:
    """Two web processes with tight limits by address."""
    tight: dict[str, Any] = {"RATE_LIMIT_LOGIN_IP": "50/hour", "WS_MAX_PER_IP": "1", "TRUSTED_PROXIES": "127.0.0.0/8"}
    return service.web(**tight), service.web(**tight, TRUSTED_NETWORKS="198.51.100.0/24")


@pytest.fixture
def organizer(two: tuple[Process, Process], stores: Stores) -> Iterator[Player]:
    player = Player(two[0].url, listener(stores, "organizer").username, register=False)
    set_role(stores, player.user_id)
    eventually(lambda: player.http.get(NETWORKS).status_code == 200, what="that it may operate")
    stores.execute("DELETE FROM trusted_networks")
    yield player
    player.close()


def limited(process: Process, address: str) -> bool:
    """Return whether the logins of an address are limited, by whether an answer tells of the limit."""
    answer = httpx2.post(f"{process.url}/auth/login", json={}, headers={"X-Forwarded-For": address}, timeout=20)
    return '"login_ip"' in answer.headers.get("ratelimit-policy", "")


def test_network_is_trusted_in_all_processes_until_it_is_removed(
    two: tuple[Process, Process], organizer: Player, stores: Stores
) -> None:
    here, there = two
    assert limited(there, "203.0.113.7")
    assert not limited(there, "198.51.100.3")
    answer = organizer.http.post(NETWORKS, json={"cidr": "203.0.113.7/24", "reason": "room 214", "expiresIn": 7200})
    made = answer.json()
    assert answer.status_code == 201
    assert made | {"id": "", "expiresAt": "", "createdAt": ""} == {
        "id": "",
        "cidr": "203.0.113.0/24",
        "reason": "room 214",
        "expiresAt": "",
        "createdBy": organizer.user_id,
        "createdAt": "",
    }
    # By the moment of the answer here, and within seconds there.
    assert not limited(here, "203.0.113.7")
    eventually(lambda: not limited(there, "203.0.113.7"), what="that the other process trusts it")
    assert limited(there, "203.0.114.7")
    sockets = [listening(there, organizer.token, additional_headers=HALL) for _ in range(2)]
    for socket in sockets:
        with socket:
            pass

    again = organizer.http.post(NETWORKS, json={"cidr": "203.0.113.0/24", "reason": "the hall"})
    assert (again.status_code, again.json()["id"], again.json()["expiresAt"]) == (200, made["id"], None)
    listed = organizer.http.get(NETWORKS, headers=HALL).json()
    assert listed == {
        "items": [again.json()],
        "nextCursor": None,
        "configured": [],
        "yours": {"address": "203.0.113.7", "cidr": "203.0.113.7/32", "trusted": True},
    }
    assert organizer.http.delete(f"{NETWORKS}/{made['id']}").status_code == 204
    problem(organizer.http.delete(f"{NETWORKS}/{made['id']}"), 404)
    assert limited(here, "203.0.113.8")
    eventually(lambda: limited(there, "203.0.113.9"), what="that the other process trusts it no longer")
    events = organizer.http.get("/admin/events", params={"limit": 3}).json()["items"]
    assert [(it["kind"], it["reason"], it["details"]["cidr"]) for it in events] == [
        ("network_removed", None, "203.0.113.0/24"),
        ("network_trusted", "the hall", "203.0.113.0/24"),
        ("network_trusted", "room 214", "203.0.113.0/24"),
    ]


def test_network_that_has_expired_is_none(organizer: Player, stores: Stores) -> None:
    made = organizer.http.post(NETWORKS, json={"cidr": "2001:db8:7::1", "reason": "x", "expiresIn": 60}).json()
    with stores.engine.connect() as conn:
        ((cidr, seconds_left),) = networks.live(conn)
    assert cidr == made["cidr"] == "2001:db8:7::/64"
    assert seconds_left is not None
    assert 0 < seconds_left <= 60
    stores.execute("UPDATE trusted_networks SET expires_at = now()")
    assert organizer.http.get(NETWORKS).json()["items"] == []
    problem(organizer.http.delete(f"{NETWORKS}/{made['id']}"), 404)
    again = organizer.http.post(NETWORKS, json={"cidr": "2001:db8:7::1", "reason": "x"})
    assert (again.status_code, again.json()["expiresAt"]) == (201, None)


@pytest.mark.parametrize(
    "body",
    [
        {"cidr": "0.0.0.0/0", "reason": "all"},
        {"cidr": "hall", "reason": "x"},
        {"cidr": "203.0.113.7"},
        {"cidr": "203.0.113.7", "reason": "x", "expiresIn": 0},
        {"cidr": "203.0.113.7", "reason": "x", "expiresIn": 366 * 24 * 3600 + 1},
    ],
)
def test_what_may_not_be_trusted_is_a_400(organizer: Player, body: dict[str, object]) -> None:
    problem(organizer.http.post(NETWORKS, json=body), 400)


def test_players_trust_nobody_and_a_hundred_networks_are_enough(
    organizer: Player, alice: Player, stores: Stores
) -> None:
    problem(alice.http.post(NETWORKS, json={"cidr": "203.0.113.7", "reason": "me"}), 403)
    problem(organizer.http.delete(f"{NETWORKS}/{NOBODY}"), 404)
    stores.execute(
        "INSERT INTO trusted_networks (id, cidr, reason, created_by) "
        "SELECT gen_random_uuid(), CAST(inet '10.0.0.0' + n AS cidr), 'x', 'shell' FROM generate_series(1, 100) AS n"
    )
    problem(organizer.http.post(NETWORKS, json={"cidr": "203.0.113.7", "reason": "x"}), 409, "too-many-networks")
    assert organizer.http.post(NETWORKS, json={"cidr": "10.0.0.1", "reason": "y"}).status_code == 200


def test_shared_ip_does_not_count_a_network_that_is_trusted_at_run_time(
    engine: sa.Engine, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetting = Vetting(fraud.parse(SHARED), default_award=10, trusted_networks=(ip_network("198.51.100.0/24"),))
    monkeypatch.setattr("app.board.networks.READ_EVERY", -1.0)

    def fifth(ip: str) -> str:
        return settled(engine, [done(engine, add_user(engine), 5, ip=ip) for _ in range(5)], vetting)[-1]

    assert fifth("192.0.2.1") == "held"
    manage(stores, "trust-network", "192.0.2.0/24", "--hours", "2", "--reason", "room 214")
    assert fifth("192.0.2.1") == "cleared"
    assert "192.0.2.0/24" in manage(stores, "list-networks").stdout
    manage(stores, "distrust-network", "192.0.2.0/24")
    assert fifth("192.0.2.2") == "held"
    kept = NetworksAtRunTime()
    monkeypatch.setattr("app.board.networks.READ_EVERY", 3600.0)
    with engine.connect() as conn:
        assert kept.read(conn) == ()
        stores.execute(
            "INSERT INTO trusted_networks (id, cidr, reason, created_by) "
            "VALUES (gen_random_uuid(), '192.0.2.0/24', 'x', 'shell')"
        )
        assert kept.read(conn) == (), "it was read again at once"
