"""SQL on the outbox: the actions that are completed and not settled yet. Its index is `actions_to_settle_idx`.

Its order, its age and its mark go by when a completion was recorded. That is its end, but for a report of an end in the
past: nobody was late to settle that before it was there.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.domain.fraud import WINDOW, Facts
from app.domain.ids import ActionId, BoardId
from config.values import Network
from db import addresses, marks
from db.driver import fetch, note_transaction_id, send_with_next
from db.partitions import BETWEEN, bounds
from db.prepared import prepared

RECORDED = "coalesce(recorded_at, end_at)"
"""The SQL of when a completion was recorded."""

_UNSETTLED = f"status = 'completed' AND settled_at IS NULL AND {RECORDED} >= {marks.AT.format(name=marks.OUTBOX)}"

# With the windows that end with each action, its user's and its address's, for the fraud rules. The user's laterally,
# and without the status (only what is completed has a score), or else the planner comes to read the whole table, or all
# that a user has ever done. What was completed in one batch has one end, and often few addresses: each is counted once.
_CLAIM = prepared(
    "claim_actions",
    f"""
    WITH claimed AS MATERIALIZED (
        SELECT * FROM actions
        WHERE id = ANY(CAST(:ids AS uuid[])) AND {BETWEEN} AND status = 'completed' AND settled_at IS NULL
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ), asked AS MATERIALIZED (
        SELECT DISTINCT {addresses.PLACE.format(ip="client_ip")} AS network, end_at FROM claimed
        WHERE NOT client_ip <<= ANY(CAST(:trusted AS inet[]))
    ), crowd AS MATERIALIZED (
        SELECT network, end_at, {addresses.COMPLETIONS} AS completions FROM asked
    )
    SELECT pg_current_xact_id()::text, claimed.id::text, claimed.user_id::text, claimed.score, claimed.start_at,
        claimed.end_at, host(claimed.client_ip), claimed.recorded_at IS NOT NULL, claimed.type, claimed.value,
        own.completions, own.points, crowd.completions,
        ARRAY(SELECT id FROM boards WHERE id = ANY(CAST(:rows AS text[])))
    FROM claimed CROSS JOIN LATERAL (
        SELECT count(score) AS completions, coalesce(sum(score), 0)::bigint AS points FROM actions
        WHERE actions.user_id = claimed.user_id
            AND actions.end_at > claimed.end_at - make_interval(secs => :window) AND actions.end_at <= claimed.end_at
    ) AS own
    LEFT JOIN crowd ON crowd.network = {addresses.PLACE.format(ip="claimed.client_ip")}
        AND crowd.end_at = claimed.end_at
    ORDER BY claimed.id
""",
)


def claim(conn: sa.Connection, action_ids: Iterable[ActionId]) -> list[Facts]:
    """Lock those of the actions that are completed, not settled, and not locked by another transaction.

    Returns:
        Them, with their users' completions and points in the window that ends with each.
    """
    return claim_and_look(conn, action_ids, (), Crowds())[0]


@dataclass(frozen=True, slots=True)
class Crowds:
    """Up to how many completions are counted of an address, and in which networks none are."""

    beyond: int = 0
    trusted: Sequence[Network] = ()


def claim_and_look(
    conn: sa.Connection, action_ids: Iterable[ActionId], rows: Collection[BoardId], crowds: Crowds
) -> tuple[list[Facts], frozenset[BoardId]]:
    """Claim actions, and find in the same round trip which of `rows` of boards there are.

    Returns:
        The actions like `claim`, with the completions from their addresses besides; and the rows.
    """
    claimed = []
    existing: frozenset[BoardId] = frozenset()
    ids = list(action_ids)
    values = {
        "ids": ids,
        **bounds(ids),
        "window": WINDOW,
        "rows": list(rows),
        "beyond": crowds.beyond,
        "trusted": [str(network) for network in crowds.trusted],
    }
    for xid, *facts, found in fetch(conn, _CLAIM, values):
        note_transaction_id(conn, xid)
        claimed.append(Facts(*facts))
        existing = existing or frozenset(found)
    return claimed, existing


_SETTLE = prepared(
    "mark_settled",
    f"""
    UPDATE actions SET settlement = done.settlement, settled_at = clock_timestamp()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:settlements AS text[])) AS done(id, settlement)
    WHERE actions.id = done.id AND {BETWEEN}
