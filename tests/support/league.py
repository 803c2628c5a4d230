"""A machine that changes boards at random, and after every step compares all that they answer with a plain sort.

That is: standings, the rows that a board shows, ranks, pages, what is around a user, and the past.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TypeVar

import sqlalchemy as sa

from app.board import audit, correct, courses, erase, past, rebuild, rename, settle
from app.domain import periods
from app.domain.board_rules import BoardRule
from app.domain.ids import ActionId, BoardId, UserId
from db import clock, rank_blocks, ranks, record, standings
from db.transaction import in_transaction
from tests.support import done, plain_boards
from tests.support.board import VETTING
from tests.support.corrections import OPERATOR
from tests.support.done import Done
from tests.support.people import add_user
from tests.support.plain_boards import RULES, Person, Score, listed

JOURNEY = [
    # Summer time begins in Berlin, and the seasons; a week, a month; it ends in Santiago and Lord Howe, and a season.
    ("2026-03-28T20:00", 48),
    ("2026-03-31T20:00", 8),
    ("2026-04-04T11:00", 56),
    # It begins again where it had ended, and ends in Berlin, with the other season.
    ("2026-09-05T22:00", 40),
    ("2026-10-03T10:00", 30),
    ("2026-10-24T20:00", 40),
    # The last week of a year, which is the first of the next one or its fifty-third.
    ("2026-12-31T20:00", 90),
]
"""When the machine's clock runs, and for how many hours at a time."""

T = TypeVar("T")
AGES_AGO, IN_AGES = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


