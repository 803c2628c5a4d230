"""SQL on what was completed lately and counts on a board."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import ActionId, UserId
from app.domain.periods import Period
from db.shown import SHOWN


class Place(NamedTuple):
    """A place in the feed: that of an action, by its end and its id."""

    at: datetime
    action_id: ActionId


@dataclass(frozen=True, slots=True)
class Counted:
    """An action that counts, and whose it is."""

    at: datetime
    action_id: ActionId
    user_id: UserId
    username: str
    display_name: str | None
    type: str
    points: int
    value: int | None


# As many actions are looked at as the page may cost, whatever they are; those that belong into it are chosen of them.
_FEED = """
    WITH looked_at AS MATERIALIZED (
        SELECT end_at, id, user_id, type, score, value, settled_at FROM actions
        WHERE settlement = 'cleared' {bounds}
        ORDER BY end_at DESC, id DESC LIMIT :look_at
    ), last AS (
        SELECT end_at, id FROM looked_at ORDER BY end_at, id LIMIT 1
    ), page AS (
        SELECT it.end_at, it.id, users.id AS user_id, users.username, users.display_name, it.type, it.score, it.value
        FROM looked_at AS it JOIN users ON users.id = it.user_id AND {shown}
        WHERE {counts} ORDER BY it.end_at DESC, it.id DESC LIMIT :limit + 1
    )
    SELECT page.end_at, page.id::text, page.user_id::text, username, display_name, type, score, value,
        last.end_at, last.id::text, (SELECT count(*) FROM looked_at)
    FROM last LEFT JOIN page ON true ORDER BY page.end_at DESC, page.id DESC
"""


def read(
    conn: sa.Connection,
    rule: BoardRule,
    period: Period,
    *,
    before: Place | None,
    until: datetime | None = None,
    limit: int,
    look_at: int,
) -> tuple[list[Counted], Place | None]:
    """Read the newest actions that count in a period of a board and whose users are shown, newest end first.

    Args:
        before: the place of the last one that was read already.
        until: what ended or was settled later is left out.
        look_at: how many actions are looked at, at most; there may be others that don't count on this board.

    Returns:
        At most `limit` actions, and the place after which to go on, None when there are no more.
    """
    values: dict[str, Any] = {"limit": limit, "look_at": look_at}
    bounds, counts = "", "it.value IS NOT NULL" if rule.valued else "it.score <> 0"
    for name, condition, value in (
        ("starts", "end_at >= :starts", period.starts),
        ("ends", "end_at < :ends", period.ends),
        ("until", "end_at <= :until", until),
    ):
        if value is not None:
            bounds += f" AND {condition}"
            values[name] = value
    if before is not None:
        bounds += " AND (end_at, id) < (:before, CAST(:before_id AS uuid))"
        values |= {"before": before.at, "before_id": before.action_id}
    if until is not None:
        counts += " AND it.settled_at <= :until"
    if rule.types is not None:
        counts += " AND it.type = ANY(CAST(:types AS text[]))"
        values["types"] = sorted(rule.types)
    query = _FEED.format(bounds=bounds, counts=counts, shown=SHOWN)
    return _page(conn.execute(sa.text(query), values).all(), limit=limit, look_at=look_at)


def _page(rows: Sequence[Any], *, limit: int, look_at: int) -> tuple[list[Counted], Place | None]:
    found = [Counted(*row[:8]) for row in rows if row[0] is not None]
    if len(found) > limit:
        found = found[:limit]
        return found, Place(found[-1].at, found[-1].action_id)
    if rows and rows[0][10] == look_at:
        return found, Place(rows[0][8], ActionId(rows[0][9]))
    return found, None
