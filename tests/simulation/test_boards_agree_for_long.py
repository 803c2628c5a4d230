"""Board, rank, around, paging and a plain sort agree after every step of a machine that changes boards at random."""

import os

import pytest
import sqlalchemy as sa

from tests.support.league import League

SEEDS = os.environ.get("LEAGUE_SEEDS", "11 12 13 14").split()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [int(it) for it in SEEDS])
def test_boards_agree_with_a_plain_sort_for_long(engine: sa.Engine, seed: int) -> None:
    League(engine, seed, players=12).run(steps=100)
