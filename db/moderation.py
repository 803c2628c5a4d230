"""SQL that operators read: actions by settlement with their verdicts, users by name, counters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.domain.ids import ActionId, BoardId, UserId, is_id
from db.actions import PAGE_BYTES, page_of
from db.outbox import LONGEST_WAITING, SETTLE_LAG, UNSETTLED_COUNT

LOOKED_AT = 10_000
"""Newest actions among which one page of cleared ones is looked for: any number of open ones may be newer."""

_BEFORE = "(CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid))"
_ACTIONS = f"""
    SELECT actions.id::text, user_id::text, type, actions.status, start_at, end_at, score, metadata::text, settlement,
        value, users.username, verdict.reason, verdict.details, users.display_name
    FROM (
        SELECT * FROM {{source}} WHERE settlement = :settlement AND {_BEFORE} ORDER BY id DESC LIMIT :limit + 1
    ) AS actions
    JOIN users ON users.id = actions.user_id
    LEFT JOIN LATERAL (
        SELECT reason, details FROM audit_events
        WHERE audit_events.action_id = actions.id AND kind = 'held' ORDER BY id DESC LIMIT 1
    ) AS verdict ON true
"""
_NEWEST = f"SELECT * FROM actions WHERE {_BEFORE} ORDER BY id DESC LIMIT :looked_at"
_PAGE_OF_ACTIONS = page_of(sa.text(_ACTIONS.format(source="actions")))
_PAGE_OF_CLEARED = page_of(sa.text(_ACTIONS.format(source=f"({_NEWEST}) AS newest")))
# The outbox has no order of ids. It is short, but for a backlog; of one, what has waited longest is shown.
_PAGE_OF_PENDING = page_of(sa.text(_ACTIONS.format(source=f"({LONGEST_WAITING}) AS waiting")))
_PAGES = {"pending": _PAGE_OF_PENDING, "cleared": _PAGE_OF_CLEARED}
_LAST_LOOKED_AT = sa.text(
    f"SELECT id::text FROM actions WHERE {_BEFORE} ORDER BY actions.id DESC LIMIT 1 OFFSET CAST(:looked_at AS int) - 1"
)


def actions_by_settlement(
    conn: sa.Connection, settlement: str, *, before: ActionId | None, limit: int
) -> tuple[Sequence[sa.Row[Any]], ActionId | None]:
    """Read the newest actions in a state, with username and newest verdict.

    Returns:
        `limit` rows at most, fewer where their metadata would exceed `PAGE_BYTES`, or where few of the newest are
        cleared; and, if there may be more, the `before` of the next page.
    """
    values = {"settlement": settlement, "before": before, "limit": limit, "bytes": PAGE_BYTES, "looked_at": LOOKED_AT}
    rows = conn.execute(_PAGES.get(settlement, _PAGE_OF_ACTIONS), values).all()
    shown = rows[:limit]
    if shown and rows[0].found > len(shown):
        return shown, shown[-1].id
    return shown, conn.execute(_LAST_LOOKED_AT, values).scalar() if settlement == "cleared" else None


_USER_COLUMNS = "id::text, username, display_name, email, role, status, hidden, total_score, created_at"
# Each by an index that gives its rows in order, so that no more are read than are asked for.
_USERS = sa.text(f"""
    SELECT {_USER_COLUMNS} FROM (
        (SELECT * FROM users WHERE username_key LIKE :pattern ORDER BY username_key USING ~<~ LIMIT :limit)
        UNION
        (SELECT * FROM users WHERE :query <> '' AND email LIKE :pattern ORDER BY email USING ~<~ LIMIT :limit)
        UNION
        (
            SELECT * FROM users
            WHERE :query <> '' AND display_name IS NOT NULL AND lower(display_name) LIKE lower(:pattern)
            ORDER BY lower(display_name) USING ~<~ LIMIT :limit
        )
        UNION
        (SELECT * FROM users WHERE id = CAST(:id AS uuid))
        UNION
        (SELECT * FROM users WHERE :query = '' AND status = 'erased' ORDER BY id LIMIT :limit)
    ) AS found
    ORDER BY username_key USING ~<~, id LIMIT :limit
""")
_USER = sa.text(f"SELECT {_USER_COLUMNS} FROM users WHERE id = :id")


def find_users(conn: sa.Connection, query: str, *, limit: int) -> Sequence[sa.Row[Any]]:
    """Find users by id, or by what a name or the address begins with; who is erased comes last."""
    prefix = query.lower().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return conn.execute(
        _USERS, {"pattern": f"{prefix}%", "query": query, "id": query if is_id(query) else None, "limit": limit}
    ).all()


def user(conn: sa.Connection, user_id: UserId) -> sa.Row[Any] | None:
    """Read one user as operators see them."""
    return conn.execute(_USER, {"id": user_id}).one_or_none()


_REVERSIBLE = sa.text("""
    SELECT id::text FROM actions
    WHERE settlement IN ('cleared', 'held')
        AND (CAST(:user AS uuid) IS NULL OR user_id = CAST(:user AS uuid))
        AND (CAST(:network AS inet) IS NULL OR client_ip <<= CAST(:network AS inet))
        AND (CAST(:since AS timestamptz) IS NULL OR end_at >= CAST(:since AS timestamptz))
        AND (CAST(:until AS timestamptz) IS NULL OR end_at < CAST(:until AS timestamptz))
    ORDER BY end_at, id
""")


def reversible(
    conn: sa.Connection,
    *,
    user_id: UserId | None,
    network: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[ActionId]:
    """Find the actions that could be reversed, by user, by address or network, and by when they ended (UTC)."""
    values = {"user": user_id, "network": network, "since": since, "until": until}
    return list(conn.execute(_REVERSIBLE, values).scalars())


# Those with an address are found by the index of addresses that are to be forgotten.
COMPLETIONS = """
    SELECT (
        SELECT count(*) FROM actions
        WHERE (client_ip IS NULL) IS FALSE AND coalesce(end_at, start_at) > now() - interval '60 s'
            AND status = 'completed'
    ) + (
        SELECT count(*) FROM actions
        WHERE client_ip IS NULL AND end_at > now() - interval '60 s' AND status = 'completed'
    )
"""
"""The SQL of the number of completions in the last minute."""
_STATS = sa.text(f"""
    SELECT
        (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM users WHERE status = 'suspended') AS suspended,
        (SELECT count(*) FROM actions WHERE settlement = 'held') AS held,
        (SELECT count(*) FROM actions WHERE status = 'started') AS started,
        ({UNSETTLED_COUNT}) AS unsettled,
        ({COMPLETIONS}) AS completions,
        ({SETTLE_LAG}) AS settle_lag,
        (SELECT version FROM boards WHERE id = :board) AS version
""")


def stats(conn: sa.Connection, board_id: BoardId) -> sa.Row[Any]:
    """Count what operators want to know at a glance.

    `completions` are those of the last minute; `settle_lag` is in seconds, and `version` that of one board.
    """
    return conn.execute(_STATS, {"board": board_id}).one()
