"""What stays of archived actions: which months there were, and what they count for. Part of `db.tables`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from db.metadata import ID, MOMENT, NOW, metadata

archives = sa.Table(
    "archives",
    metadata,
    # The partition of `actions` that was detached; it is still there while `dropped_at` is null.
    sa.Column("name", sa.Text, primary_key=True),
    # The bounds of its ids; what began before the first partition has no lower one.
    sa.Column("starts", ID),
    sa.Column("ends", ID, nullable=False),
    # When the last of its actions ended: what was before can't be told any more.
    sa.Column("until", MOMENT, nullable=False),
    sa.Column("actions", sa.BigInteger, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    # By board, the rule by which `archived_scores` was made.
    sa.Column("rules", JSONB, nullable=False),
    sa.Column("archived_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("dropped_at", MOMENT),
)

# For each board's period what a user's archived actions make together, by the board's rule, as if it were one action.
# And under the name '' the points of everything completed that counts: what is in users.total_score.
archived_scores = sa.Table(
    "archived_scores",
    metadata,
    sa.Column("user_id", ID, primary_key=True),
    sa.Column("board", sa.Text, primary_key=True),
    sa.Column("at", MOMENT, primary_key=True),
    sa.Column("archive", sa.Text, primary_key=True),
    sa.Column("score", sa.BigInteger, nullable=False),
)

KEEP_WHAT_COUNTS = """
CREATE OR REPLACE FUNCTION keep_what_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
        MESSAGE = 'the actions of ' || TG_TABLE_NAME || ' are being archived';
END
$$;
"""
"""What keeps a month as it is while it is archived. The migrations make it, `metadata` does not."""
