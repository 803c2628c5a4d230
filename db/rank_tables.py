"""The blocks of a board's order, by which ranks are counted. Part of `db.tables`."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db.metadata import ID, MOMENT, metadata

# Where each block begins: the first at the lowest key there is, each of the others at a standing's.
rank_bounds = sa.Table(
    "rank_bounds",
    metadata,
    sa.Column("board_id", sa.Text, sa.ForeignKey("boards.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reached_at", MOMENT, primary_key=True),
    sa.Column("user_id", ID, primary_key=True),
    # The first is 1.
    sa.Column("block", sa.Integer, nullable=False),
)

# How many standings are in each block; NULL: not counted yet.
rank_counts = sa.Table(
    "rank_counts",
    metadata,
    sa.Column("board_id", sa.Text, sa.ForeignKey("boards.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("counts", ARRAY(sa.Integer), nullable=False),
    # Of each 64 counts.
    sa.Column("sums", ARRAY(sa.Integer), nullable=False),
    # How many may be in a block before it is split, and whether one has more, or is not counted.
    sa.Column("split_over", sa.Integer, nullable=False, server_default="512"),
    sa.Column("untended", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint("0 <= ALL (counts)", name="counts"),
)

RANK_FUNCTIONS = Path(__file__).parent.joinpath("migrations", "sql", "0014_ranks.sql").read_text()
"""What counts, tends and reads them, and the triggers. The migrations make it, `metadata` does not."""

TRIGGERS = {
    "boards_ranks": "boards",
    "standings_board": "standings",
    "standings_board_left": "standings",
    "standings_inserted": "standings",
    "standings_updated": "standings",
    "standings_deleted": "standings",
    "standings_emptied": "standings",
}
"""The table of each trigger without which ranks would be wrong."""
