"""GET /boards/:board/players: who is on a board, by how a name begins."""

from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from app.domain.ids import UserId
from tests.support.people import insert_user
from tests.support.service import Process


def _stand(engine: sa.Engine, name: str, score: int, **user: Any) -> UserId:
    with engine.begin() as conn:
        user_id = insert_user(conn, name)
        for column, value in user.items():
            conn.execute(sa.text(f"UPDATE users SET {column} = :value WHERE id = :id"), {"value": value, "id": user_id})
        conn.execute(
            sa.text(
                "INSERT INTO standings (board_id, user_id, score, reached_at, hidden) "
                "SELECT 'all-time', id, :score, now(), status <> 'active' OR hidden FROM users WHERE id = :id"
            ),
            {"id": user_id, "score": score},
        )
    return user_id


def _found(web: Process, name: str) -> Sequence[tuple[str, int, int]]:
    answer = httpx2.get(f"{web.url}/boards/all-time/players", params={"name": name})
    assert answer.status_code == 200, answer.text
    return [(it["username"], it["score"], it["rank"]) for it in answer.json()["items"]]


def test_player_is_found_by_the_beginning_of_either_name(web: Process, engine: sa.Engine) -> None:
    jonas = _stand(engine, "jonas", 70)
    _stand(engine, "Jon_B", 90)
    _stand(engine, "mira", 80, display_name="Jónína Ö.")
    _stand(engine, "zero", 0, display_name="Jon Zero")
    _stand(engine, "jonhidden", 100, hidden=True)
    _stand(engine, "jonsuspended", 100, status="suspended")
    with engine.begin() as conn:
        insert_user(conn, "jonnever")

    assert _found(web, "JON") == [("Jon_B", 90, 1), ("jonas", 70, 3)]  # the best first, with their places
    assert _found(web, "jóníN") == [("mira", 80, 2)]
    assert _found(web, " \uff4aonas ") == [("jonas", 70, 3)]  # as names are compared: width and spaces don't matter
    for none in ("onas", "jonas@", "jon%", "jonas_", "\\", "mira x"):
        assert _found(web, none) == [], none
    assert _found(web, "jon_") == [("Jon_B", 90, 1)]

    (row,) = httpx2.get(f"{web.url}/boards/all-time/players?name=mira").json()["items"]
    assert row == {"userId": row["userId"], "username": "mira", "score": 80, "rank": 2, "displayName": "Jónína Ö."}
    body = httpx2.get(f"{web.url}/boards/all-time/players?name=jonas").json()
    assert body == {"items": [{"userId": jonas, "username": "jonas", "score": 70, "rank": 3}]}


def test_at_most_ten_are_found(web: Process, engine: sa.Engine) -> None:
    for number in range(12):
        _stand(engine, f"many{number:02}", 100 + number)
        _stand(engine, f"many-hidden{number:02}", 1_000, hidden=True)  # who takes nobody's place among them
    assert _found(web, "many") == [(f"many{11 - at:02}", 111 - at, at + 1) for at in range(10)]


@pytest.mark.parametrize("query", ["", "name=", "name=%20", f"name={'x' * 65}", "name=a%00b"])
def test_name_that_cannot_begin_one_is_refused(web: Process, query: str) -> None:
    answer = httpx2.get(f"{web.url}/boards/all-time/players?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


@pytest.mark.parametrize("path", ["/boards/none/players?name=a", "/boards/all-time/players?name=a&period=2026-W01"])
def test_board_that_does_not_exist_is_not_found(web: Process, path: str) -> None:
    answer = httpx2.get(web.url + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_frozen_board_tells_of_the_rows_that_it_shows_alone(web: Process, engine: sa.Engine) -> None:
    shown = _stand(engine, "ice-shown", 50)
    _stand(engine, "ice-since", 90)
    with engine.begin() as conn:
        conn.execute(
            sa.text(
                "INSERT INTO top_scores (board_id, rank, user_id, username, score) "
                "VALUES ('all-time', 1, :id, 'ice-shown', 40)"
            ),
            {"id": shown},
        )
        conn.execute(sa.text("UPDATE boards SET frozen_from = now() - interval '1 minute' WHERE id = 'all-time'"))
    answer = httpx2.get(f"{web.url}/boards/all-time/players?name=ICE").json()
    row = {"userId": shown, "username": "ice-shown", "score": 40, "rank": 1}
    assert answer == {"items": [row], "frozen": True}
    assert httpx2.get(f"{web.url}/boards/all-time/players?name=ice-s&live=true").status_code == 401
