"""What is told of the past, from the actions: the same as a plain replay of everything in Python."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from app.board import correct, courses, past, rebuild
from app.domain import board_rules, periods, ranking, timeline
from app.domain.board_rules import BoardRule
from app.domain.errors import TooMuchToRead
from app.domain.ids import ActionId, BoardId, UserId
from app.domain.periods import Period
from app.domain.ranking import Standing
from db import corrected, feed
from db.feed import Place
from db.transaction import in_transaction
from tests.support.corrections import OPERATOR
from tests.support.people import add_user
from tests.support.settled import Done, settled

RULES = board_rules.parse(
    tomllib.loads("""
        [boards.all-time]
        top = 3
        [boards.day]
        window = "daily"
        top = 4
        [boards.quests]
        types = ["quest"]
        by = "best"
        [boards.fastest]
        types = ["lap"]
        of = "value"
        by = "best"
        order = "lowest"
        top = 3
        [boards.last]
        types = ["lap"]
        of = "value"
        by = "latest"
        top = 2
        [boards.least]
        order = "lowest"
        [boards.distance]
        of = "value"
        by = "sum"
    """)
)
MORNING = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
"""The first of two days that are over."""


class Replay:
    """Everything that counts, looked at as plainly as can be."""

    def __init__(self, done: dict[ActionId, Done], adjusted: list[tuple[UserId, int, datetime]]) -> None:
        self.done = done
        self.adjusted = adjusted

    def amounts(self, rule: BoardRule, period: Period, until: datetime) -> Iterator[tuple[UserId, int, datetime]]:
        """Return what counts in a period and ended by a moment."""
        for it in self.done.values():
            amount = rule.counts(it.type, it.value, it.points)
            if amount is not None and period.covers(it.end_at) and it.end_at <= until:
                yield it.user_id, amount, it.end_at
        for user_id, points, at in self.adjusted:
            if rule.adjustable and period.covers(at) and at <= until:
                yield user_id, points, at

    def standing(self, rule: BoardRule, period: Period, until: datetime, user_id: UserId) -> Standing | None:
        """Return a user's standing as it was at a moment."""
        mine = [(amount, at) for user, amount, at in self.amounts(rule, period, until) if user == user_id]
        if not mine:
            return None
        sign = 1 if rule.lowest else -1
        if rule.by == "sum":
            score, at = sum(amount for amount, _ in mine), max(at for _, at in mine)
        elif rule.by == "best":
            score, at = min(mine, key=lambda it: (sign * it[0], it[1]))
        else:
            score, at = min(mine, key=lambda it: (-it[1].timestamp(), sign * it[0]))
        return Standing(user_id, "", score, at, lowest=rule.lowest, valued=rule.valued)


@pytest.fixture
def users(engine: sa.Engine) -> list[UserId]:
    return [add_user(engine, f"player{number}") for number in range(12)]


@pytest.fixture
def replay(engine: sa.Engine, users: list[UserId]) -> Replay:
    """Two days of play in which much happens at the same moments, then corrections of every kind."""
    random = Random(4)
    moments = [MORNING + timedelta(minutes=20 * number) for number in range(144)]
    plays: list[Done] = []
    for _ in range(260):
        kind = random.choice(["default", "quest", "lap", "walk"])
        points = {"default": 10, "quest": random.choice([20, 50]), "lap": random.choice([0, 5]), "walk": 0}[kind]
        value = random.randint(-3, 9) if kind in ("lap", "walk") else None
        plays.append(Done(random.choice(users), random.choice(moments), kind, points, value))
    ids = settled(engine, RULES, *plays)
    done = dict(zip(ids, plays, strict=True))
    for action_id in random.sample(ids, 25):
        in_transaction(engine, lambda conn, it=action_id: correct.reverse(conn, RULES, it, **OPERATOR))  # type: ignore[misc]
        del done[action_id]
    adjusted = []
    points_of = {user: sum(it.points for it in done.values() if it.user_id == user) for user in users}
    leader = max(users[3:], key=lambda user: points_of[user])
    for user_id, points, at in (
        (users[0], 35, random.choice(moments)),
        (users[1], -40, random.choice(moments)),
        (leader, -points_of[leader], moments[-1]),
    ):
        in_transaction(engine, lambda conn, u=user_id, p=points: correct.adjust(conn, RULES, u, p, **OPERATOR))  # type: ignore[misc]
        adjusted.append((user_id, points, at))
    # An adjustment counts when it is made, which for this test has to lie in the past.
    with engine.begin() as conn:
        for user_id, _, at in adjusted:
            conn.execute(
                sa.text("UPDATE audit_events SET at = :at WHERE kind = 'adjusted' AND user_id = :user"),
                {"at": at, "user": user_id},
            )
    return Replay(done, adjusted)


