"""SQL on `webhook_deliveries`: what is due, what becomes of an attempt, and what is forgotten.

What is held and who is suspended is written by a trigger (`db/webhook_tables.py`). Of boards nothing is written while
they change: their own rows, with their versions, are the outbox, and `webhook_boards` says what was told of them. So a
change costs nothing, and of a busy board the newest state waits alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.domain.ids import ActionId, BoardId, UserId
from app.domain.messages import Stamp
from app.domain.webhooks import Template, WebhookId
from db.freezes import FROZEN
from db.outbox import OLDEST_RECORDED

_ANY = sa.text("SELECT EXISTS (SELECT FROM webhooks)")
BROADCASTING = "coalesce((SELECT enabled FROM feature_flags WHERE name = 'broadcast'), true)"

# A board of the past changes until its period is final, an hour after its end.
_NOTE_CHANGED = sa.text(f"""
    INSERT INTO webhook_deliveries (webhook_id, event, board_id)
    SELECT webhooks.id, 'top10.changed', boards.id
    FROM webhooks CROSS JOIN boards
    LEFT JOIN webhook_boards AS told ON told.webhook_id = webhooks.id AND told.board_id = boards.id
    WHERE 'top10.changed' = ANY(webhooks.events) AND (boards.ends_at IS NULL OR boards.ends_at > now() - interval '2 h')
        AND CASE WHEN told.board_id IS NULL THEN boards.version > 0
            ELSE (boards.epoch, boards.version) <> (told.epoch, told.version) END
        AND {BROADCASTING}
    ORDER BY webhooks.id, boards.id
    ON CONFLICT DO NOTHING
""")
# One that is frozen at its end is over for the public when it is thawed.
_CLOSE = sa.text(f"""
    WITH closed AS (
        UPDATE boards SET closed_at = clock_timestamp() WHERE id = ANY(ARRAY(
            SELECT id FROM boards
            WHERE closed_at IS NULL AND coalesce(starts_at, '-infinity') < ends_at AND NOT {FROZEN.format(it="boards")}
                AND ends_at <= least(now() - interval '2 s', coalesce(({OLDEST_RECORDED}), 'infinity'))
            ORDER BY id COLLATE "C" LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
        )) RETURNING id, ends_at
    )
    INSERT INTO webhook_deliveries (webhook_id, event, board_id)
    SELECT webhooks.id, 'period.closed', closed.id FROM closed JOIN webhooks ON webhooks.created_at < closed.ends_at
    WHERE 'period.closed' = ANY(webhooks.events)
    ORDER BY closed.ends_at, closed.id, webhooks.id
""")


def note(conn: sa.Connection) -> bool:
    """Note which boards have changed since webhooks were told, and which periods are over; False without webhooks."""
    if not conn.execute(_ANY).scalar_one():
        return False
    conn.execute(_NOTE_CHANGED)
    conn.execute(_CLOSE)
    return True


_DUE = f"""
    webhook_deliveries.webhook_id = webhooks.id AND webhook_deliveries.status = 'pending'
    AND webhook_deliveries.next_at <= now() AND (webhook_deliveries.event <> 'top10.changed' OR {BROADCASTING})
"""
_CLAIM = sa.text(f"""
    UPDATE webhooks SET leased_until = now() + make_interval(secs => :lease) WHERE id = ANY(ARRAY(
        SELECT id FROM webhooks
        WHERE NOT paused AND leased_until <= now() AND not_before <= now()
            AND EXISTS (SELECT FROM webhook_deliveries WHERE {_DUE})
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )) RETURNING id::text
""")
_RELEASE = sa.text("UPDATE webhooks SET leased_until = now() WHERE id = :id")


def claim(conn: sa.Connection, *, lease: float) -> list[WebhookId]:
    """Take the webhooks for which something is due, for `lease` seconds, so that no other process sends to them."""
    return list(conn.execute(_CLAIM, {"lease": lease}).scalars())


def release(conn: sa.Connection, webhook_id: WebhookId) -> None:
    """Give a webhook back."""
    conn.execute(_RELEASE, {"id": webhook_id})


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is due, its webhook, and PostgreSQL's time; the secrets are encrypted, the old one if it still
    signs as well."""

    delivery_id: int
    event: str
    user_id: UserId | None
    action_id: ActionId | None
    board_id: BoardId | None
    details: Mapping[str, Any]
    created_at: datetime
    attempts: int
    url: str
    template: Template | None
    closed_secret: str
    closed_old_secret: str | None
    now: datetime


# In their order. But what has failed three times lets the others pass: it may be at fault itself.
_NEXT = sa.text(f"""
    SELECT webhook_deliveries.id, event, user_id::text, action_id::text, board_id, details,
        webhook_deliveries.created_at, attempts, url, template, secret,
        CASE WHEN old_secret_until > now() THEN old_secret END, clock_timestamp()
    FROM webhooks JOIN webhook_deliveries ON {_DUE}
    WHERE webhooks.id = :webhook AND NOT paused AND not_before <= now()
    ORDER BY GREATEST(attempts, 2), webhook_deliveries.id LIMIT 1
""")


def next_due(conn: sa.Connection, webhook_id: WebhookId) -> Due | None:
    """Read the delivery that is to be sent next to a webhook, if one is due."""
    row = conn.execute(_NEXT, {"webhook": webhook_id}).one_or_none()
    return Due(*row) if row else None


