"""Auditing and rebuilding."""

import click

from app.board import audit as audits
from app.board import rebuild as rebuilding
from app.cli.database import database, publish_board, publisher
from config.settings import Settings
from db import transaction


@click.command()
@click.pass_obj
def audit(config: Settings) -> None:
    """Count the violations of each invariant; exit code 1 if there is any."""
    with database(config) as made:
        checks = transaction.in_transaction(made, audits.audit) + audits.published(made, publisher(config))
    for check in checks:
        click.echo(f"{check.name:<14} {check.violations}")
    if any(check.violations for check in checks):
        raise click.exceptions.Exit(1)


@click.command()
@click.pass_obj
def rebuild(config: Settings) -> None:
    """Work standings and board out anew from the actions; it changes nothing unless something was wrong."""
    with database(config) as made:
        changed, version = transaction.in_transaction(made, rebuilding.rebuild)
        publish_board(config, made)
    click.echo(f"{len(changed)} standings changed; the board {'did not' if version is None else 'did'} change.")
