"""SQL on `top_scores_versions`, the record of how boards stood.

A trigger on `boards` writes it, see db/record_tables.py; here it is read, and thinned with age.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from app.domain.ids import BoardId
from app.domain.messages import Row
from db.shown import SHOWN


@dataclass(frozen=True, slots=True)
class Stood:
    """How a board stood: since when, None if from its beginning on; `known` is false from before the record began."""

    since: datetime | None
    known: bool
    rows: list[Row]


_STOOD = sa.text(f"""
    WITH found AS MATERIALIZED (
        SELECT * FROM top_scores_versions WHERE board_id = :board AND at <= :at ORDER BY at DESC, version DESC LIMIT 1
    )
    SELECT CASE WHEN found.user_ids IS NOT NULL THEN found.at END, found.user_ids IS NOT NULL,
        users.id::text, users.username, place.score, found.first_rank + place.number - 1, users.display_name
    FROM found
    LEFT JOIN LATERAL unnest(found.user_ids, found.scores) WITH ORDINALITY AS place(user_id, score, number) ON true
    LEFT JOIN users ON users.id = place.user_id AND {SHOWN}
    ORDER BY place.number
""")


def stood(conn: sa.Connection, board_id: BoardId, moment: datetime) -> Stood:
    """Read how a board stood at a moment, under the names that its users have now.

    Whoever may not be shown any more is left out; the others keep the places that they had.
    """
    found = conn.execute(_STOOD, {"board": board_id, "at": moment}).all()
    if not found:
        return Stood(None, known=True, rows=[])
    since, known = found[0][:2]
    rows = [
        Row(user_id, name, score, rank, msgspec.UNSET if display_name is None else display_name)
        for *_, user_id, name, score, rank, display_name in found
        if user_id is not None
    ]
    return Stood(since, known, rows)


@dataclass(frozen=True, slots=True)
class Thinning:
    """After `age` the record keeps the last version of each `grain` (a unit of date_trunc, `step` long) of a board."""

    mark: str
    age: timedelta
    grain: str
    step: timedelta


THINNINGS = (
    Thinning("record_by_minute", timedelta(days=7), "minute", timedelta(minutes=1)),
    Thinning("record_by_hour", timedelta(days=90), "hour", timedelta(hours=1)),
)

# One grain at a time, the next that has a version: of boards that have changed since, by the index of each.
_THIN = sa.text(
    """
    WITH mark AS MATERIALIZED (
        SELECT at FROM marks WHERE name = :mark AND at + CAST(:step AS interval) <= :old_enough FOR UPDATE SKIP LOCKED
    ), next AS MATERIALIZED (
        SELECT date_trunc(:grain, coalesce(min(version.at), :old_enough), 'UTC') AS since
        FROM mark JOIN boards ON boards.updated_at >= mark.at CROSS JOIN LATERAL (
            SELECT at FROM top_scores_versions WHERE board_id = boards.id AND at >= mark.at ORDER BY at LIMIT 1
        ) AS version
    ), due AS MATERIALIZED (
        SELECT since, since + CAST(:step AS interval) AS until FROM next
        WHERE since + CAST(:step AS interval) <= :old_enough
    ), gone AS (
        DELETE FROM top_scores_versions AS version USING due, boards
        WHERE boards.updated_at >= due.since AND version.board_id = boards.id
            AND version.at >= due.since AND version.at < due.until
            AND EXISTS (
                SELECT 1 FROM top_scores_versions AS later
                WHERE later.board_id = version.board_id AND later.at < due.until
                    AND (later.at, later.version) > (version.at, version.version)
            )
    ), advanced AS (
        UPDATE marks SET at = coalesce(due.until, next.since) FROM mark, next LEFT JOIN due ON true
        WHERE marks.name = :mark AND marks.at < coalesce(due.until, next.since)
    )
    SELECT count(*) FROM due
""".replace(":old_enough", "(statement_timestamp() - CAST(:age AS interval))")
)
_BEGIN = sa.text("""
    INSERT INTO marks (name, at)
    VALUES (:mark, date_trunc(:grain, statement_timestamp() - CAST(:age AS interval), 'UTC'))
    ON CONFLICT DO NOTHING
""")


def begin_thinning(conn: sa.Connection, thinning: Thinning) -> None:
    """Note where thinning begins, unless it has begun: nothing is older when the record is new."""
    conn.execute(_BEGIN, {"mark": thinning.mark, "grain": thinning.grain, "age": thinning.age})


def thin(conn: sa.Connection, thinning: Thinning) -> bool:
    """Thin the next grain of the record that is old enough; False when there is none, or another process does it."""
    values = {"mark": thinning.mark, "grain": thinning.grain, "step": thinning.step, "age": thinning.age}
    return bool(conn.execute(_THIN, values).scalar_one())
