"""SQL that reads whole tables for an export: a row at a time, from one snapshot, in constant memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.domain.ids import BoardId
from db.order import KEY
from db.shown import SHOWN

AT_ONCE = 2000
"""Rows that are fetched together."""


@dataclass(frozen=True, slots=True)
class Export:
    """What can be exported: the names of its columns, and the query that gives them."""

    columns: tuple[str, ...]
    query: str


STANDINGS, ACTIONS, USERS = "standings", "actions", "users"

EXPORTS = {
    STANDINGS: Export(
        ("rank", "userId", "username", "score", "reachedAt", "displayName"),
        f"""
            SELECT row_number() OVER (ORDER BY {KEY.format(it="standings")}),
                user_id::text, username, score, reached_at, display_name
            FROM standings JOIN users ON users.id = user_id
            WHERE board_id = :board AND (score > 0 OR valued) AND {SHOWN}
            ORDER BY {KEY.format(it="standings")}
        """,
    ),
    ACTIONS: Export(
        (
            *("actionId", "userId", "username", "type", "status", "startAt", "endAt", "score", "settlement"),
            *("heldBecause", "metadata", "displayName", "value"),
        ),
        """
            SELECT actions.id::text, user_id::text, username, type, actions.status, start_at, end_at, score, settlement,
                (
                    SELECT reason FROM audit_events
                    WHERE action_id = actions.id AND kind = 'held' ORDER BY audit_events.id DESC LIMIT 1
                ), metadata, display_name, value
            FROM actions JOIN users ON users.id = user_id ORDER BY actions.id
        """,
    ),
    USERS: Export(
        ("userId", "username", "email", "role", "status", "totalScore", "createdAt", "displayName"),
        "SELECT id::text, username, email, role, status, total_score, created_at, display_name FROM users ORDER BY id",
    ),
}


def rows_of_first(engines: Sequence[sa.Engine], what: str, board_id: BoardId) -> Iterator[tuple[Any, ...]]:
    """Read an export's rows from the first of some servers, or from the next when it fails before its first row."""
    for engine in engines[:-1]:
        begun = False
        try:
            for row in rows(engine, what, board_id):
                begun = True
                yield row
        except sa.exc.DBAPIError:
            if begun:
                raise
        else:
            return
    yield from rows(engines[-1], what, board_id)


def rows(engine: sa.Engine, what: str, board_id: BoardId) -> Iterator[tuple[Any, ...]]:
    """Read an export's rows, all of one moment. What was read is never read again: a lost connection is an error."""
    with engine.connect() as conn, conn.begin():
        conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        # The reader of our output may be slow.
        conn.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))
        found = conn.execution_options(stream_results=True, max_row_buffer=AT_ONCE, yield_per=AT_ONCE).execute(
            sa.text(EXPORTS[what].query), {"board": board_id}
        )
        for row in found:
            yield tuple(row)
