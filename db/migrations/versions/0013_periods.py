"""Boards with periods and rules of their own: which period a row is of, and how a standing is counted and placed.

Code of the release before runs on it: it settles onto the board of all times, whose rules are the defaults.
"""

from alembic import op

from db.migrations.online import drop_index, make_index, replace_check

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A few rows: it is written again within a moment.
    op.execute(
        "ALTER TABLE boards ADD COLUMN IF NOT EXISTS board text GENERATED ALWAYS AS (split_part(id, ':', 1)) STORED, "
        "ADD COLUMN IF NOT EXISTS label text GENERATED ALWAYS AS (NULLIF(split_part(id, ':', 2), '')) STORED, "
        "ADD COLUMN IF NOT EXISTS starts_at timestamptz, ADD COLUMN IF NOT EXISTS ends_at timestamptz, "
        "ADD COLUMN IF NOT EXISTS frozen_from timestamptz, ADD COLUMN IF NOT EXISTS thawed_at timestamptz"
    )
    op.execute("CREATE INDEX IF NOT EXISTS boards_board_idx ON boards (board, starts_at)")
    op.execute("ALTER TABLE top_scores DROP CONSTRAINT IF EXISTS top_scores_rank_check")
    op.execute("ALTER TABLE top_scores ADD CONSTRAINT top_scores_rank_check CHECK (rank BETWEEN 1 AND 100)")
    op.execute("CREATE INDEX IF NOT EXISTS top_scores_user_idx ON top_scores (user_id)")
    # Constant defaults: no row is written.
    op.execute(
        "ALTER TABLE standings ADD COLUMN IF NOT EXISTS combine text NOT NULL DEFAULT 'sum', "
        "ADD COLUMN IF NOT EXISTS lowest boolean NOT NULL DEFAULT false, "
        "ADD COLUMN IF NOT EXISTS valued boolean NOT NULL DEFAULT false"
    )
    replace_check("standings", "standings_combine_check", "combine IN ('sum', 'best', 'latest')")
    make_index(
        "standings_place_idx",
        "standings (board_id, (CASE WHEN lowest THEN score ELSE -score END), reached_at, user_id) "
        "WHERE NOT hidden AND (score > 0 OR valued)",
    )
    drop_index("standings_rank_idx")


def downgrade() -> None:
    op.execute("DELETE FROM top_scores WHERE rank > 10 OR board_id LIKE '%:%'")
    op.execute("DELETE FROM standings WHERE board_id LIKE '%:%'")
    op.execute("DELETE FROM boards WHERE id LIKE '%:%'")
    make_index("standings_rank_idx", "standings (board_id, score DESC, reached_at, user_id)")
    drop_index("standings_place_idx")
    op.execute(
        "ALTER TABLE standings DROP CONSTRAINT standings_combine_check, "
        "DROP COLUMN combine, DROP COLUMN lowest, DROP COLUMN valued"
    )
    op.execute("DROP INDEX top_scores_user_idx")
    op.execute("ALTER TABLE top_scores DROP CONSTRAINT top_scores_rank_check")
    op.execute("ALTER TABLE top_scores ADD CONSTRAINT top_scores_rank_check CHECK (rank BETWEEN 1 AND 10)")
    op.execute("DROP INDEX boards_board_idx")
    op.execute(
        "ALTER TABLE boards DROP COLUMN board, DROP COLUMN label, DROP COLUMN starts_at, DROP COLUMN ends_at, "
        "DROP COLUMN frozen_from, DROP COLUMN thawed_at"
    )