""",
)


def mark_settled_with_next(conn: sa.Connection, settlements: Sequence[tuple[ActionId, str]]) -> None:
    """Write "cleared" or "held" to claimed actions."""
    ids, words = zip(*settlements, strict=True)
    send_with_next(conn, _SETTLE, {"ids": list(ids), **bounds(ids), "settlements": list(words)})


# With statistics that know of no backlog the planner would rather read all of it from each partition, and sort that,
# than merge their indexes. The setting ends with the transaction; it is sent with the statement.
_UNSORTED = "SET LOCAL enable_sort = off;"
# In the order of the index, so that no more is read than is taken. now(), not clock_timestamp(): only what stays the
# same throughout a statement bounds the scan of an index.
_OVERDUE = sa.text(f"""
    {_UNSORTED}
    SELECT overdue.id::text, tried.attempts
    FROM generate_series(0, CAST((SELECT max(attempts) FROM actions WHERE {_UNSETTLED}) AS int)) AS tried(attempts)
    CROSS JOIN LATERAL (
        SELECT id, {RECORDED} AS recorded FROM actions
        WHERE {_UNSETTLED} AND attempts = tried.attempts AND {RECORDED} < now() - make_interval(secs => :age)
        ORDER BY {RECORDED} LIMIT :limit
    ) AS overdue
    ORDER BY tried.attempts, overdue.recorded LIMIT :limit
""")


def overdue(conn: sa.Connection, *, age: float, limit: int) -> list[tuple[ActionId, int]]:
    """Find unsettled actions whose completion was recorded over `age` seconds ago, with their attempts so far."""
    return [(action_id, attempts) for action_id, attempts in conn.execute(_OVERDUE, {"age": age, "limit": limit})]


OLDEST_RECORDED = f"""
    SELECT min(oldest.recorded)
    FROM generate_series(0, CAST((SELECT max(attempts) FROM actions WHERE {_UNSETTLED}) AS int)) AS tried(attempts)
    CROSS JOIN LATERAL (
        SELECT {RECORDED} AS recorded FROM actions
        WHERE {_UNSETTLED} AND attempts = tried.attempts ORDER BY {RECORDED} LIMIT 1
    ) AS oldest
"""
SETTLE_LAG = f"SELECT coalesce(extract(epoch FROM clock_timestamp() - ({OLDEST_RECORDED})), 0)::float"
_SETTLE_LAG = sa.text(f"{_UNSORTED} {SETTLE_LAG}")
_OLDEST = sa.text(f"{_UNSORTED} {OLDEST_RECORDED}")
LONGEST_WAITING = f"SELECT * FROM actions WHERE {_UNSETTLED} ORDER BY attempts, {RECORDED} LIMIT 10000"
UNSETTLED_COUNT = f"SELECT count(*) FROM actions WHERE {_UNSETTLED}"


def settle_lag(conn: sa.Connection) -> float:
    """Return the seconds since the oldest completion that is not settled was recorded, 0 when there is none."""
    return max(0.0, float(conn.execute(_SETTLE_LAG).scalar_one()))


def advance_mark(conn: sa.Connection) -> None:
    """Move the outbox's mark up to its oldest action, also while there is a backlog.

    What was settled of a backlog stays in the index for as long as an old snapshot may see it.
    """
    marks.advance(conn, marks.OUTBOX, left=conn.execute(_OLDEST).scalar_one())


_COUNT_ATTEMPT = sa.text(f"""
    WITH mine AS (
        SELECT id FROM actions WHERE id = ANY(CAST(:ids AS uuid[])) AND {BETWEEN} AND settled_at IS NULL
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE actions SET attempts = attempts + 1 FROM mine WHERE actions.id = mine.id AND {BETWEEN}
""")


def count_attempt(conn: sa.Connection, action_ids: Iterable[ActionId]) -> int:
    """Raise the attempts of unsettled actions that are not locked, and return their number."""
    ids = list(action_ids)
    return conn.execute(_COUNT_ATTEMPT, {"ids": ids, **bounds(ids)}).rowcount


_RESTORE_LAST_ATTEMPT = sa.text("""
    UPDATE actions SET attempts = attempts - 1
    WHERE id = ANY(CAST(:ids AS uuid[])) AND settled_at IS NULL AND attempts >= :max_attempts
""")


def restore_last_attempt(conn: sa.Connection, action_ids: Iterable[ActionId], *, max_attempts: int) -> None:
    """Take the last attempt back from unsettled actions that have had `max_attempts`."""
    conn.execute(_RESTORE_LAST_ATTEMPT, {"ids": list(action_ids), "max_attempts": max_attempts})
