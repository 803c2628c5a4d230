"""SQL in every string, and a thousand forged addresses."""

import random
from collections import Counter
from collections.abc import Callable

import httpx2
import pytest

from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Service, Stores

SQL = [
    "'; DROP TABLE actions; --",
    "' OR '1'='1",
    '" OR ""="',
    "1; UPDATE users SET role = 'admin'; --",
    "$$; SELECT pg_sleep(5); $$",
    "\\'; DELETE FROM standings; --",
    "%' UNION SELECT password_hash FROM users --",
    ":id",
    "%(id)s",
    "{0}",
]


@pytest.mark.parametrize("sql", SQL)
def test_sql_in_a_string_is_a_string(
    sql: str, web: Process, alice: Player, everything: Callable[[], dict[str, str]], stores: Stores
) -> None:
    action_id = alice.started()
    before = everything()
    http, mine = alice.http, f"/users/{alice.user_id}/actions"
    answers = [
        http.post("/auth/register", json={"username": sql, "email": "a@example.org", "password": PASSWORD}),
        http.post("/auth/register", json={"username": unique("x"), "email": sql, "password": PASSWORD}),
        http.post("/auth/login", json={"username": sql, "password": sql}),
        http.post(mine, json={"status": sql}),
        http.post(mine, json={"status": "started", "type": sql}),
        http.post(f"/users/{sql}/actions", json={"status": "started"}),
        http.put(f"{mine}/{sql}", json={"status": "completed"}),
        http.put(f"{mine}/{action_id}", json={"status": sql}),
        http.get(f"{mine}/{sql}"),
        http.get(mine, params={"status": sql}),
        http.get(mine, params={"cursor": sql}),
        http.get(mine, params={"limit": sql}),
        http.get("/top-scores", params={"board": sql}),
        http.get("/admin/users", params={"query": sql}),
        httpx2.get(f"{web.url}/top-scores", headers={"authorization": f"Bearer {sql}"}, timeout=10),
        httpx2.get(f"{web.url}/top-scores", headers={"if-none-match": sql.replace('"', "").strip()}, timeout=10),
    ]
    assert {it.status_code for it in answers[:-1]} <= {400, 401, 403, 404}
    assert answers[-1].status_code == 200
    assert everything() == before
    # As metadata it is kept as it is.
    kept = http.post(mine, json={"status": "started", "metadata": {sql: [sql]}}).json()
    assert http.get(f"{mine}/{kept['actionId']}").json()["metadata"] == {sql: [sql]}


@pytest.mark.parametrize(
    "username",
    [
        "ali\u0000ce",  # NUL
        "ali\u0007ce",  # control
        "ali\u200bce",  # zero width
        "ali\u2060ce",
        "ali\u202ece",  # right to left from here
        "ali\u2066ce",
        "\u0430lice",  # Cyrillic
        "alic\u00e9",
        "alice\u0301",  # combining
        "\uff41lice",  # full width
        "ali ce",
        "alice\n",
        "\U0001d41alice",
    ],
)
def test_name_that_looks_like_another_is_refused(
    username: str, web: Process, everything: Callable[[], dict[str, str]]
) -> None:
    before = everything()
    body = {"username": username, "email": "someone@example.org", "password": PASSWORD}
    answer = httpx2.post(f"{web.url}/auth/register", json=body, timeout=10)
    assert answer.status_code == 400
    assert everything() == before


def test_thousand_forged_addresses_are_one_client(service: Service, stores: Stores) -> None:
    web = service.web(RATE_LIMIT_IP="50/hour")
    chance = random.Random(7)
    player = Player(web.url, unique("forger"))
    statuses: Counter[int] = Counter()
    for _ in range(1_000):
        hops = [f"{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"]
        hops += ["::1", "unknown", "127.0.0.1", "' OR 1=1"][: chance.randrange(5)]
        answer = player.http.post(
            f"/users/{player.user_id}/actions",
            json={"status": "started"},
            headers={"x-forwarded-for": ", ".join(hops), "forwarded": f"for={hops[0]}", "x-real-ip": hops[0]},
        )
        statuses[answer.status_code] += 1
    player.close()
    assert statuses[201] < 50
    assert statuses[201] + statuses[429] == 1_000
