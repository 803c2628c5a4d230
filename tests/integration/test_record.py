"""The record of how boards stood: each version as it was, under the names of today; and thinner with age."""

import tomllib
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
import sqlalchemy as sa

from app.board import correct, erase, rename, sweep
from app.board import record as thinning
from app.domain import board_rules
from app.domain.ids import BoardId, UserId
from app.domain.messages import Row
from db import published, record
from db.transaction import in_transaction
from tests.support.corrections import OPERATOR
from tests.support.people import add_user
from tests.support.settled import Done, settled

RULES = board_rules.parse(tomllib.loads('[boards.all-time]\ntop = 3\n[boards.day]\nwindow = "daily"\n'))
ALL_TIME = BoardId("all-time")
NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""When actions end; the record is written by the clock."""


def now(engine: sa.Engine) -> datetime:
    with engine.connect() as conn:
        moment: datetime = conn.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return moment


def shown(engine: sa.Engine, board_id: BoardId = ALL_TIME) -> list[Row]:
    """Return what the board shows at this moment."""
    with engine.connect() as conn:
        _, present = published.read_unless(conn, board_id, None)
    return present.rows if present else []


def stood(engine: sa.Engine, moment: datetime, board_id: BoardId = ALL_TIME) -> list[Row]:
    """Return the rows of the record."""
    with engine.connect() as conn:
        found = record.stood(conn, board_id, moment)
    assert found.known
    return found.rows


def test_record_has_each_version_as_it_was_shown(engine: sa.Engine) -> None:
    players = [add_user(engine, f"player{number}") for number in range(4)]
    seen = [(now(engine), shown(engine), shown(engine, BoardId("day:2026-03-29")))]
    for number in (0, 1, 2, 3, 3, 3, 1):
        settled(engine, RULES, Done(players[number], NOW, points=10 * (number + 1)))
        seen.append((now(engine), shown(engine), shown(engine, BoardId("day:2026-03-29"))))
    in_transaction(engine, lambda conn: correct.adjust(conn, RULES, players[3], -100, **OPERATOR))
    seen.append((now(engine), shown(engine), shown(engine, BoardId("day:2026-03-29"))))
    assert [(row.userId, row.score, row.rank) for row in seen[-2][1]] == [
        (players[3], 120, 1),
        (players[1], 40, 2),
        (players[2], 30, 3),
    ]
    assert [(row.userId, row.score) for row in seen[-1][1]] == [(players[1], 40), (players[2], 30), (players[3], 20)]
    for moment, whole, day in seen:
        assert stood(engine, moment) == whole
        assert stood(engine, moment, BoardId("day:2026-03-29")) == day
    assert stood(engine, NOW) == []


def test_record_has_the_names_of_today_and_nobody_who_is_not_shown_any_more(engine: sa.Engine) -> None:
    alice, bob, carol = (add_user(engine, name) for name in ("alice", "bob", "carol"))
    settled(engine, RULES, Done(alice, NOW, points=30), Done(bob, NOW, points=20), Done(carol, NOW))
    then = now(engine)
    in_transaction(
        engine, lambda conn: rename.rename(conn, RULES, carol, username=None, display_name="Caro", **OPERATOR)
    )
    in_transaction(engine, lambda conn: correct.hide(conn, RULES, alice, **OPERATOR))
    in_transaction(engine, lambda conn: erase.erase(conn, RULES, bob, actor="shell", reason=None))
    assert [(row.userId, row.rank, row.displayName) for row in stood(engine, then)] == [(carol, 3, "Caro")]
    in_transaction(engine, lambda conn: correct.show(conn, RULES, alice, **OPERATOR))
    assert [(row.userId, row.rank) for row in stood(engine, then)] == [(alice, 1), (carol, 3)]
    with engine.connect() as conn:
        columns = conn.execute(sa.text("SELECT * FROM top_scores_versions LIMIT 1")).keys()
    assert set(columns) == {"board_id", "at", "version", "first_rank", "user_ids", "scores"}  # no names


def test_record_of_a_board_from_before_it_began(engine: sa.Engine) -> None:
    alice = add_user(engine, "alice")
    settled(engine, RULES, Done(alice, NOW))
    with engine.begin() as conn:
        conn.execute(sa.text("TRUNCATE top_scores_versions"))
        conn.exec_driver_sql(import_module("db.migrations.versions.0015_record").BEGIN_THE_RECORD)
    with engine.connect() as conn:
        updated_at = conn.execute(sa.text("SELECT updated_at FROM boards WHERE id = 'all-time'")).scalar_one()
        before = record.stood(conn, ALL_TIME, updated_at - timedelta(microseconds=1))
        assert (before.known, before.rows) == (False, [])
        # A board that came into being later was empty before.
        assert record.stood(conn, BoardId("day:2027-01-01"), NOW).known
    assert [(row.userId, row.score) for row in stood(engine, updated_at)] == [(alice, 10)]


def test_record_is_thinned_with_age(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = add_user(engine, "alice")
    settled(engine, RULES, Done(alice, NOW))
    with engine.begin() as conn:
        conn.execute(sa.text("TRUNCATE top_scores_versions"))
        # Versions every 20 s through two hours of 91 days ago, of 8 days ago and of 6 days ago.
        conn.execute(
            sa.text("""
                INSERT INTO top_scores_versions (board_id, at, version, first_rank, user_ids, scores)
                SELECT 'all-time', date_trunc('hour', now()) - days * interval '1 day' + number * interval '20 s',
                    1000 - days * 10 + number, 1, CAST('{}' AS uuid[]), CAST('{}' AS bigint[])
                FROM unnest(ARRAY[91, 8, 6]) AS days CROSS JOIN generate_series(0, 359) AS number
                UNION ALL SELECT 'all-time', '-infinity', 0, 1, NULL, NULL
            """)
        )
        # As if the marks had been made when this began.
        conn.execute(
            sa.text("""
                INSERT INTO marks (name, at)
                SELECT name, date_trunc('hour', now()) - interval '91 days'
                FROM unnest(ARRAY['record_by_minute', 'record_by_hour']) AS name
            """)
        )
    monkeypatch.setattr(thinning, "THIN_FOR", 20.0)
    thinning.thin(engine)

    def left(days: int) -> int:
        query = sa.text("""
            SELECT count(*) FROM top_scores_versions
            WHERE at >= date_trunc('hour', now()) - CAST(:days AS int) * interval '1 day'
                AND at < date_trunc('hour', now()) - CAST(:days AS int) * interval '1 day' + interval '2 h'
        """)
        with engine.connect() as conn:
            found: int = conn.execute(query, {"days": days}).scalar_one()
        return found

    assert {days: left(days) for days in (91, 8, 6)} == {91: 2, 8: 120, 6: 360}
    with engine.connect() as conn:
        old = conn.execute(
            sa.text("""
                SELECT DISTINCT CAST(extract(second FROM at) AS int) FROM top_scores_versions
                WHERE at > '-infinity' AND at < now() - interval '7 days'
            """)
        )
        assert list(old.scalars()) == [40]  # the last of its minute, or hour
        assert not record.stood(conn, ALL_TIME, NOW - timedelta(days=9999)).known
    assert "thinning the record" in sweep._OTHER_DUTIES


def test_users_of_a_record_are_ids_alone(engine: sa.Engine) -> None:
    """So that erasing a person leaves nothing to be forgotten here."""
    user = UserId(add_user(engine, "dora"))
    settled(engine, RULES, Done(user, NOW))
    with engine.connect() as conn:
        text = conn.execute(sa.text("SELECT string_agg(top_scores_versions::text, ' ') FROM top_scores_versions"))
        assert "dora" not in str(text.scalar_one())
