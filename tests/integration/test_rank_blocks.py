"""Places are exact whatever changes at the same time: in every snapshot they are those of a plain sort."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from app.board import ranks as tending
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from app.domain.periods import Period
from db import boards, rank_blocks, ranks
from db.ranks import BEFORE_ALL
from tests.support.people import add_user

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SUM, LAPS = DEFAULT_BOARD, BoardId("laps")
BOARDS = (SUM, LAPS)
SMALL = 4
"""The size of a block, so that a few dozen players have many."""

RAISE = sa.text("""
    INSERT INTO standings AS standing (board_id, user_id, score, reached_at, lowest, valued, combine)
    SELECT board_id, user_id, score, reached_at, board_id = 'laps', board_id = 'laps', 'sum'
    FROM unnest(CAST(:boards AS text[])) AS board_id, unnest(
        CAST(:users AS uuid[]), CAST(:scores AS bigint[]), CAST(:moments AS timestamptz[])
    ) AS earned(user_id, score, reached_at)
    ORDER BY board_id COLLATE "C", user_id
    ON CONFLICT (board_id, user_id) DO UPDATE SET score = standing.score + excluded.score,
        reached_at = greatest(standing.reached_at, excluded.reached_at)
""")
_SORTED = sa.text("""
    SELECT user_id::text, score, reached_at, lowest FROM standings JOIN users ON users.id = user_id
    WHERE board_id = :board AND status = 'active' AND NOT users.hidden AND (score > 0 OR valued)