class League:
    """The machine: `step` changes something, `check` compares everything."""

    def __init__(self, engine: sa.Engine, seed: int, players: int = 7) -> None:
        self.engine = engine
        self.random = Random(seed)
        self.people = [Person(add_user(engine)) for _ in range(players)]
        self.done: dict[ActionId, Done] = {}
        self.settlement: dict[ActionId, str] = {}
        starts, hours = self.random.choice(JOURNEY)
        self.now = datetime.fromisoformat(starts).replace(tzinfo=UTC)
        self.until = self.now + timedelta(hours=hours)
        self.log: list[str] = []

    def run(self, steps: int) -> None:
        """Make so many steps and compare everything after each; at the end rebuild and audit every board."""
        try:
            for _ in range(steps):
                self.step()
                self.check()
            for board_id in RULES:
                changed = self._run(lambda conn, it=board_id: rebuild.rebuild(conn, RULES, it))  # type: ignore[misc]
                assert changed == ([], {}), board_id
            self.check()
            checks = self._run(lambda conn: audit.audit(conn, RULES))
            assert {check.name: check.violations for check in checks if check.violations} == {}
        except AssertionError:
            print(*self.log, sep="\n")
            raise

    def step(self) -> None:
        """Let some time pass, and do something."""
        self.now += timedelta(minutes=self.random.choice([0, 1, 30, 30, 60, 300]))
        if self.now > self.until:
            starts, hours = self.random.choice(JOURNEY)
            self.now = datetime.fromisoformat(starts).replace(tzinfo=UTC)
            self.until = self.now + timedelta(hours=hours)
        steps: dict[Callable[[], None], int] = {
            self.complete: 10,
            self.hold: 2,
            partial(self.correct, correct.release, "cleared", ("held", "reversed")): 3,
            partial(self.correct, correct.reverse, "reversed", ("cleared", "held")): 5,
            self.adjust: 3,
            self.rename: 1,
            self.hide_or_show: 2,
            self.suspend_or_reinstate: 2,
            self.erase: 1,
            self.rebuild: 1,
            self.tend: 1,
        }
        (chosen,) = self.random.choices(list(steps), list(steps.values()))
        name = chosen.args[0].__name__ if isinstance(chosen, partial) else chosen.__name__
        self.log.append(f"{self.now:%m-%d %H:%M} {name}")
        chosen()

    def complete(self) -> None:
        """Settle a batch of actions that ended within the last hour; some at the same moment, with the same score."""
        ids = self._insert(self.random.randint(1, 6))
        self._run(lambda conn: settle.settle(conn, RULES, ids, VETTING))
        self.settlement |= dict.fromkeys(ids, "cleared")

    def hold(self) -> None:
        (action_id,) = self._insert(1)
        self._run(lambda conn: settle.set_aside(conn, RULES, action_id))
        self.settlement[action_id] = "held"

    def correct(self, change: Callable[..., object], becomes: str, allowed: tuple[str, ...]) -> None:
        """Release or reverse an action that is in a state in which that is allowed."""
        able = sorted(it for it, settlement in self.settlement.items() if settlement in allowed)
        if not able:
            return
        action_id = self.random.choice(able)
        person = self._person(self.done[action_id].user_id)
        points, was = self.done[action_id].points, self.settlement[action_id]
        change_of_total = -points if becomes == "reversed" else points if was == "reversed" else 0
        fine = person.total + change_of_total >= 0
        try:
            self._run(lambda conn: change(conn, RULES, action_id, **OPERATOR))
        except correct.BelowZero:
            assert not fine
        else:
            assert fine
            self.settlement[action_id] = becomes
            person.total += change_of_total

    def adjust(self) -> None:
        person = self.random.choice(self.people)
        points = self.random.choice([-60, -10, 5, 10, 40])
        if person.status == "erased" or person.total + points < 0:
            return
        self._run(lambda conn: correct.adjust(conn, RULES, person.user_id, points, **OPERATOR))
        with self.engine.connect() as conn:
            at = conn.execute(sa.text("SELECT max(at) FROM audit_events WHERE kind = 'adjusted'")).scalar_one()
        person.adjusted.append((points, at))
        person.total += points

    def rename(self) -> None:
        person, name = self.random.choice(self.people), f"Ada {self.random.randint(0, 3)}"
        if person.status != "erased":
            self._run(lambda conn: rename.rename(conn, RULES, person.user_id, display_name=name, **OPERATOR))

    def hide_or_show(self) -> None:
        person = self.random.choice(self.people)
        if person.status != "erased":
            change = correct.show if person.hidden else correct.hide
            self._run(lambda conn: change(conn, RULES, person.user_id, **OPERATOR))
            person.hidden = not person.hidden

    def suspend_or_reinstate(self) -> None:
        person = self.random.choice(self.people)
        if person.status != "erased":
            change = correct.suspend if person.status == "active" else correct.reinstate
            self._run(lambda conn: change(conn, RULES, person.user_id, **OPERATOR))
            person.status = "suspended" if person.status == "active" else "active"

    def erase(self) -> None:
        """Erase somebody, and let somebody new come."""
        person = self.random.choice(self.people)
        if person.status != "erased":
            self._run(lambda conn: erase.erase(conn, RULES, person.user_id, actor="shell", reason="a test"))
            person.status = "erased"
            self.people.append(Person(add_user(self.engine)))

    def rebuild(self) -> None:
        """Rebuild a board, which changes nothing."""
        board_id = self.random.choice(list(RULES))
        assert self._run(lambda conn: rebuild.rebuild(conn, RULES, board_id)) == ([], {})

    def tend(self) -> None:
        """Split and join the blocks by which ranks are counted."""
        with self.engine.connect() as conn:
            rows = sorted(conn.execute(sa.text("SELECT id FROM boards")).scalars())
        row = BoardId(self.random.choice(rows))
        self._run(lambda conn: rank_blocks.tend(conn, row, most=100, smallest=2))

    def check(self) -> None:
        """Compare everything with a plain sort."""
        cleared = [it for action_id, it in self.done.items() if self.settlement[action_id] == "cleared"]
        expected = plain_boards.standings(self.people, cleared)
        with self.engine.connect() as conn:
            found: dict[str, dict[UserId, Score]] = defaultdict(dict)
            for row, user_id, score, reached_at in conn.execute(
                sa.text("SELECT board_id, user_id::text, score, reached_at FROM standings")
            ):
                found[row][UserId(user_id)] = (score, reached_at)
            assert found == expected
            rows = {row: rule for row, rule in self._rows(conn) if row in expected or self.random.random() < 0.2}
            for row, rule in sorted(rows.items()):
                self._compare(conn, row, rule, listed(rule, self.people, expected[row]), expected[row])
            earlier = self.now - timedelta(minutes=self.random.choice([0, 15, 60, 1000]))
            then = plain_boards.standings(self.people, cleared, until=earlier)
            for row, rule in self.random.sample(sorted(rows.items()), min(3, len(rows))):
                self._compare_past(conn, row, rule, earlier, then[row], expected[row])

    def _compare(
        self,
        conn: sa.Connection,
        row: BoardId,
        rule: BoardRule,
        order: list[tuple[UserId, int]],
        everybody: dict[UserId, Score],
    ) -> None:
        """Compare one row of `boards` with the users that it must list, the first place first."""
        shown = conn.execute(
            sa.text("SELECT user_id::text, score, rank FROM top_scores WHERE board_id = :id ORDER BY rank"), {"id": row}
        ).all()
        places = [(user_id, score, rank) for rank, (user_id, score) in enumerate(order, start=1)]
        assert [tuple(it) for it in shown] == places[: rule.top], row
        # Paging, by pages of any length, one past the end among them.
        limit, after, paged = self.random.randint(1, 4), ranks.BEFORE_ALL, []
        while page := ranks.page(conn, row, after, limit=limit):
            paged += page
            after = page[-1].key
        assert [(it.user_id, it.score, it.rank) for it in paged] == places, row
        # The rank of everybody, also of those who have none.
        ids = [it.user_id for it in self.people]
        found = ranks.of(conn, [(row, ids)])
        for person in self.people:
            if person.status == "erased":
                assert (row, person.user_id) not in found
                continue
            it = found[row, person.user_id]
            rank = next((rank for user_id, _, rank in places if user_id == person.user_id), None)
            score = everybody.get(person.user_id, (None,))[0]
            assert (it.score, it.rank, it.of) == (score, rank, len(places)), row
        own = {it.user_id: (it.score, it.rank) for it in standings.own(conn, row, ids)}
        assert {user_id: rank for user_id, (_, rank) in own.items() if rank} == {it[0]: it[2] for it in places}
        # As many around a user as there are, in the middle where that can be.
        for user_id, _, rank in places[:1] + places[-1:] + places[len(places) // 2 : len(places) // 2 + 1]:
            limit = self.random.randint(1, 5)
            around = [(it.user_id, it.score, it.rank) for it in ranks.around(conn, row, user_id, limit=limit)]
            first = max(0, min(rank - 1 - limit // 2, len(places) - limit))
            assert around == places[first : first + limit], row

    def _compare_past(
        self,
        conn: sa.Connection,
        row: BoardId,
        rule: BoardRule,
        earlier: datetime,
        then: dict[UserId, Score],
        now: dict[UserId, Score],
    ) -> None:
        """Compare what is told of the past of one row: the record's last version, a corrected board, and the lines."""
        label = row.partition(":")[2]
        period = periods.named(rule, label) if label else periods.only(rule)
        assert period is not None
        # Names are the present ones on both; a trigger writes the record.
        query = sa.text("SELECT user_id::text, score, rank FROM top_scores WHERE board_id = :id ORDER BY rank")
        shown = [tuple(it) for it in conn.execute(query, {"id": row})]
        stood = record.stood(conn, row, clock.now(conn))
        assert [(it.userId, it.score, it.rank) for it in stood.rows] == shown, row
        corrected = past.board(conn, rule, period, earlier)
        assert [(it.user_id, it.score) for it in corrected] == listed(rule, self.people, then)[: rule.top], row
        # The last point of a line is the present score, and the one before it what had ended by then.
        users = sorted(it.user_id for it in self.people if it.shown)
        none = None if rule.of == "value" and rule.by != "sum" else 0
        lines = courses.read(conn, rule, period, users, [AGES_AGO, earlier, IN_AGES], None)
        assert {it.user_id: it.scores for it in lines} == {
            it: [none, then.get(it, (none,))[0], now.get(it, (none,))[0]] for it in users
        }, row

    def _rows(self, conn: sa.Connection) -> list[tuple[BoardId, BoardRule]]:
        return [(BoardId(row), RULES[board]) for row, board in conn.execute(sa.text("SELECT id, board FROM boards"))]

    def _insert(self, number: int) -> list[ActionId]:
        new = []
        for _ in range(number):
            person = self.random.choice([it for it in self.people if it.status == "active"] or [None])
            if person is None:
                break
            end_at = self.now - timedelta(minutes=self.random.choice([0, 0, 10, 20, 30, 59]))
            type_ = self.random.choice(["default", "quest", "lap", "lap"])
            points = {"default": 10, "quest": 50, "lap": self.random.choice([0, 5])}[type_]
            value = self.random.choice([-3, 0, 2, 2, 7]) if type_ == "lap" else None
            new.append(Done(person.user_id, end_at, type_, points, value))
            person.total += points
        ids = done.insert(self.engine, *new)
        self.done |= dict(zip(ids, new, strict=True))
        return ids

    def _person(self, user_id: UserId) -> Person:
        return next(it for it in self.people if it.user_id == user_id)

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        return in_transaction(self.engine, work)
