"""SQL on the operators' table of players: whom a page has, what it shows of each, and how many there are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.domain.ids import BoardId, UserId
from db.held import HELD_USERS
from db.order import KEY, LISTED
from db.ranks import Key

LOOKED_AT = 10_000
"""Newest users among which one page is looked for where no index has just those that are wanted."""
MOST = 1000
"""Up to which users are counted."""

_NEWEST = f"""
    SELECT * FROM users WHERE CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)
    ORDER BY id DESC LIMIT {LOOKED_AT}
"""
# A subselect, not NOT EXISTS: for that one PostgreSQL may rather read all actions.
_NO_ACTIONS = """(
    (SELECT id FROM actions WHERE user_id = users.id LIMIT 1) IS NULL
    AND (SELECT user_id FROM archived_scores WHERE user_id = users.id LIMIT 1) IS NULL
)"""
_NEVER = f"role = 'player' AND status <> 'erased' AND {_NO_ACTIONS}"
_BEFORE = "(CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid))"
_BY_ID = {
    "newest": f"SELECT id FROM ({_NEWEST}) AS users WHERE status <> 'erased' ORDER BY id DESC LIMIT :limit",
    "never": f"SELECT id FROM ({_NEWEST}) AS users WHERE {_NEVER} ORDER BY id DESC LIMIT :limit",
    "suspended": f"SELECT id FROM users WHERE status = 'suspended' AND {_BEFORE} ORDER BY users.id DESC LIMIT :limit",
    "hidden": f"""
        SELECT id FROM users WHERE hidden AND status <> 'erased' AND {_BEFORE} ORDER BY users.id DESC LIMIT :limit
    """,
    "held": HELD_USERS,
}
_PAGES = {name: sa.text(f"SELECT CAST(page AS text) FROM ({it}) AS it(page)") for name, it in _BY_ID.items()}
_BY_NAME = sa.text("""
    SELECT id::text, username_key FROM users WHERE username_key IS NOT NULL AND username_key ~>~ :after
    ORDER BY username_key USING ~<~ LIMIT :limit
""")
_KEY = KEY.format(it="standings")
_BY_POINTS = sa.text(f"""
    SELECT user_id::text, CASE WHEN lowest THEN score ELSE -score END, reached_at FROM standings
    WHERE board_id = :board AND {LISTED.format(it="standings")}
        AND ({_KEY}) > (:place, :reached_at, CAST(:user AS uuid))
    ORDER BY {_KEY} LIMIT :limit
""")
_WITHOUT_PLACE = sa.text(f"""
    SELECT id::text FROM ({_NEWEST}) AS users WHERE status <> 'erased' AND (
        SELECT user_id FROM standings
        WHERE board_id = :board AND user_id = users.id AND {LISTED.format(it="standings")} LIMIT 1
    ) IS NULL
    ORDER BY users.id DESC LIMIT :limit
""")


def by_id(conn: sa.Connection, which: str, *, before: str | None, limit: int) -> list[UserId]:
    """Read the newest users of a kind: `newest`, `never`, `suspended`, `hidden` or `held`."""
    return list(conn.execute(_PAGES[which], {"before": before, "limit": limit}).scalars())


def by_name(conn: sa.Connection, *, after: str, limit: int) -> Sequence[sa.Row[Any]]:
    """Read the users whose names come after another, each with that name in lower case."""
    return conn.execute(_BY_NAME, {"after": after, "limit": limit}).all()


def by_points(conn: sa.Connection, board: BoardId, after: Key, *, limit: int) -> list[Key]:
    """Read the standings of a board that come after another, as keys of its order."""
    values = {"board": board, "place": after.place, "reached_at": after.reached_at, "user": after.user_id}
    rows = conn.execute(_BY_POINTS, {**values, "limit": limit})
    return [Key(place, reached_at, UserId(user_id)) for user_id, place, reached_at in rows]


def without_place(conn: sa.Connection, board: BoardId, *, before: str | None, limit: int) -> list[UserId]:
    """Read the newest users who have no place on a board."""
    return list(conn.execute(_WITHOUT_PLACE, {"board": board, "before": before, "limit": limit}).scalars())


_ROWS = sa.text(f"""
    SELECT users.id::text, username, display_name, email, role, users.status, hidden, total_score, created_at,
        (
            SELECT count(*) FROM (
                SELECT FROM actions WHERE user_id = users.id AND settlement = 'held' LIMIT 100
            ) AS held
        ) AS held,
        greatest(
            (SELECT max(end_at) FROM actions WHERE user_id = users.id AND end_at IS NOT NULL),
            (SELECT start_at FROM actions WHERE user_id = users.id AND status = 'started' ORDER BY id DESC LIMIT 1),
            (SELECT max(at) FROM archived_scores WHERE user_id = users.id AND board = '')
        ) AS last_seen_at,
        {_NO_ACTIONS} AS never
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS these(id, n) JOIN users ON users.id = these.id
    ORDER BY these.n
""")


def rows(conn: sa.Connection, ids: Sequence[UserId]) -> Sequence[sa.Row[Any]]:
    """Read what the table shows of users, in the order of the ids."""
    return conn.execute(_ROWS, {"ids": list(ids)}).all()


class Counts(NamedTuple):
    """Users of each kind, up to `MOST`; those who never came among the newest `LOOKED_AT` alone."""

    all: int
    held: int
    suspended: int
    hidden: int
    never: int


_COUNTS = sa.text(
    "SELECT " + ", ".join(f"(SELECT count(*) FROM ({_BY_ID[name]}) AS it)" for name in ("newest", *Counts._fields[1:]))
)


def counts(conn: sa.Connection) -> Counts:
    """Count the users of each kind."""
    return Counts(*conn.execute(_COUNTS, {"before": None, "limit": MOST}).one())
