"""Commands to audit and to rebuild."""

import click

from app.board import audit as audits
from app.board import rebuild as rebuilding
from app.cli.database import board_ids, database, publish_boards, publisher
from config.settings import Settings
from db import transaction


@click.command()
@click.pass_obj
def audit(config: Settings) -> None:
    """Count the violations of each invariant; exit code 1 if there is any."""
    with database(config) as made:
        ids = board_ids(config)
        checks = transaction.in_transaction(made, lambda conn: audits.audit(conn, ids))
        checks += audits.published(made, publisher(config), ids)
    for check in checks:
        click.echo(f"{check.name:<14} {check.violations}")
    if any(check.violations for check in checks):
        raise click.exceptions.Exit(1)


@click.command()
@click.pass_obj
def rebuild(config: Settings) -> None:
    """Recompute standings and boards from the actions; changes only what was wrong."""
    with database(config) as made:
        rebuilt = [
            transaction.in_transaction(made, lambda conn, it=board_id: rebuilding.rebuild(conn, it))  # type: ignore[misc]
            for board_id in board_ids(config)
        ]
        publish_boards(config, made)
    standings = sum(len(changed) for changed, _ in rebuilt)
    boards = any(version is not None for _, version in rebuilt)
    click.echo(f"{standings} standings changed; the board {'did' if boards else 'did not'} change.")