@pytest.fixture
def rebuilt(engine: sa.Engine, replay: Replay) -> Replay:
    """The standings follow the adjustments to where they were moved."""
    for board_id in RULES:
        in_transaction(engine, lambda conn, it=board_id: rebuild.rebuild(conn, RULES, it))  # type: ignore[misc]
    return replay


def all_periods(rule: BoardRule) -> list[Period]:
    found = [periods.at(rule, MORNING + timedelta(days=day)) for day in (0, 1)]
    return list(dict.fromkeys(it for it in found if it))


def test_corrected_board_is_that_of_a_replay(engine: sa.Engine, rebuilt: Replay, users: list[UserId]) -> None:
    hidden = users[5]
    in_transaction(engine, lambda conn: correct.hide(conn, RULES, hidden, **OPERATOR))
    for rule in RULES.values():
        for period in all_periods(rule):
            for hours in (0, 1, 7.33, 20, 24, 30.67, 47, 60):
                moment = MORNING + timedelta(hours=hours)
                standings = [
                    standing
                    for user in users
                    if user != hidden and (standing := rebuilt.standing(rule, period, moment, user))
                ]
                expected = ranking.top(standings, rule.top)

                def read(
                    conn: sa.Connection, rule: BoardRule = rule, period: Period = period, at: datetime = moment
                ) -> list[Standing]:
                    past.begin(conn)
                    return past.board(conn, rule, period, at)

                found = in_transaction(engine, read)
                assert [(it.user_id, it.score, it.reached_at) for it in found] == [
                    (it.user_id, it.score, it.reached_at) for it in expected
                ], (rule.id, period.id, hours)


