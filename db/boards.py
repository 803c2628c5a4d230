"""SQL on `boards` and `top_scores`. The lock on a board's row orders all who write to that board, or that period."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId, UserId, id_after, new_id
from app.domain.messages import Row
from app.domain.periods import Period
from app.domain.ranking import Standing
from db.driver import fetch, send_with_next
from db.freezes import FROZEN
from db.order import PLACE
from db.prepared import prepared
from db.published import BoardNow
from db.shown import SHOWN

_EXISTING = prepared("existing_boards", "SELECT id FROM boards WHERE id = ANY(CAST(:ids AS text[]))")
_LATEST_EPOCH = sa.text("SELECT epoch::text FROM boards WHERE board = :board ORDER BY epoch DESC LIMIT 1")
_INSERT = sa.text("""
    INSERT INTO boards (id, epoch, starts_at, ends_at) VALUES (:id, :epoch, :starts, :ends) ON CONFLICT DO NOTHING
""")


def ensure(conn: sa.Connection, periods: Iterable[Period], known: Collection[BoardId] = ()) -> None:
    """Make the rows of those periods that have none; those in `known` have been seen by this transaction.

    A period's epoch is greater than those of the board's other periods, also if the clock of who made one was ahead.
    """
    wanted = {period.id: period for period in periods if period.id not in known}
    if not wanted:
        return
    existing = {board_id for (board_id,) in fetch(conn, _EXISTING, {"ids": list(wanted)})}
    for period in sorted(wanted.values()):
        if period.id not in existing:
            latest = conn.execute(_LATEST_EPOCH, {"board": period.board}).scalar()
            epoch = id_after(latest) if latest else new_id()
            conn.execute(_INSERT, {"id": period.id, "epoch": epoch, "starts": period.starts, "ends": period.ends})


_LOCK = prepared(
    "lock_boards",
    """
    SELECT 1 FROM boards WHERE id = ANY(CAST(:ids AS text[])) ORDER BY id COLLATE "C" FOR NO KEY UPDATE
""",
)

# Of the touched, those who are as good as the last of a full board. Each row is looked up by itself: the LIMITs keep a
# plan from reading all standings or users instead, as one would while they are few, and make planning cheap.
_PRESENT = prepared(
    "present_standings",
    f"""
    WITH top AS MATERIALIZED (
        SELECT * FROM top_scores WHERE board_id = ANY(CAST(:ids AS text[]))
    ), last AS MATERIALIZED (
        SELECT board_id, max(score) AS highest, min(score) AS lowest FROM top GROUP BY board_id
        HAVING count(*) >= CAST(CAST(:sizes AS jsonb) ->> board_id AS int)
    ), looked_at AS (
        SELECT board_id, user_id, updated_at, rank, username, score, display_name FROM top
        UNION ALL
        SELECT it.board_id, it.user_id, NULL, NULL, NULL, NULL, NULL
        FROM unnest(CAST(:touched_boards AS text[]), CAST(:touched AS uuid[])) AS it(board_id, user_id)
        WHERE NOT EXISTS (SELECT 1 FROM top WHERE top.board_id = it.board_id AND top.user_id = it.user_id)
    ), present AS MATERIALIZED (
        SELECT it.board_id, it.rank, it.user_id, coalesce(person.username, '') AS username,
            coalesce(own.score, 0) AS score, coalesce(own.reached_at, it.updated_at) AS reached_at,
            own.place IS NOT NULL AND person.shown AS shown, person.display_name,
            coalesce(own.lowest, false) AS lowest, coalesce(own.valued, false) AS valued,
            it.username AS row_username, it.score AS row_score, it.display_name AS row_display_name
        FROM looked_at AS it
        CROSS JOIN LATERAL (
            SELECT username, display_name, {SHOWN} AS shown FROM users WHERE id = it.user_id LIMIT 1
        ) AS person
        LEFT JOIN LATERAL (
            SELECT score, reached_at, lowest, valued, {PLACE.format(it="standings")} AS place FROM standings
            WHERE board_id = it.board_id AND user_id = it.user_id LIMIT 1
        ) AS own ON true
        WHERE it.rank IS NOT NULL OR own.place <= coalesce(
            (SELECT CASE WHEN own.lowest THEN highest ELSE -lowest END FROM last WHERE last.board_id = it.board_id),
            own.place
        )
    )
    SELECT boards.id, epoch::text, version, {FROZEN.format(it="boards")}, frozen_from IS NOT NULL, clock_timestamp(),
        rank, user_id::text, username, score, reached_at, shown, display_name, lowest, valued,
        row_username, row_score, row_display_name
    FROM boards LEFT JOIN present ON present.board_id = boards.id
    WHERE boards.id = ANY(CAST(:ids AS text[])) ORDER BY boards.id COLLATE "C"
