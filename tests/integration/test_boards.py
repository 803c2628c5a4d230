"""GET /boards and GET /boards/:board/periods: the boards of a file, and the periods that have rows."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from app.domain.ids import new_id
from tests.support import done
from tests.support.done import Done
from tests.support.people import Listener
from tests.support.service import Process, Service, Stores, problem

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
FILE = """
[boards.all-time]
title = "For ever"
[boards.daily]
window = "daily"
[boards.laps]
title = "Fastest laps this month"
window = "monthly"
zone = "Europe/Berlin"
types = ["quest", "default"]
of = "value"
by = "best"
order = "lowest"
unit = "ms"
top = 100
[boards.next]
from = 2199-07-01
to = 2199-08-01T12:00:00
zone = "Europe/Berlin"
[boards.running]
from = 2026-01-01
to = 2199-01-01T00:00:00+02:00
freeze_at = 2198-12-31
"""


@pytest.fixture(scope="module")
def web(service: Service, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Process:
    path = tmp_path_factory.mktemp("rules") / "boards.toml"
    path.write_text(FILE)
    released = stores.run(sys.executable, "-m", "db.migrate", BOARDS_FILE=str(path))
    assert released.returncode == 0, released.stderr
    return service.web(BOARDS_FILE=str(path))


def get(web: Process, path: str) -> Any:
    answer = httpx2.get(f"{web.url}{path}", timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def month_of(moment: datetime) -> tuple[datetime, datetime]:
    """Return when the month begins and ends that `moment` lies in, in its own zone."""
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def test_boards_are_listed_with_their_rules_and_present_periods(web: Process, stores: Stores) -> None:
    now = stores.value("SELECT clock_timestamp()").astimezone(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first, following = month_of(now.astimezone(BERLIN))
    points = {"of": "points", "by": "sum", "order": "highest", "top": 10, "frozen": False}
    assert get(web, "/boards") == {
        "items": [
            {"board": "all-time", "title": "For ever", "window": "all", "zone": "UTC", **points},
            {
                **{"board": "daily", "title": "Daily", "window": "daily", "zone": "UTC", **points},
                "period": f"{now:%Y-%m-%d}",
                "startsAt": utc(midnight),
                "endsAt": utc(midnight + timedelta(days=1)),
            },
            {
                **{"board": "laps", "title": "Fastest laps this month", "window": "monthly", "zone": "Europe/Berlin"},
                **{"types": ["default", "quest"], "of": "value", "by": "best", "order": "lowest", "unit": "ms"},
                **{"top": 100, "frozen": False, "period": f"{first:%Y-%m}"},
                "startsAt": utc(first),
                "endsAt": utc(following),
            },
            {
                **{"board": "next", "title": "Next", "window": "season", "zone": "Europe/Berlin", **points},
                **{"from": "2199-06-30T22:00:00Z", "to": "2199-08-01T10:00:00Z"},
            },
            {
                **{"board": "running", "title": "Running", "window": "season", "zone": "UTC", **points},
                **{"from": "2026-01-01T00:00:00Z", "to": "2198-12-31T22:00:00Z", "freezeAt": "2198-12-31T00:00:00Z"},
                **{"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2198-12-31T22:00:00Z"},
            },
        ]
    }


def test_board_that_is_frozen_says_so(web: Process, stores: Stores) -> None:
    stores.execute("UPDATE boards SET frozen_from = '2026-11-01T12:00Z' WHERE id = 'running'")
    running = get(web, "/boards")["items"][-1]
    assert (running["frozen"], running["frozenSince"]) == (True, "2026-11-01T12:00:00Z")
    stores.execute("UPDATE boards SET frozen_from = '2200-01-01' WHERE id = 'running'")
    assert get(web, "/boards")["items"][-1]["frozen"] is False


def test_periods_are_paged_newest_first_with_the_present_one(web: Process, stores: Stores) -> None:
    now = stores.value("SELECT clock_timestamp()").astimezone(UTC)
    days = [(now - timedelta(days=it)).replace(hour=0, minute=0, second=0, microsecond=0) for it in range(4)]
    for day in days[1:]:  # there is no row of the present one yet
        add_period(stores, f"daily:{day:%Y-%m-%d}", day, day + timedelta(days=1))
    # Of a time at which the board had other rules, and of another board.
    add_period(stores, "daily:2026-W01", days[3], days[2])
    add_period(stores, "laps:2026-01", days[3], days[2])
    expected = [
        {
            "period": f"{day:%Y-%m-%d}",
            "startsAt": utc(day),
            "endsAt": utc(day + timedelta(days=1)),
            "final": day + timedelta(days=1, hours=1) <= now,
        }
        for day in days
    ]
    assert [it["final"] for it in expected][::3] == [False, True]
    assert get(web, "/boards/daily/periods") == {"items": expected}
    for limit in (1, 2, 3):
        listed, path = [], f"/boards/daily/periods?limit={limit}"
        page = get(web, path)
        while "nextCursor" in page:
            assert len(page["items"]) == limit
            listed += page["items"]
            page = get(web, f"{path}&cursor={page['nextCursor']}")
        assert listed + page["items"] == expected
    add_period(stores, f"daily:{days[0]:%Y-%m-%d}", days[0], days[0] + timedelta(days=1))
    assert get(web, "/boards/daily/periods") == {"items": expected}
    assert get(web, f"/boards/daily/periods?cursor={expected[3]['period']}") == {"items": []}


def add_period(stores: Stores, period_id: str, starts: datetime, ends: datetime) -> None:
    stores.execute(
        "INSERT INTO boards (id, epoch, starts_at, ends_at) VALUES (:id, :epoch, :starts, :ends) "
        "ON CONFLICT DO NOTHING",
        id=period_id,
        epoch=new_id(),
        starts=starts,
        ends=ends,
    )


def test_periods_are_final_an_hour_after_their_end_once_all_is_settled(
    web: Process, stores: Stores, dora: Listener
) -> None:
    for ago, day in ((59, "2025-01-01"), (61, "2025-01-02")):
        stores.execute(
            "INSERT INTO boards (id, epoch, starts_at, ends_at) VALUES (:id, :epoch, '2025-01-01', "
            "clock_timestamp() - make_interval(mins => :ago))",
            **{"id": f"daily:{day}", "epoch": new_id(), "ago": ago},
        )
    found = {it["period"]: it["final"] for it in get(web, "/boards/daily/periods")["items"]}
    assert (found["2025-01-01"], found["2025-01-02"]) == (False, True)
    # While no worker settles what was completed before, it may still be of the period.
    (action_id,) = done.insert(stores.engine, Done(dora.user_id, NOON))
    stores.execute("UPDATE actions SET recorded_at = now() - interval '2 minutes' WHERE id = :id", id=action_id)
    found = {it["period"]: it["final"] for it in get(web, "/boards/daily/periods")["items"]}
    assert (found["2025-01-01"], found["2025-01-02"]) == (False, False)
    stores.execute("UPDATE actions SET settlement = 'held', settled_at = now() WHERE id = :id", id=action_id)
    found = {it["period"]: it["final"] for it in get(web, "/boards/daily/periods")["items"]}
    assert (found["2025-01-01"], found["2025-01-02"]) == (False, True)


@pytest.mark.parametrize("board", ["all-time", "next", "running"])
def test_periods_of_a_board_with_only_one_are_none(web: Process, board: str) -> None:
    assert get(web, f"/boards/{board}/periods") == {"items": []}


def test_boards_wrong_requests_are_refused(web: Process, service: Service, dora: Listener) -> None:
    def ask(path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(f"{web.url}{path}", headers=headers, timeout=10)

    for name in ("none", "daily:2026-11-28", "%00", "All-time"):
        problem(ask(f"/boards/{name}/periods"), 404, "not-found")
    for query in ("limit=0", "limit=201", "limit=", "cursor=", "cursor=2026-W01", "cursor=x"):
        problem(ask(f"/boards/daily/periods?{query}"), 400, "malformed-request")
    for path in ("/boards", "/boards/daily/periods"):
        problem(ask(path, authorization="Bearer wrong"), 401)
        assert ask(path, authorization=f"Bearer {dora.token}").status_code == 200
        assert re.fullmatch(r"GET(, HEAD)?|HEAD, GET", httpx2.post(f"{web.url}{path}").headers["allow"])
    private = service.web(TOP_SCORES_AUTH="required")
    for path in ("/boards", "/boards/all-time/periods"):
        problem(httpx2.get(f"{private.url}{path}"), 401)
        assert httpx2.get(f"{private.url}{path}", headers={"authorization": f"Bearer {dora.token}"}).is_success