# The webhook first: who deletes one locks it, then its deliveries.
_LOCK = sa.text("SELECT 1 FROM webhooks WHERE id = :webhook FOR NO KEY UPDATE")
_DELIVERED = sa.text("""
    WITH done AS (
        UPDATE webhook_deliveries SET status = 'delivered', attempts = attempts + 1, last_at = now(),
            last_status = :status, last_error = NULL
        WHERE id = :id RETURNING webhook_id
    )
    UPDATE webhooks SET failures = 0, not_before = now() FROM done
    WHERE webhooks.id = done.webhook_id AND webhooks.failures > 0
""")
_TOLD = sa.text("""
    INSERT INTO webhook_boards (webhook_id, board_id, epoch, version)
    SELECT webhook_id, board_id, :epoch, :version FROM webhook_deliveries WHERE id = :id
    ON CONFLICT (webhook_id, board_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version
""")
_FAILED = sa.text("""
    UPDATE webhook_deliveries SET attempts = attempts + 1, last_at = now(), last_status = :status, last_error = :error,
        next_at = now() + make_interval(secs => :own),
        status = CASE WHEN since <= now() - make_interval(secs => :give_up) THEN 'dead' ELSE 'pending' END
    WHERE id = :id RETURNING status
""")
_HOLD = sa.text("""
    UPDATE webhooks SET failures = failures + 1, not_before = now() + make_interval(
        secs => (CAST(:delays AS float8[]))[least(failures + 1, cardinality(CAST(:delays AS float8[])))]
    ) WHERE id = :webhook
""")
_DROP = sa.text("UPDATE webhook_deliveries SET status = 'dead', last_error = :error WHERE id = :id")
# Unless an operator has made a new one meanwhile.
_RENEW = sa.text("UPDATE webhooks SET secret = :secret WHERE id = :webhook AND secret = :known")


def delivered(
    conn: sa.Connection, webhook_id: WebhookId, delivery_id: int, *, status: int | None, told: Stamp | None
) -> None:
    """Note that a delivery was taken, and which version of its board it told, if it is one of a change."""
    conn.execute(_LOCK, {"webhook": webhook_id})
    if told is not None:
        conn.execute(_TOLD, {"id": delivery_id, "epoch": told[0], "version": told[1]})
    conn.execute(_DELIVERED, {"id": delivery_id, "status": status})


def failed(
    conn: sa.Connection,
    webhook_id: WebhookId,
    delivery_id: int,
    *,
    status: int | None,
    error: str,
    own: float,
    delays: Sequence[float],
    give_up: float,
) -> bool:
    """Note a failed attempt.

    Args:
        own: seconds until the next attempt at this delivery.
        delays: seconds until the next attempt at any of the webhook's, by how many have failed in a row.
        give_up: seconds after which a delivery is dead.

    Returns:
        Whether it is dead now.
    """
    conn.execute(_LOCK, {"webhook": webhook_id})
    values = {"id": delivery_id, "status": status, "error": error, "own": own, "give_up": give_up}
    state = conn.execute(_FAILED, values).scalar()
    conn.execute(_HOLD, {"webhook": webhook_id, "delays": list(delays)})
    return state == "dead"


def drop(conn: sa.Connection, delivery_id: int, error: str) -> None:
    """Give up a delivery that must not be sent."""
    conn.execute(_DROP, {"id": delivery_id, "error": error})


def renew_secret(conn: sa.Connection, webhook_id: WebhookId, *, known: str, renewed: str) -> None:
    """Keep a webhook's secret as another key has encrypted it, if it is still that one."""
    conn.execute(_RENEW, {"webhook": webhook_id, "known": known, "secret": renewed})


_FORGET_USER = sa.text("DELETE FROM webhook_deliveries WHERE user_id = :user")
_FORGET_OLD = sa.text("""
    DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
        SELECT id FROM webhook_deliveries
        WHERE created_at < now() - make_interval(days => :days) AND status <> 'pending'
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")
# A busy board is told of once a second: what of it was taken is soon of no interest.
_FORGET_TOLD = sa.text("""
    DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
        SELECT id FROM webhook_deliveries
        WHERE created_at < now() - interval '1 h' AND status = 'delivered' AND event = 'top10.changed'
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
""")
_FORGET_SECRETS = sa.text("""
    UPDATE webhooks SET old_secret = NULL, old_secret_until = NULL WHERE old_secret_until <= now()
""")
_BURY_EXCESS = sa.text("""
    UPDATE webhook_deliveries SET status = 'dead', last_error = 'too many were waiting'
    FROM webhooks CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries AS it WHERE it.webhook_id = webhooks.id AND it.status = 'pending'
        ORDER BY id DESC OFFSET :most LIMIT :limit
    ) AS excess
    WHERE webhook_deliveries.id = excess.id
""")
_OLDEST = sa.text("""
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float FROM webhook_deliveries
    JOIN webhooks ON webhooks.id = webhook_id WHERE status = 'pending' AND NOT paused
""")


def forget_user(conn: sa.Connection, user_id: UserId) -> None:
    """Delete what is about an erased user."""
    conn.execute(_FORGET_USER, {"user": user_id})


def tidy(conn: sa.Connection, *, days: int, most: int, limit: int) -> None:
    """Delete what was done over `days` days ago, of boards over an hour ago; give up the oldest where over `most` wait.

    Secrets that sign no longer are forgotten, too.

    Args:
        limit: how many of each, at most.
    """
    conn.execute(_FORGET_TOLD, {"limit": limit})
    conn.execute(_FORGET_OLD, {"days": days, "limit": limit})
    conn.execute(_FORGET_SECRETS)
    conn.execute(_BURY_EXCESS, {"most": most, "limit": limit})


def lag(conn: sa.Connection) -> float:
    """Return the seconds that the oldest delivery of a webhook that isn't paused has been waiting, 0 without any."""
    return max(0.0, float(conn.execute(_OLDEST).scalar_one()))
