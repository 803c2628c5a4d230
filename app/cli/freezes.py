"""Commands to freeze, thaw and reveal boards."""

from collections.abc import Callable
from datetime import UTC, datetime

import click
import sqlalchemy as sa

from app.board import freeze as freezing
from app.cli.database import board_rules, database, publish_boards
from app.cli.moderation import ACTOR, must_have_reason
from app.domain.board_rules import MOST_TOP, BoardRule
from app.domain.ids import BoardId
from config.settings import Settings
from db import transaction
from db.freezes import State

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])

of_period = click.option("--period", help="A period of the board, such as 2026-W47: the present one when left out.")


@click.command()
@click.argument("board")
@click.option("--at", type=MOMENT, help="When, UTC: at once when left out.")
@of_period
@must_have_reason
@click.pass_obj
def freeze(config: Settings, board: str, at: datetime | None, period: str | None, reason: str) -> None:
    """Let the public see BOARD as it is now, or as it will be at a moment, until it is thawed or revealed."""
    moment = at.replace(tzinfo=UTC) if at else None
    state = _change(
        config,
        board,
        period,
        lambda conn, _, board_id: freezing.freeze(conn, board_id, at=moment, actor=ACTOR, reason=reason),
    )
    assert state.frozen_from is not None
    when = f"{state.frozen_from.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    click.echo(f"{state.board_id} {'is frozen since' if state.frozen else 'will be frozen from'} {when}.")


@click.command()
@click.argument("board")
@of_period
@must_have_reason
@click.pass_obj
def thaw(config: Settings, board: str, period: str | None, reason: str) -> None:
    """Show BOARD as it is again, or call off a freeze that is planned."""
    state = _change(
        config,
        board,
        period,
        lambda conn, rule, board_id: freezing.thaw(conn, rule, board_id, actor=ACTOR, reason=reason),
    )
    click.echo(f"{state.board_id} is not frozen.")


@click.command()
@click.argument("board")
@click.option("--places", type=click.IntRange(1, MOST_TOP), default=1, show_default=True, help="How many more places.")
@of_period
@must_have_reason
@click.pass_obj
def reveal(config: Settings, board: str, places: int, period: str | None, reason: str) -> None:
    """Show the next places of BOARD, which is frozen, from the last up; with the first place it is thawed."""
    state = _change(
        config,
        board,
        period,
        lambda conn, rule, board_id: freezing.reveal(conn, rule, board_id, places=places, actor=ACTOR, reason=reason),
    )
    if state.frozen:
        click.echo(f"{state.board_id}: {state.revealed} of {state.places} places are revealed.")
    else:
        click.echo(f"{state.board_id}: all places are revealed, it is not frozen any more.")


def _change(
    config: Settings,
    board: str,
    period: str | None,
    work: Callable[[sa.Connection, BoardRule, BoardId], State],
) -> State:
    rule = board_rules(config).get(BoardId(board))
    if rule is None:
        raise click.ClickException(f"There is no board {board!r}.")
    with database(config) as made:
        state = transaction.in_transaction(made, lambda conn: work(conn, rule, freezing.period_id(conn, rule, period)))
        publish_boards(config, made)
    return state
