"""SQL on `webhooks`, and on what operators see of their deliveries. Functions run in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.domain.webhooks import TOP10_CHANGED, DeliveryStatus, Template, WebhookEvent, WebhookId


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook without its secret; `failures` are those in a row, `waiting` and `dead` count up to 1000 deliveries."""

    webhook_id: WebhookId
    url: str
    events: Sequence[WebhookEvent]
    template: Template | None
    paused: bool
    failures: int
    waiting: int
    dead: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A message for a webhook, and what became of it."""

    delivery_id: str
    event: str
    status: DeliveryStatus
    created_at: datetime
    attempts: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


_COUNT = """(
    SELECT count(*) FROM (
        SELECT FROM webhook_deliveries AS it WHERE it.webhook_id = webhooks.id AND it.status = '{}' LIMIT 1000
    ) AS bounded
)"""
_WEBHOOK = f"""
    id::text, url, events, template, paused, failures, {_COUNT.format("pending")}, {_COUNT.format("dead")},
    created_at, created_by
"""
_DELIVERY = """
    id::text, event, status, created_at, attempts, last_at, CASE WHEN status = 'pending' THEN next_at END,
    CASE WHEN status = 'delivered' THEN last_at END, last_status, last_error
"""
_ALL = sa.text(f"SELECT {_WEBHOOK} FROM webhooks ORDER BY id DESC LIMIT 1000")
_FIND = sa.text(f"SELECT {_WEBHOOK} FROM webhooks WHERE id = :id")
# Two that are made at once would each not count the other.
_COUNT_ALL = sa.text("SELECT count(*) FROM webhooks")
_LOCK_ALL = sa.text("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE")
_INSERT = sa.text("""
    INSERT INTO webhooks (id, url, events, template, secret, created_by)
    VALUES (:id, :url, CAST(:events AS text[]), :template, :secret, :actor)
""")
# What there was before is no change: only what follows is told.
_NOTE_BOARDS = sa.text("""
    INSERT INTO webhook_boards (webhook_id, board_id, epoch, version) SELECT :id, id, epoch, version FROM boards
""")


def listed(conn: sa.Connection) -> list[WebhookRow]:
    """Read all webhooks, the newest first."""
    return [WebhookRow(*row) for row in conn.execute(_ALL)]


def find(conn: sa.Connection, webhook_id: str) -> WebhookRow | None:
    """Read one webhook."""
    row = conn.execute(_FIND, {"id": webhook_id}).one_or_none()
    return WebhookRow(*row) if row else None


def count(conn: sa.Connection) -> int:
    """Count the webhooks; none is made by another transaction until this one ends."""
    conn.execute(_LOCK_ALL)
    number: int = conn.execute(_COUNT_ALL).scalar_one()
    return number


def insert(
    conn: sa.Connection,
    webhook_id: WebhookId,
    *,
    url: str,
    events: Sequence[WebhookEvent],
    template: Template | None,
    secret: str,
    actor: str,
) -> None:
    """Add a webhook, which is told of what happens from now on; `secret` is encrypted."""
    values = {"id": webhook_id, "url": url, "events": list(events), "template": template}
    conn.execute(_INSERT, {**values, "secret": secret, "actor": actor})
    conn.execute(_NOTE_BOARDS, {"id": webhook_id})


# What failed before the pause is tried again at once.
_SET_PAUSED = sa.text("""
    UPDATE webhooks SET paused = :paused, failures = 0, not_before = now() WHERE id = :id AND paused <> :paused
""")
_LOCK = sa.text("SELECT 1 FROM webhooks WHERE id = :id FOR NO KEY UPDATE")
# At once: what failed, failed at the old address.
_SET_URL = sa.text("UPDATE webhooks SET url = :url, failures = 0, not_before = now() WHERE id = :id")
_DUE_AT_ONCE = sa.text("UPDATE webhook_deliveries SET next_at = now() WHERE webhook_id = :id AND status = 'pending'")
_SET_EVENTS = sa.text("UPDATE webhooks SET events = CAST(:events AS text[]) WHERE id = :id")
_DROP_OTHERS = sa.text("""
    DELETE FROM webhook_deliveries WHERE webhook_id = :id AND status = 'pending' AND event <> 'webhook.test'
        AND event <> ALL(CAST(:events AS text[]))
