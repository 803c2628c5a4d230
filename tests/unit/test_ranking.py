"""Who stands where, and that the incremental ten are those of a full sort."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from app.domain.ids import UserId
from app.domain.ranking import TOP, Standing, merge, order, top

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def standing(name: str, score: int, minute: int = 0, *, active: bool = True) -> Standing:
    return Standing(UserId(name), name.upper(), score, BEGAN + timedelta(minutes=minute), active)


def names(standings: Iterable[Standing] | None) -> str | None:
    return None if standings is None else "".join(standing.user_id for standing in standings)


FULL = [standing(name, 100 - 10 * place) for place, name in enumerate("abcdefghij")]  # 100, 90 ... 10


@pytest.mark.parametrize(
    ("standings", "shown"),
    [
        ([], ""),
        ([standing("a", 0)], ""),
        ([standing("a", 5, active=False)], ""),
        ([standing("a", 5), standing("b", 7)], "ba"),
        ([standing("a", 5, 2), standing("b", 5, 1)], "ba"),  # a tie: who reached it first
        ([standing("b", 5, 1), standing("a", 5, 1)], "ab"),  # at the same time: by user id
        ([standing("a", 5, 1), standing("b", 6, 9)], "ba"),  # the score comes before the time
        ([*FULL, standing("k", 9)], "abcdefghij"),
        ([*FULL, standing("k", 11)], "abcdefghik"),
        ([*FULL, standing("k", 10, -1)], "abcdefghik"),
        ([*FULL, standing("k", 10)], "abcdefghij"),
        ([*FULL, standing("k", 1000, active=False)], "abcdefghij"),
    ],
)
def test_ten_are_sorted_by_score_then_time_then_user(standings: list[Standing], shown: str) -> None:
    assert names(top(standings)) == shown
    assert names(top(reversed(standings))) == shown


@pytest.mark.parametrize(
    ("present", "touched", "shown"),
    [
        ([], [], ""),
        ([], [standing("a", 1)], "a"),
        ([], [standing("a", 0)], ""),
        (FULL[:3], [standing("a", 0)], "bc"),  # with fewer than ten, nobody waits outside
        (FULL[:3], [standing("b", 1, active=False)], "ac"),
        (FULL[:3], [standing("a", 85)], "bac"),
        (FULL[:9], [standing("a", 0), standing("k", 5)], "bcdefghik"),
        (FULL, [], "abcdefghij"),
        (FULL, FULL, "abcdefghij"),  # touched, but as they were
        (FULL, [standing("j", 25)], "abcdefghji"),
        (FULL, [standing("k", 5)], "abcdefghij"),
        (FULL, [standing("k", 15)], "abcdefghik"),
        (FULL, [standing("k", 999), standing("l", 998)], "klabcdefgh"),
        (FULL, [standing("k", 0)], "abcdefghij"),
        (FULL, [standing("k", 999, active=False)], "abcdefghij"),
        (FULL, [standing("j", 10, 1)], None),  # the same score, but later: a standing outside may be before
        (FULL, [standing("j", 9)], None),
        (FULL, [standing("a", 95)], None),  # still the first of these ten, but that takes a look at the others
        (FULL, [standing("a", 100, active=False)], None),
        (FULL, [standing("a", 0)], None),
        (FULL, [standing("k", 500), standing("e", 0)], None),
    ],
)
def test_ten_take_in_what_changed(present: list[Standing], touched: list[Standing], shown: str | None) -> None:
    assert names(merge(present, touched)) == shown


def test_new_name_is_shown() -> None:
    renamed = replace(FULL[0], username="new")
    assert merge(FULL, [renamed]) == [renamed, *FULL[1:]]


# Few scores and few moments, so that ties are the rule.
USERS = st.integers(0, 15).map(lambda number: UserId(f"{number:02}"))
MOMENTS = st.integers(0, 3).map(lambda minute: BEGAN + timedelta(minutes=minute))
ACTIVE = st.sampled_from([True, True, True, True, False])


def standings_of(least: int) -> st.SearchStrategy[dict[UserId, Standing]]:
    return st.lists(st.tuples(st.integers(0, 5), MOMENTS, ACTIVE), min_size=least, max_size=16).map(
        lambda drawn: {
            UserId(f"{number:02}"): Standing(UserId(f"{number:02}"), f"{number:02}", score, reached_at, active)
            for number, (score, reached_at, active) in enumerate(drawn)
        }
    )


STANDINGS = standings_of(0) | standings_of(12)
RISE = st.tuples(st.just("rise"), USERS, st.integers(1, 3), MOMENTS)
FALL = st.tuples(st.just("fall"), USERS, st.integers(1, 4), MOMENTS)
SUSPEND = st.tuples(st.just("suspend"), USERS, st.just(0), MOMENTS)
REINSTATE = st.tuples(st.just("reinstate"), USERS, st.just(0), MOMENTS)
TRANSACTIONS = st.lists(st.lists(st.one_of(RISE, RISE, FALL, SUSPEND, REINSTATE), min_size=1, max_size=4), max_size=25)


def change(before: Standing, what: str, points: int, at: datetime) -> Standing:
    match what:
        case "rise":
            return replace(before, score=before.score + points, reached_at=max(before.reached_at, at))
        case "fall":  # the time is recomputed: it may be any
            return replace(before, score=max(0, before.score - points), reached_at=at)
        case "suspend":
            return replace(before, active=False)
        case _:
            return replace(before, active=True)


@settings(max_examples=200)
@given(standings=STANDINGS, transactions=TRANSACTIONS)
def test_incremental_ten_equal_a_full_sort_after_every_step(
    standings: dict[UserId, Standing], transactions: list[list[tuple[str, UserId, int, datetime]]]
) -> None:
    ten = top(standings.values())
    for transaction in transactions:
        was = dict(standings)
        for what, user, points, at in transaction:
            before = standings.get(user, Standing(user, user, 0, at))
            standings[user] = change(before, what, points, at)
        touched = [standings[user] for _, user, _, _ in transaction]
        merged = merge(ten, touched)
        truth = top(standings.values())
        if merged is None:
            left = [it for it in ten if order(standings[it.user_id]) > order(was[it.user_id])]
            gone = [it for it in ten if not standings[it.user_id].shown]
            assert len(ten) == TOP, "with fewer than ten, nobody waits outside"
            assert left or gone, "nobody of the ten fell or left"
            event("read anew")
        else:
            assert merged == truth
            event("merged")
        ten = truth


@given(standings=STANDINGS, rises=st.lists(RISE, max_size=30))
def test_rises_never_need_a_look_at_the_others(
    standings: dict[UserId, Standing], rises: list[tuple[str, UserId, int, datetime]]
) -> None:
    ten = top(standings.values())
    for what, user, points, at in rises:
        standings[user] = change(standings.get(user, Standing(user, user, 0, at)), what, points, at)
        merged = merge(ten, [standings[user]])
        assert merged == top(standings.values())
        ten = merged
