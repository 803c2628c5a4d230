"""SQL that cancels open actions which have expired."""

import sqlalchemy as sa

from app.domain.ids import ActionId

# Each type by itself, by the index on type and start: open actions of types that never expire are never read, however
# many there are. now(), not clock_timestamp(): only what stays the same throughout a statement bounds the scan of an
# index. Nobody is waited for, so it needs no order of ids.
_CANCEL_EXPIRED = sa.text("""
    UPDATE actions SET status = 'cancelled', end_at = clock_timestamp() WHERE id = ANY(ARRAY(
        SELECT expired.id FROM unnest(CAST(:types AS text[]), CAST(:seconds AS int[])) AS rule(type, max_seconds)
        CROSS JOIN LATERAL (
            SELECT id FROM actions
            WHERE status = 'started' AND type = rule.type
                AND start_at < now() - make_interval(secs => rule.max_seconds)
            ORDER BY start_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        ) AS expired
        LIMIT :limit
    ))
    RETURNING id::text
""")


def cancel_expired(conn: sa.Connection, max_seconds: dict[str, int], *, limit: int) -> list[ActionId]:
    """Cancel actions that are open for longer than their type's `max_seconds`."""
    if not max_seconds:
        return []
    values = {"types": list(max_seconds), "seconds": list(max_seconds.values()), "limit": limit}
    return list(conn.execute(_CANCEL_EXPIRED, values).scalars())