""",
)


@dataclass(frozen=True, slots=True)
class Present:
    """A user's standing now, beside the row that the board has of it, if any."""

    standing: Standing
    row: Row | None


@dataclass(slots=True)
class Locked:
    """A board under lock: whether its rows are to stay as they are or will be, and who may be among them.

    `now` is PostgreSQL's clock, when it was read; None when nobody may be among them.
    """

    epoch: str
    version: int
    frozen: bool
    freezes: bool
    present: list[Present]
    now: datetime | None = None


def lock_and_read(
    conn: sa.Connection, rules: Mapping[BoardId, BoardRule], touched: Iterable[tuple[BoardId, UserId]]
) -> dict[BoardId, Locked]:
    """Lock boards' rows until the transaction ends, then read their versions and the standings that may be on them.

    These are the standings of those who are on a board, and of the touched users who are as good as the last of a full
    one. The read is a statement of its own in the same round trip; its snapshot begins when the locks are held.

    Args:
        rules: by the ids of the rows to lock, which are those of periods.
        touched: the boards' rows and the users of whom something has changed there.
    """
    pairs = list(touched)
    send_with_next(conn, _LOCK, {"ids": list(rules)})
    values = {
        "ids": list(rules),
        "sizes": msgspec.json.encode({board_id: rule.top for board_id, rule in rules.items()}).decode(),
        "touched_boards": [board_id for board_id, _ in pairs],
        "touched": [user_id for _, user_id in pairs],
    }
    found: dict[BoardId, Locked] = {}
    for board_id, epoch, version, frozen, freezes, now, rank, user_id, *rest in fetch(conn, _PRESENT, values):
        board = found.setdefault(board_id, Locked(epoch, version, frozen, freezes, []))
        if user_id is None:
            continue
        username, score, reached_at, active, display_name, lowest, valued, *shown = rest
        standing = Standing(user_id, username, score, reached_at, active, display_name, lowest, valued)
        row = _row(user_id, rank, *shown) if rank is not None else None
        board.present.append(Present(standing, row))
        board.now = board.now or now
    return found


def rows_of(top: Sequence[Standing]) -> list[Row]:
    """Return standings, the first place first, as the rows of a board."""
    return [_row(it.user_id, rank, it.username, it.score, it.display_name) for rank, it in enumerate(top, start=1)]


def _row(user_id: UserId, rank: int, username: str, score: int, display_name: str | None) -> Row:
    return Row(user_id, username, score, rank, msgspec.UNSET if display_name is None else display_name)


# A trigger on top_scores adds the display names; see db/board_tables.py. A user's first points on a board don't hold up
# who gives that user another one: what was told of this version would be wrong, and the next version follows at once.
_WRITE = prepared(
    "write_boards",
    """
    WITH changed AS (
        SELECT * FROM unnest(
            CAST(:ids AS text[]), CAST(:versions AS bigint[]), CAST(:sizes AS int[]), CAST(:moments AS timestamptz[])
        ) AS it(board_id, version, size, at)
    ), row AS (
        SELECT * FROM unnest(
            CAST(:row_boards AS text[]), CAST(:ranks AS int[]), CAST(:users AS uuid[]), CAST(:names AS text[]),
            CAST(:scores AS bigint[]), CAST(:display_names AS text[])
        ) AS it(board_id, rank, user_id, username, score, display_name)
    ), gone AS (
        DELETE FROM top_scores USING changed
        WHERE top_scores.board_id = changed.board_id AND top_scores.rank > changed.size
    ), written AS (
        INSERT INTO top_scores (board_id, rank, user_id, username, score, updated_at)
        SELECT row.board_id, row.rank, row.user_id, row.username, row.score, changed.at
        FROM row JOIN changed ON changed.board_id = row.board_id
        ON CONFLICT (board_id, rank) DO UPDATE SET
            user_id = excluded.user_id, username = excluded.username, score = excluded.score,
            updated_at = excluded.updated_at
        RETURNING board_id, rank, display_name
    ), renamed AS (
        SELECT row.board_id FROM row JOIN written ON written.board_id = row.board_id AND written.rank = row.rank
        WHERE written.display_name IS DISTINCT FROM row.display_name
    )
    UPDATE boards SET updated_at = changed.at, version = changed.version
        + CASE WHEN changed.board_id IN (SELECT board_id FROM renamed) THEN 1 ELSE 0 END
    FROM changed WHERE boards.id = changed.board_id
""",
)