""")


def sorted_by_hand(conn: sa.Connection, board_id: BoardId) -> list[tuple[UserId, int]]:
    rows = conn.execute(_SORTED, {"board": board_id}).all()
    ordered = sorted((score if lowest else -score, at, user_id, score) for user_id, score, at, lowest in rows)
    return [(UserId(user_id), score) for _, _, user_id, score in ordered]


def compare(conn: sa.Connection, board_id: BoardId, users: Sequence[UserId], random: Random) -> int:
    """Hold every way to read a board in one snapshot against a sort; return how many places were compared.

    What is not known is fine; what is told must be right.
    """
    want = sorted_by_hand(conn, board_id)
    rows = [(user_id, score, rank) for rank, (user_id, score) in enumerate(want, start=1)]
    places = {user_id: rank for user_id, _, rank in rows}
    compared = 0
    some = random.sample(users, random.choice([1, 7, len(users)]))
    for (_, user_id), it in ranks.of(conn, [(board_id, some)]).items():
        assert it.of in (len(want), None)
        assert it.rank == places.get(user_id) or (it.rank is None and it.of is None), user_id
        compared += it.rank is not None
    with suppress(ranks.NotCounted):
        for user_id in random.sample([it for it, _ in want], min(3, len(want))):
            limit = random.randint(1, 9)
            near = [(it.user_id, it.score, it.rank) for it in ranks.around(conn, board_id, user_id, limit=limit)]
            first = max(0, min(places[user_id] - 1 - limit // 2, len(rows) - limit))
            assert near == rows[first : first + limit]
            compared += len(near)
    paged, after = [], BEFORE_ALL
    with suppress(ranks.NotCounted):
        while page := ranks.page(conn, board_id, after, limit=13):
            paged += [(it.user_id, it.score, it.rank) for it in page]
            after = page[-1].key
        assert len(paged) == len(rows)
    assert paged == rows[: len(paged)]
    return compared + len(paged)


def wrong(engine: sa.Engine) -> list[BoardId]:
    """Return the boards whose blocks are not what they should be."""
    with engine.connect() as conn:
        return [it for it in BOARDS if rank_blocks.broken(conn, it) or rank_blocks.wrong(conn, it)]


def tend(engine: sa.Engine, board_id: BoardId) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        while rank_blocks.tend(conn, board_id, most=7, smallest=SMALL):
            pass


class Play:
    """Writers of every kind, each change in a transaction of its own, some of which are rolled back."""

    def __init__(self, engine: sa.Engine, players: list[UserId], seed: int) -> None:
        self.engine, self.players, self.random = engine, players, Random(seed)
        self.done: Counter[str] = Counter()

    def some(self, *numbers: int) -> list[UserId]:
        return sorted(self.random.sample(self.players, self.random.choice(numbers)))

    def moment(self) -> datetime:
        return BEGAN + timedelta(seconds=self.random.randrange(4))

    def step(self) -> None:
        kinds: list[Callable[[sa.Connection], None]] = [self.rise, self.fall, self.hide, self.delete, self.tend]
        (kind,) = self.random.choices(kinds, [12, 3, 3, 1, 1])
        try:
            with self.engine.connect() as conn:
                kind(conn)
                if self.random.random() < 0.05:
                    conn.rollback()
                else:
                    conn.commit()
            self.done[kind.__name__] += 1
        except sa.exc.OperationalError:
            self.done["deadlock"] += 1

    def rise(self, conn: sa.Connection) -> None:
        users = self.some(1, 1, 3, 20)
        big = self.random.choice([1, 1, 2**53 // 64])
        values = {
            "boards": self.random.choice([BOARDS, BOARDS, BOARDS[:1], BOARDS[1:]]),
            "users": users,
            "scores": [self.random.randint(1, 3) * big for _ in users],
            "moments": [self.moment() for _ in users],
        }
        conn.execute(RAISE, {**values, "boards": list(values["boards"])})

    def fall(self, conn: sa.Connection) -> None:
        users, board_id = self.some(1, 5), self.random.choice(BOARDS)
        lock = "SELECT 1 FROM standings WHERE board_id = :board AND user_id = ANY(CAST(:users AS uuid[])) {}"
        conn.execute(sa.text(lock.format("ORDER BY user_id FOR UPDATE")), {"board": board_id, "users": users})
        change = sa.text("""
            UPDATE standings SET score = score / 2 - 1, reached_at = :at
            WHERE board_id = :board AND user_id = ANY(CAST(:users AS uuid[]))
        """)
        conn.execute(change, {"board": board_id, "users": users, "at": self.moment()})

    def hide(self, conn: sa.Connection) -> None:
        (user,) = self.some(1)
        field = self.random.choice(
            ["hidden = NOT hidden", "status = CASE status WHEN 'active' THEN 'suspended' ELSE 'active' END"]
        )
        conn.execute(sa.text("SELECT 1 FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": user})
        conn.execute(sa.text(f"UPDATE users SET {field} WHERE id = :id"), {"id": user})

    def delete(self, conn: sa.Connection) -> None:
        users, board_id = self.some(1, 12), self.random.choice(BOARDS)
        gone = sa.text("DELETE FROM standings WHERE board_id = :board AND user_id = ANY(CAST(:users AS uuid[]))")
        lock = sa.text("""
            SELECT 1 FROM standings WHERE board_id = :board AND user_id = ANY(CAST(:users AS uuid[]))
            ORDER BY user_id FOR UPDATE
        """)
        for statement in (lock, gone):
            conn.execute(statement, {"board": board_id, "users": users})

    def tend(self, conn: sa.Connection) -> None:
        board_id = self.random.choice(BOARDS)
        if self.random.random() < 0.1:
            rank_blocks.lock(conn, board_id)
            rank_blocks.forget(conn, board_id, [self.random.randint(1, 3)])
        rank_blocks.tend(conn, board_id, most=self.random.choice([3, 9, 100]), smallest=SMALL)


@pytest.fixture
def laps(engine: sa.Engine) -> sa.Engine:
    """A database with the board of all times, and one of values on which the lowest wins."""
    with engine.begin() as conn:
        boards.ensure(conn, [Period(LAPS, LAPS, None, None, None)])
    return engine


def test_places_are_exact_in_every_snapshot_beside_all_kinds_of_writers(laps: sa.Engine) -> None:
    players = [add_user(laps) for _ in range(70)]
    stop, compared = threading.Event(), Counter[str]()

    def write(seed: int) -> Counter[str]:
        play = Play(laps, players, seed)
        while not stop.is_set():
            play.step()
        return play.done

    def read(seed: int) -> None:
        random = Random(seed)
        with laps.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
            while not stop.is_set():
                board_id = random.choice(BOARDS)
                compared[board_id] += compare(conn, board_id, players, random)
                conn.rollback()

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, seed) for seed in range(5)]
        readers = [pool.submit(read, seed) for seed in range(2)]
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not (
            any(it.done() for it in writers) or any(it.done() for it in readers)
        ):
            time.sleep(0.02)
        stop.set()
        done = sum((it.result() for it in writers), Counter[str]())
        for reader in readers:
            reader.result()
    for board_id in BOARDS:
        tend(laps, board_id)
    assert wrong(laps) == []
    assert all(done[kind] for kind in ("rise", "fall", "hide", "delete", "tend"))
    # Only who hides a user at the very moment of the first points on a board may have to begin again.
    assert done["deadlock"] * 50 <= done["hide"]
    assert min(compared[board_id] for board_id in BOARDS) > 100


@pytest.fixture
def counted(laps: sa.Engine) -> list[UserId]:
    """Sixty players on both boards, whose blocks are small."""
    players = [add_user(laps) for _ in range(60)]
    values = {
        "boards": list(BOARDS),
        "users": players,
        "scores": [1 + number // 2 for number in range(60)],
        "moments": [BEGAN] * 60,
    }
    with laps.begin() as conn:
        conn.execute(RAISE, values)
        conn.execute(sa.text("UPDATE rank_counts SET untended = true"))
    for board_id in BOARDS:
        tend(laps, board_id)
    return players


def test_places_behind_a_block_that_is_not_counted_are_not_told(laps: sa.Engine, counted: list[UserId]) -> None:
    with laps.begin() as conn:
        rank_blocks.lock(conn, SUM)
        rank_blocks.forget(conn, SUM, [2])
        ordered = [user_id for user_id, _ in sorted_by_hand(conn, SUM)]
        (first,) = conn.execute(sa.text("SELECT counts[1] FROM rank_counts WHERE board_id = 'all-time'")).scalars()
    with laps.connect() as conn:
        found = ranks.of(conn, [(SUM, ordered)])
        assert [found[SUM, it].rank for it in ordered] == [*range(1, first + 1), *[None] * (60 - first)]
        with pytest.raises(ranks.NotCounted):
            ranks.around(conn, SUM, ordered[-1], limit=3)
    # What moves meanwhile is counted where it is known, and the rest is counted once it is tended.
    with laps.begin() as conn:
        conn.execute(sa.text("UPDATE standings SET score = score + 7 WHERE board_id = 'all-time'"))
    tend(laps, SUM)
    assert wrong(laps) == []
    with laps.connect() as conn:
        assert {it.of for it in ranks.of(conn, [(SUM, ordered)]).values()} == {60}
        compare(conn, SUM, counted, Random(1))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rank_counts SET counts[3] = counts[3] + 1, sums[1] = sums[1] + 1",
        "UPDATE rank_counts SET sums[1] = sums[1] - 1",
        "UPDATE rank_counts SET counts = counts || 0",
        "UPDATE rank_bounds SET block = 5 - block WHERE block IN (2, 3)",
        "DELETE FROM rank_bounds WHERE block = 1",
        "DELETE FROM rank_bounds",
        "DELETE FROM rank_counts",
    ],
)
def test_damaged_blocks_are_found_and_mended(laps: sa.Engine, counted: list[UserId], damage: str) -> None:
    random = Random(1)
    with laps.begin() as conn:
        assert conn.execute(sa.text("SELECT min(cardinality(counts)) FROM rank_counts")).scalar_one() > 8
        conn.execute(sa.text(f"{damage} {'AND' if 'WHERE' in damage else 'WHERE'} board_id = 'all-time'"))
    assert wrong(laps) == [SUM]
    with laps.connect() as conn:
        assert tending.wrong(conn, SUM) > 0
        assert tending.wrong(conn, LAPS) == 0
    assert tending.mend(laps, BOARDS) > 0
    assert tending.mend(laps, BOARDS) == 0
    with laps.connect() as conn:
        for board_id in BOARDS:
            compare(conn, board_id, counted, random)


def test_standing_without_a_block_to_count_it_in_is_refused(laps: sa.Engine, counted: list[UserId]) -> None:
    with laps.begin() as conn:
        conn.execute(sa.text("DELETE FROM rank_bounds WHERE board_id = 'laps'"))
    with pytest.raises(sa.exc.InternalError, match="no block in which to count it"), laps.begin() as conn:
        conn.execute(sa.text("UPDATE standings SET score = score + 1"))
    with laps.connect() as conn, pytest.raises(ranks.NotCounted):
        ranks.page(conn, LAPS, BEFORE_ALL, limit=5)


def test_truncated_standings_leave_nobody_counted(laps: sa.Engine, counted: list[UserId]) -> None:
    with laps.begin() as conn:
        conn.execute(sa.text("TRUNCATE standings"))
    assert wrong(laps) == []
    with laps.connect() as conn:
        (found,) = ranks.of(conn, [(SUM, counted[:1])]).values()
    assert (found.rank, found.of) == (None, 0)


def test_blocks_that_are_left_nearly_empty_are_joined(laps: sa.Engine, counted: list[UserId]) -> None:
    with laps.begin() as conn:
        conn.execute(sa.text("DELETE FROM standings WHERE score > 2"))
        conn.execute(sa.text("UPDATE rank_counts SET untended = true"))
        conn.execute(
            sa.text("""
                UPDATE rank_counts SET counts = counts || array_fill(0, ARRAY[40]),
                    sums = rank_sums(counts || array_fill(0, ARRAY[40]))
                WHERE board_id = 'all-time'
            """)
        )
        conn.execute(
            sa.text("""
                INSERT INTO rank_bounds
                SELECT 'all-time', 1000 + n, now(), gen_random_uuid(), cardinality(counts) - 40 + n
                FROM rank_counts, generate_series(1, 40) AS n WHERE board_id = 'all-time'
            """)
        )
    tend(laps, SUM)
    assert wrong(laps) == []
    with laps.connect() as conn:
        assert conn.execute(sa.text("SELECT cardinality(counts) FROM rank_counts")).scalars().all()[0] < 20
        compare(conn, SUM, counted, Random(1))
