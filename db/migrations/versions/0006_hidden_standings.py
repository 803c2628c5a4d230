"""Hidden standings: those of users who are not active are marked, and kept out of an index of the others.

A trigger marks them, so that processes of the release before do it as well, which know nothing of it.
"""

import sqlalchemy as sa
from alembic import op

from db.migrations.online import drop_index, make_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HIDE_STANDINGS = """
CREATE OR REPLACE FUNCTION hide_standings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE standings SET hidden = (NEW.status <> 'active') FROM boards
    WHERE standings.board_id = boards.id AND standings.user_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_hide_standings AFTER UPDATE OF status ON users
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION hide_standings();
"""
# The users are locked, and their statuses looked at again once they are: somebody may be reinstating one of them, and
# a mark that came later would keep the user off the board.
MARK = sa.text("""
    WITH inactive AS MATERIALIZED (
        SELECT id FROM users WHERE status <> 'active' AND id > CAST(:after AS uuid)
        ORDER BY id LIMIT 1000 FOR NO KEY UPDATE
    ), marked AS (
        UPDATE standings SET hidden = true FROM inactive, boards
        WHERE standings.board_id = boards.id AND standings.user_id = inactive.id AND NOT standings.hidden
    )
    SELECT max(id::text) FROM inactive
""")


def upgrade() -> None:
    op.execute("ALTER TABLE standings ADD COLUMN IF NOT EXISTS hidden boolean NOT NULL DEFAULT false")
    op.execute(HIDE_STANDINGS)
    make_index("users_inactive_idx", "users (id) WHERE status <> 'active'")
    # From here on the trigger is there for everybody: making the index has ended the transaction.
    with op.get_context().autocommit_block():
        after: str | None = "00000000-0000-0000-0000-000000000000"
        while after:
            after = op.get_bind().execute(MARK, {"after": after}).scalar()
    make_index("standings_shown_idx", "standings (board_id, score DESC, reached_at, user_id) WHERE NOT hidden")


def downgrade() -> None:
    drop_index("standings_shown_idx")
    drop_index("users_inactive_idx")
    op.execute("DROP TRIGGER users_hide_standings ON users")
    op.execute("DROP FUNCTION hide_standings()")
    op.execute("ALTER TABLE standings DROP COLUMN hidden")