""")
_NOTE_BOARDS_ANEW = sa.text("""
    INSERT INTO webhook_boards (webhook_id, board_id, epoch, version) SELECT :id, id, epoch, version FROM boards
    ON CONFLICT (webhook_id, board_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version
""")
_HAS_OLD_SECRET = sa.text("SELECT coalesce(old_secret_until > now(), false) FROM webhooks WHERE id = :id")
_SET_SECRET = sa.text("""
    UPDATE webhooks SET secret = :secret,
        old_secret = CASE WHEN CAST(:old AS float8) IS NOT NULL THEN secret END,
        old_secret_until = now() + make_interval(secs => CAST(:old AS float8))
    WHERE id = :id RETURNING old_secret_until
""")
_DELETE = sa.text("DELETE FROM webhooks WHERE id = :id RETURNING url")


def set_paused(conn: sa.Connection, webhook_id: str, *, paused: bool) -> bool:
    """Let nothing be sent to a webhook for now, or go on; return False when that is so already."""
    return conn.execute(_SET_PAUSED, {"id": webhook_id, "paused": paused}).rowcount == 1


def lock(conn: sa.Connection, webhook_id: str) -> None:
    """Let no other transaction change a webhook until this one ends."""
    conn.execute(_LOCK, {"id": webhook_id})


def set_url(conn: sa.Connection, webhook_id: str, url: str) -> None:
    """Send to another address, at once what waits."""
    conn.execute(_SET_URL, {"id": webhook_id, "url": url})
    conn.execute(_DUE_AT_ONCE, {"id": webhook_id})


def set_events(
    conn: sa.Connection, webhook_id: str, events: Sequence[WebhookEvent], *, added: Sequence[WebhookEvent]
) -> None:
    """Tell of other events: nothing that waits of those that are gone, and of the added ones what follows."""
    conn.execute(_SET_EVENTS, {"id": webhook_id, "events": list(events)})
    conn.execute(_DROP_OTHERS, {"id": webhook_id, "events": list(events)})
    if TOP10_CHANGED in added:
        conn.execute(_NOTE_BOARDS_ANEW, {"id": webhook_id})


def has_old_secret(conn: sa.Connection, webhook_id: str) -> bool:
    """Return whether the secret before signs as well."""
    return bool(conn.execute(_HAS_OLD_SECRET, {"id": webhook_id}).scalar())


def set_secret(conn: sa.Connection, webhook_id: str, secret: str, *, old_signs: float | None) -> datetime | None:
    """Sign with another secret, encrypted; the present one signs as well for `old_signs` seconds, if any.

    Returns:
        Until when it does; None when it doesn't.
    """
    until: datetime | None = conn.execute(
        _SET_SECRET, {"id": webhook_id, "secret": secret, "old": old_signs}
    ).scalar_one()
    return until


def delete(conn: sa.Connection, webhook_id: str) -> str | None:
    """Delete a webhook with all its deliveries, and return its address; None when there is none."""
    return conn.execute(_DELETE, {"id": webhook_id}).scalar()


_PAGE = sa.text(f"""
    SELECT {_DELIVERY} FROM webhook_deliveries
    WHERE webhook_id = :webhook AND (CAST(:status AS text) IS NULL OR status = :status)
        AND (CAST(:before AS bigint) IS NULL OR id < CAST(:before AS bigint))
    ORDER BY id DESC LIMIT :limit + 1
""")
_ADD_TEST = sa.text(f"""
    INSERT INTO webhook_deliveries (webhook_id, event) VALUES (:webhook, :event) RETURNING {_DELIVERY}
""")
_REPEAT = sa.text(f"""
    UPDATE webhook_deliveries SET status = 'pending', attempts = 0, since = now(), next_at = now(), last_error = NULL
    WHERE webhook_id = :webhook AND id = :id AND status <> 'pending' AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS other
        WHERE other.webhook_id = :webhook AND other.board_id = webhook_deliveries.board_id
            AND other.event = 'top10.changed' AND webhook_deliveries.event = 'top10.changed'
            AND other.status = 'pending'
    )
    RETURNING {_DELIVERY}
""")
_AT_ONCE = sa.text("UPDATE webhooks SET not_before = now() WHERE id = :webhook")
_DELIVERY_EXISTS = sa.text("SELECT 1 FROM webhook_deliveries WHERE webhook_id = :webhook AND id = :id")


def deliveries(
    conn: sa.Connection, webhook_id: str, *, status: str | None, before: int | None, limit: int
) -> tuple[list[DeliveryRow], str | None]:
    """Read a webhook's deliveries, the newest first, and the `before` of the next page if there are more."""
    values = {"webhook": webhook_id, "status": status, "before": before, "limit": limit}
    rows = [DeliveryRow(*row) for row in conn.execute(_PAGE, values)]
    return rows[:limit], rows[limit - 1].delivery_id if len(rows) > limit else None


def add_test(conn: sa.Connection, webhook_id: str, event: str) -> DeliveryRow:
    """Add a delivery that says nothing but that it arrived, due at once."""
    conn.execute(_AT_ONCE, {"webhook": webhook_id})
    return DeliveryRow(*conn.execute(_ADD_TEST, {"webhook": webhook_id, "event": event}).one())


def repeat(conn: sa.Connection, webhook_id: str, delivery_id: int) -> DeliveryRow | None:
    """Make a delivery due again; None when it is waiting already, or the newest state of its board is."""
    conn.execute(_AT_ONCE, {"webhook": webhook_id})
    row = conn.execute(_REPEAT, {"webhook": webhook_id, "id": delivery_id}).one_or_none()
    return DeliveryRow(*row) if row else None


def delivery_exists(conn: sa.Connection, webhook_id: str, delivery_id: int) -> bool:
    """Return whether a webhook has such a delivery."""
    return conn.execute(_DELIVERY_EXISTS, {"webhook": webhook_id, "id": delivery_id}).scalar() is not None