def test_corrected_board_looks_no_further_than_it_must(
    engine: sa.Engine, rebuilt: Replay, users: list[UserId], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Period(BoardId("all-time"), BoardId("all-time"), None, None, None)
    late = MORNING + timedelta(hours=48)
    looked: list[int] = []
    candidates = corrected.candidates

    def counting(*args: object, **options: object) -> list[object]:
        found = candidates(*args, **options)  # type: ignore[arg-type]
        looked.append(len(found))
        return list(found)

    monkeypatch.setattr(corrected, "candidates", counting)
    monkeypatch.setattr(past, "FIRST_LOOK", 5)
    assert len(in_transaction(engine, lambda conn: past.board(conn, RULES[BoardId("all-time")], whole, late))) == 3
    assert looked == [6]  # twice as many as the board shows, of eleven
    # Where too many might have stood higher, or everybody, all that had ended by then is read, if it isn't too much.
    expected = in_transaction(engine, lambda conn: past.board(conn, RULES[BoardId("all-time")], whole, late))
    monkeypatch.setattr(past, "CANDIDATES", 1)
    assert in_transaction(engine, lambda conn: past.board(conn, RULES[BoardId("all-time")], whole, late)) == expected
    last = RULES[BoardId("last")]
    count = len(rebuilt.done)
    monkeypatch.setattr(past, "ACTIONS", count + 3)  # and three adjustments
    assert in_transaction(engine, lambda conn: past.board(conn, last, all_periods(last)[0], late))
    monkeypatch.setattr(past, "ACTIONS", count + 2)
    monkeypatch.setattr(past, "CANDIDATES", 50)
    monkeypatch.setattr(past, "ACTIONS", 5)  # so that it can't be the other way
    for hours in (5, 10, 15, 20, 25, 30):
        then = MORNING + timedelta(hours=hours)
        found = in_transaction(engine, lambda conn, at=then: past.board(conn, last, all_periods(last)[0], at))  # type: ignore[misc]
        standings = [rebuilt.standing(last, all_periods(last)[0], then, user) for user in users]
        assert [it.user_id for it in found] == [it.user_id for it in ranking.top(filter(None, standings), last.top)]
    monkeypatch.setattr(past, "CANDIDATES", 1)
    for rule in (last, RULES[BoardId("all-time")]):
        with pytest.raises(TooMuchToRead, match="asOf: "):
            in_transaction(engine, lambda conn, r=rule: past.board(conn, r, all_periods(r)[0], late))  # type: ignore[misc]


def test_courses_are_those_of_a_replay(engine: sa.Engine, rebuilt: Replay, users: list[UserId]) -> None:
    for rule in RULES.values():
        for period in all_periods(rule):
            starts = period.starts or MORNING - timedelta(hours=1)
            for first, hours, points in ((0, 24, 7), (3.5, 20.5, 50), (23, 60, 3), (6, 6.01, 2)):
                since, until = starts + timedelta(hours=first), starts + timedelta(hours=hours)
                moments = timeline.moments(since, until, points)
                found = in_transaction(
                    engine,
                    lambda conn, r=rule, p=period, m=moments: courses.read(conn, r, p, users, m, None),  # type: ignore[misc]
                )
                nothing = None if rule.valued and rule.by != "sum" else 0
                for it in found:
                    expected = [
                        standing.score if (standing := rebuilt.standing(rule, period, at, it.user_id)) else nothing
                        for at in moments
                    ]
                    assert it.scores == expected, (rule.id, period.id, first)
                assert [it.user_id for it in found] == users


def test_courses_end_at_the_standing_and_stop_at_their_bound(
    engine: sa.Engine, rebuilt: Replay, users: list[UserId], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES[BoardId("all-time")]
    whole = Period(rule.id, rule.id, None, None, None)
    moments = timeline.moments(MORNING, datetime.now(UTC), 10)
    found = in_transaction(engine, lambda conn: courses.read(conn, rule, whole, users, moments, None))
    with engine.connect() as conn:
        standings = conn.execute(
            sa.text("SELECT user_id::text, score FROM standings WHERE board_id = 'all-time'")
        ).all()
    now = {user_id: score for user_id, score in standings}
    assert {it.user_id: it.scores[-1] for it in found} == {user: now.get(user, 0) for user in users}
    monkeypatch.setattr(courses, "ACTIONS", 3)
    with pytest.raises(TooMuchToRead, match="from: a player has more than 3"):
        in_transaction(engine, lambda conn: courses.read(conn, rule, whole, users, moments, None))


def test_feed_is_what_counts_newest_first_whatever_the_pages(
    engine: sa.Engine, rebuilt: Replay, users: list[UserId]
) -> None:
    hidden = users[5]
    in_transaction(engine, lambda conn: correct.hide(conn, RULES, hidden, **OPERATOR))
    for rule in RULES.values():
        for period in all_periods(rule):
            expected = [
                action_id
                for action_id, it in sorted(rebuilt.done.items(), key=lambda it: (it[1].end_at, it[0]), reverse=True)
                if it.user_id != hidden
                and period.covers(it.end_at)
                and rule.counts(it.type, it.value, it.points) is not None
            ]
            for limit, look_at in ((7, 1000), (100, 13)):
                seen: list[ActionId] = []
                place: Place | None = None
                while True:
                    page, place = in_transaction(
                        engine,
                        lambda conn, r=rule, p=period, b=place, n=limit, m=look_at: feed.read(  # type: ignore[misc]
                            conn, r, p, before=b, limit=n, look_at=m
                        ),
                    )
                    assert len(page) <= limit
                    seen += [it.action_id for it in page]
                    if place is None:
                        break
                assert seen == expected, (rule.id, period.id)


def test_feed_ends_with_what_was_settled_by_a_moment(engine: sa.Engine, users: list[UserId]) -> None:
    rule = RULES[BoardId("all-time")]
    whole = Period(rule.id, rule.id, None, None, None)
    before, held = settled(engine, RULES, Done(users[0], MORNING), Done(users[0], MORNING))
    in_transaction(engine, lambda conn: correct.reverse(conn, RULES, held, **OPERATOR))
    with engine.connect() as conn:
        moment = conn.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    settled(engine, RULES, Done(users[0], MORNING - timedelta(hours=1)))
    in_transaction(engine, lambda conn: correct.release(conn, RULES, held, **OPERATOR))
    page, after = in_transaction(
        engine, lambda conn: feed.read(conn, rule, whole, before=None, until=moment, limit=10, look_at=10)
    )
    assert ([it.action_id for it in page], after) == ([before], None)
