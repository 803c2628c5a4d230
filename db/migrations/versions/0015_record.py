"""The record: how boards stood, and what was settled lately.

Code of the release before runs on it: what it writes to boards is recorded by a trigger.
"""

from alembic import op

from db.migrations.online import drop_index, make_index

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE IF NOT EXISTS top_scores_versions (
    board_id text,
    at timestamptz,
    version bigint,
    first_rank integer NOT NULL,
    user_ids uuid[],
    scores bigint[],
    PRIMARY KEY (board_id, at, version)
)
"""

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

# In one transaction with the trigger, which locks the boards against writers: no version is left out in between.
BEGIN_THE_RECORD = """
INSERT INTO top_scores_versions (board_id, at, version, first_rank, user_ids, scores)
SELECT id, '-infinity', 0, 1, NULL, NULL FROM boards WHERE version > 0
UNION ALL
SELECT boards.id, boards.updated_at, boards.version, coalesce(min(rank), 1),
    coalesce(array_agg(user_id ORDER BY rank) FILTER (WHERE rank IS NOT NULL), '{}'),
    coalesce(array_agg(score ORDER BY rank) FILTER (WHERE rank IS NOT NULL), '{}')
FROM boards LEFT JOIN top_scores ON top_scores.board_id = boards.id WHERE boards.version > 0 GROUP BY boards.id
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(RECORD_VERSIONS)
    op.execute(BEGIN_THE_RECORD)
    make_index("actions_feed_idx", "actions (end_at, id) WHERE settlement = 'cleared'")


def downgrade() -> None:
    drop_index("actions_feed_idx")
    op.execute("DROP TRIGGER boards_record_versions ON boards")
    op.execute("DROP FUNCTION record_versions()")
    op.execute("DROP TABLE top_scores_versions")
