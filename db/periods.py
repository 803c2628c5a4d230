"""SQL on the periods of a board, which are rows of `boards`."""

import sqlalchemy as sa

from app.domain.board_rules import BoardRule
from app.domain.ids import BoardId
from app.domain.periods import Period

# What was a board of days once may be one of weeks by now. The form of a label tells which they are of; once the board
# is rebuilt, those that are its periods no longer have no time, either.
_FORMS = {"daily": "____-__-__", "weekly": "____-W__", "monthly": "____-__"}

_PAGE = sa.text("""
    SELECT id, board, label, starts_at, ends_at FROM boards
    WHERE board = :board AND label LIKE :form AND starts_at < ends_at
        AND (CAST(:before AS text) IS NULL OR label < :before COLLATE "C")
    ORDER BY label COLLATE "C" DESC LIMIT :limit + 1
""")


def page(
    conn: sa.Connection, rule: BoardRule, present: Period | None, *, before: str | None, limit: int
) -> tuple[list[Period], str | None]:
    """Read the newest periods of a board, and the `before` of the next page if there are more.

    Args:
        present: the present period, which may have no row yet.
        before: the label after whose period, going back, the page begins; None for the newest.
    """
    if not rule.periodic:
        return [], None
    values = {"board": rule.id, "form": _FORMS[rule.window], "before": before, "limit": limit}
    found = [Period(BoardId(row[0]), BoardId(row[1]), *row[2:]) for row in conn.execute(_PAGE, values)]
    if before is None and present is not None and present.id not in {it.id for it in found[:1]}:
        found.insert(0, present)
    return found[:limit], found[limit - 1].label if len(found) > limit else None