@dataclass(frozen=True, slots=True)
class Change:
    """A locked board as it is to be, which of its rows are new or other than before, and whether it is to freeze."""

    board_id: BoardId
    board: BoardNow
    rows: list[Row]
    freezes: bool


def write_with_next(conn: sa.Connection, changes: Sequence[Change]) -> None:
    """Write locked boards' rows, and their new versions."""
    rows = [(change.board_id, row) for change in changes for row in change.rows]
    values = {
        "ids": [change.board_id for change in changes],
        "versions": [change.board.version for change in changes],
        "sizes": [len(change.board.rows) for change in changes],
        "moments": [change.board.updated_at for change in changes],
        "row_boards": [board_id for board_id, _ in rows],
        "ranks": [row.rank for _, row in rows],
        "users": [row.userId for _, row in rows],
        "names": [row.username for _, row in rows],
        "scores": [row.score for _, row in rows],
        "display_names": [None if row.displayName is msgspec.UNSET else row.displayName for _, row in rows],
    }
    send_with_next(conn, _WRITE, values)


_ROWS = sa.text('SELECT id FROM boards WHERE board = :board ORDER BY id COLLATE "C"')


def rows_of_board(conn: sa.Connection, board_id: BoardId) -> list[BoardId]:
    """Return the ids of a board's rows, one for each period."""
    return list(conn.execute(_ROWS, {"board": board_id}).scalars())


# What belongs to no period of the board any more is one without length: nothing counts on it.
_SET_BOUNDS = sa.text("""
    UPDATE boards SET starts_at = it.starts_at, ends_at = it.ends_at FROM unnest(
        CAST(:ids AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])
    ) AS it(id, starts_at, ends_at)
    WHERE boards.id = it.id AND (boards.starts_at, boards.ends_at) IS DISTINCT FROM (it.starts_at, it.ends_at)
""")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def set_bounds(conn: sa.Connection, bounds: Mapping[BoardId, Period | None]) -> None:
    """Set from when to when what ends counts on rows of boards; None: nothing does."""
    values = {
        "ids": list(bounds),
        "starts": [it.starts if it else _NEVER for it in bounds.values()],
        "ends": [it.ends if it else _NEVER for it in bounds.values()],
    }
    conn.execute(_SET_BOUNDS, values)


# Frozen rows may be of somebody who has no standing any more.
_OF_USER = sa.text("""
    SELECT id, board FROM boards WHERE id IN (
        SELECT board_id FROM standings WHERE user_id = :user UNION SELECT board_id FROM top_scores WHERE user_id = :user
    ) ORDER BY id COLLATE "C"
""")


def of_user(conn: sa.Connection, user_id: UserId) -> list[tuple[BoardId, BoardId]]:
    """Return the rows of boards, past periods included, that a user has a standing on or is shown on: id and board."""
    return [(row.id, row.board) for row in conn.execute(_OF_USER, {"user": user_id})]


_READ_FROZEN = sa.text(f"""
    SELECT boards.frozen_from, boards.revealed, boards.places,
        top.user_id::text, top.rank, top.username, top.score, top.display_name
    FROM boards LEFT JOIN top_scores AS top ON top.board_id = boards.id
    WHERE boards.id = :board AND {FROZEN.format(it="boards")} ORDER BY rank
""")


def read_frozen(conn: sa.Connection, board_id: BoardId) -> tuple[datetime, list[Row], int | None, int | None] | None:
    """Read since when a board is frozen, its rows, how many places are revealed and of how many; None if it isn't."""
    found = conn.execute(_READ_FROZEN, {"board": board_id}).all()
    if not found:
        return None
    since, revealed, places = found[0][:3]
    return since, [_row(*row[3:]) for row in found if row[3] is not None], revealed, places


_RENEW = sa.text("""
    UPDATE boards SET epoch = :new, version = version + 1, updated_at = clock_timestamp()
    WHERE id = :board AND epoch = :old
""")


def renew_epoch(conn: sa.Connection, board_id: BoardId, *, old: str, new: str) -> bool:
    """Begin a new epoch of a board; False when another process has done so already."""
    return conn.execute(_RENEW, {"board": board_id, "old": old, "new": new}).rowcount == 1
