"""The record: which versions each board has had. Part of `db.tables`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db.metadata import ID, MOMENT, metadata

# No foreign keys, and one index: a row is written with every version of a board, by a trigger on boards.
top_scores_versions = sa.Table(
    "top_scores_versions",
    metadata,
    sa.Column("board_id", sa.Text, primary_key=True),
    # When the version was written, as `boards.updated_at`; -infinity: before the record began.
    sa.Column("at", MOMENT, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    # The place of the first of the users: not 1 while the places of a frozen board are revealed from the last one up.
    sa.Column("first_rank", sa.Integer, nullable=False),
    # In the order of their places; null where nobody knows who they were. Names are looked up as they are now, so that
    # the record needs no change when somebody is erased.
    sa.Column("user_ids", ARRAY(ID)),
    sa.Column("scores", ARRAY(sa.BigInteger)),
)

RECORD_VERSIONS = """
CREATE OR REPLACE FUNCTION record_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO top_scores_versions (board_id, at, version, first_rank, user_ids, scores)
    SELECT changed.id, changed.updated_at, changed.version, shown.first_rank, shown.user_ids, shown.scores
    FROM changed JOIN before ON before.id = changed.id AND before.version <> changed.version
    CROSS JOIN LATERAL (
        SELECT coalesce(min(rank), 1) AS first_rank, coalesce(array_agg(user_id), '{}') AS user_ids,
            coalesce(array_agg(score), '{}') AS scores
        FROM (SELECT rank, user_id, score FROM top_scores WHERE board_id = changed.id ORDER BY rank) AS top
    ) AS shown
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER boards_record_versions AFTER UPDATE ON boards
REFERENCING OLD TABLE AS before NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION record_versions();
"""
"""What records each version of a board, whoever writes it. The migrations make it, `metadata` does not."""
