"""Commands to audit and to rebuild."""

from functools import partial

import click

from app.board import audit as audits
from app.board import ranks
from app.board import rebuild as rebuilding
from app.cli.database import board_rules, database, publish_boards, publisher
from config.settings import Settings
from db import transaction


@click.command()
@click.pass_obj
def audit(config: Settings) -> None:
    """Count the violations of each invariant; exit code 1 if there is any."""
    with database(config) as made:
        rules = board_rules(config)
        checks = transaction.in_transaction(made, lambda conn: audits.audit(conn, rules))
        checks += audits.published(made, publisher(config), rules)
    for check in checks:
        click.echo(f"{check.name:<14} {check.violations}")
    if any(check.violations for check in checks):
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--board", "boards", multiple=True, help="Only this board; may be repeated.")
@click.option("--without-archived", is_flag=True, help="Count what is not archived alone, if the rule is another.")
@click.pass_obj
def rebuild(config: Settings, boards: tuple[str, ...], without_archived: bool) -> None:
    """Recompute standings and boards from the actions; changes only what was wrong.

    It fills boards that are new, or whose rules have changed.
    """
    rules = board_rules(config)
    for name in boards:
        if name not in rules:
            raise click.UsageError(f"There is no board {name!r} in {config.boards_file.name}.")
    with database(config) as made:
        rebuilt = [
            transaction.in_transaction(
                made, partial(rebuilding.rebuild, rules=rules, board_id=board_id, without_archived=without_archived)
            )
            for board_id in rules
            if not boards or board_id in boards
        ]
        miscounted = ranks.mend(made, [it for it in rules if not boards or it in boards])
        publish_boards(config, made)
    standings = sum(len(changed) for changed, _ in rebuilt)
    changed = any(versions for _, versions in rebuilt)
    click.echo(f"{standings} standings changed; the board {'did' if changed else 'did not'} change.")
    if miscounted:
        click.echo(f"{miscounted} blocks of ranks were wrong and were counted again.")
