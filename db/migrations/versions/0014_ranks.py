"""Ranks: how many standings are in each block of a board's order, kept by triggers, and marks of who is hidden, exact.

Code of the release before runs on it: the triggers count what it writes. Nothing holds up settling for longer than a
moment: the boards begin as not counted, and are then counted a few thousand standings at a time, each under its board's
lock. Until that is done a rank is not known, and what asks for one is told so. Interrupted, it goes on where it was.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

AT_ONCE, SMALLEST = 5000, 256
"""Standings that one step counts, and the size of the blocks of a small board."""

TABLES = """
CREATE TABLE IF NOT EXISTS rank_bounds (
    board_id text NOT NULL CONSTRAINT rank_bounds_board_id_fkey REFERENCES boards (id) ON DELETE CASCADE,
    place bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    user_id uuid NOT NULL,
    block integer NOT NULL,
    PRIMARY KEY (board_id, place, reached_at, user_id)
);
CREATE TABLE IF NOT EXISTS rank_counts (
    board_id text PRIMARY KEY CONSTRAINT rank_counts_board_id_fkey REFERENCES boards (id) ON DELETE CASCADE,
    counts integer[] NOT NULL CONSTRAINT rank_counts_counts_check CHECK (0 <= ALL (counts)),
    sums integer[] NOT NULL,
    split_over integer NOT NULL DEFAULT 512,
    untended boolean NOT NULL DEFAULT false
) WITH (
    toast_tuple_target = 128, fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
);
-- Not compressed: they are read at every rank.
ALTER TABLE rank_counts ALTER counts SET STORAGE EXTERNAL, ALTER sums SET STORAGE EXTERNAL;
"""
FUNCTIONS = Path(__file__).parents[1].joinpath("sql", "0014_ranks.sql").read_text()
# With the first trigger's lock held nobody makes a board meanwhile.
BEGIN = """
WITH uncounted AS (
    INSERT INTO rank_counts (board_id, counts, sums, untended)
    SELECT id, '{NULL}', '{NULL}', true FROM boards ON CONFLICT DO NOTHING RETURNING board_id
)
INSERT INTO rank_bounds (board_id, place, reached_at, user_id, block)
SELECT board_id, -9223372036854775808, '-infinity', '00000000-0000-0000-0000-000000000000', 1 FROM uncounted
"""
# Standings that began while their user was hidden or suspended, which had no mark until now; users are locked first.
MARK = sa.text("""
    WITH not_shown AS MATERIALIZED (
        SELECT id FROM users WHERE (status <> 'active' OR hidden) AND id > CAST(:after AS uuid)
        ORDER BY id LIMIT 1000 FOR NO KEY UPDATE
    ), marked AS (
        UPDATE standings SET hidden = true FROM not_shown, boards
        WHERE standings.board_id = boards.id AND standings.user_id = not_shown.id AND NOT standings.hidden
    )
    SELECT max(id::text) FROM not_shown
""")
# Statistics that are right: ranges of this order are most of what is read.
VACUUM = """
ALTER TABLE standings SET (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
)
"""
DROP = """
DROP TRIGGER standings_board ON standings;
DROP TRIGGER standings_board_left ON standings;
DROP TRIGGER standings_inserted ON standings;
DROP TRIGGER standings_updated ON standings;
DROP TRIGGER standings_deleted ON standings;
DROP TRIGGER standings_emptied ON standings;
DROP TRIGGER boards_ranks ON boards;
DROP FUNCTION note_board(), count_standings(), empty_ranks(), begin_ranks(), add_to_ranks(text, integer[], integer[]),
    tend_ranks(text, integer, integer), rank_sums(integer[]), standings_listed(text),
    standings_ahead(text, bigint, timestamptz, uuid),
    standings_beside(text, bigint, timestamptz, uuid, integer, boolean);
DROP TABLE rank_bounds, rank_counts;
ALTER TABLE standings RESET (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor
);
CREATE OR REPLACE FUNCTION hide_standings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE standings SET hidden = (NEW.status <> 'active' OR NEW.hidden) FROM boards
    WHERE standings.board_id = boards.id AND standings.user_id = NEW.id;
    RETURN NULL;
END
$$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.get_bind().exec_driver_sql(FUNCTIONS)
    op.execute(BEGIN)
    op.execute(VACUUM)
    with op.get_context().autocommit_block():
        # From here on the triggers are there for everybody.
        conn = op.get_bind()
        after: str | None = "00000000-0000-0000-0000-000000000000"
        while after:
            after = conn.execute(MARK, {"after": after}).scalar()
        for board_id in conn.execute(sa.text("SELECT board_id FROM rank_counts WHERE untended")).scalars().all():
            step = sa.text("SELECT tend_ranks(:board, :most, :smallest)")
            while conn.execute(step, {"board": board_id, "most": AT_ONCE, "smallest": SMALLEST}).scalar():
                pass


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DROP)
