"""The tables of boards: periods, standings and the rows that are shown. Part of `db.tables`."""

import sqlalchemy as sa

from app.domain.values import LARGEST
from db.metadata import ID, MOMENT, NOW, metadata

boards = sa.Table(
    "boards",
    metadata,
    # A board's, or that of one of its periods: "weekly:2026-W47".
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("epoch", ID, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("board", sa.Text, sa.Computed("split_part(id, ':', 1)", persisted=True)),
    sa.Column("label", sa.Text, sa.Computed("NULLIF(split_part(id, ':', 2), '')", persisted=True)),
    # From when to when what ends counts; null: from ever, or for ever.
    sa.Column("starts_at", MOMENT),
    sa.Column("ends_at", MOMENT),
    # From then on `top_scores` stays as it is.
    sa.Column("frozen_from", MOMENT),
    sa.Column("thawed_at", MOMENT),
    # That its version says so: once it does, no clock decides any more whether it is frozen.
    sa.Column("says_frozen", sa.Boolean, nullable=False, server_default=sa.false()),
    # The moment of the board's rules that was last taken over into `frozen_from`.
    sa.Column("rule_freeze_at", MOMENT),
    # While the places of a frozen board are revealed: how many are, the last first, and how many there are.
    sa.Column("revealed", sa.Integer),
    sa.Column("places", sa.Integer),
    # When it was noticed, after its end, that everything of the period was settled: webhooks are told once.
    sa.Column("closed_at", MOMENT),
)
sa.Index("boards_board_idx", boards.c.board, boards.c.starts_at)

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("board_id", sa.Text, sa.ForeignKey("boards.id"), primary_key=True),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("score", sa.BigInteger, nullable=False),
    sa.Column("reached_at", MOMENT, nullable=False),
    # That its user is not active, or hidden: kept by triggers, see docs/decisions/0010-hide-standings-by-a-trigger.md.
    sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false()),
    # The board's rules, as they were when the score was last written: how another amount is added, whether the lowest
    # score wins, and whether the amounts are values, which count whatever they are.
    sa.Column("combine", sa.Text, nullable=False, server_default="sum"),
    sa.Column("lowest", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("valued", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("combine IN ('sum', 'best', 'latest')", name="combine"),
    sa.CheckConstraint(f"score BETWEEN -{LARGEST} AND {LARGEST}", name="score"),
)
# The order of every board, as one ascending key, of those that can be shown: see db/order.py. Written as PostgreSQL
# writes it, line for line, or else the comparison with the database finds another.
sa.Index(
    "standings_place_idx",
    standings.c.board_id,
    sa.text("(\nCASE\n    WHEN lowest THEN score\n    ELSE - score\nEND)"),
    standings.c.reached_at,
    standings.c.user_id,
    postgresql_where=sa.text("NOT hidden AND (score > 0 OR valued)"),
)
# For processes of the release before.
sa.Index(
    "standings_shown_idx",
    standings.c.board_id,
    standings.c.score.desc(),
    standings.c.reached_at,
    standings.c.user_id,
    postgresql_where=sa.text("NOT hidden"),
)
HIDE_STANDINGS = """
CREATE OR REPLACE FUNCTION hide_standings() RETURNS trigger LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    hides boolean := NEW.status <> 'active' OR NEW.hidden;
BEGIN
    -- Before its rows: a rebuild, which locks the table against writers, would come in between.
    LOCK TABLE standings IN ROW EXCLUSIVE MODE;
    PERFORM FROM boards JOIN standings ON standings.board_id = boards.id AND standings.user_id = NEW.id
    ORDER BY boards.id COLLATE "C" FOR UPDATE OF standings;
    PERFORM FROM boards ORDER BY id COLLATE "C" FOR NO KEY UPDATE;
    -- A row that came meanwhile may be held by somebody who waits for the boards: give way and begin again, or each
    -- would wait for the other.
    BEGIN
        PERFORM FROM boards JOIN standings ON standings.board_id = boards.id AND standings.user_id = NEW.id
        FOR UPDATE OF standings NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'points of this user are being settled' USING ERRCODE = 'serialization_failure';
    END;
    UPDATE standings SET hidden = hides FROM boards
    WHERE standings.board_id = boards.id AND standings.user_id = NEW.id AND standings.hidden <> hides;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_hide_standings AFTER UPDATE OF status, hidden ON users
FOR EACH ROW WHEN ((OLD.status, OLD.hidden) IS DISTINCT FROM (NEW.status, NEW.hidden))
EXECUTE FUNCTION hide_standings();
"""
"""What marks standings, whoever changes a status or hides a user. The migrations make it, `metadata` does not.

First the user's standings in the order of boards, then all boards: others may be settling the user's first points on
any of them. What they have committed by then is seen; and they see the user as it is now (db/migrations/sql).
"""

top_scores = sa.Table(
    "top_scores",
    metadata,
    sa.Column("board_id", sa.Text, sa.ForeignKey("boards.id"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("score", sa.BigInteger, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("display_name", sa.Text),
    sa.CheckConstraint("rank BETWEEN 1 AND 100", name="rank"),
)
sa.Index("top_scores_user_idx", top_scores.c.user_id)

NAME_TOP_SCORES = """
CREATE OR REPLACE FUNCTION name_top_scores() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.display_name := (SELECT users.display_name FROM users WHERE users.id = NEW.user_id);
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER top_scores_name BEFORE INSERT OR UPDATE ON top_scores
FOR EACH ROW EXECUTE FUNCTION name_top_scores();
"""
"""What gives each row the display name of its user: also one that a process of the release before writes, which knows
nothing of them and would leave the one of who had the place before. The migrations make it, `metadata` does not.
"""
