"""Auditing, rebuilding, exporting."""

import csv
import sys
from functools import partial

import click
import msgspec

from app.board import audit as audits
from app.board import rebuild as rebuilding
from app.cli.database import database, publish_board, publisher
from app.domain.ids import ActionId
from config.settings import Settings
from db import moderation, transaction

PAGE = 5000


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


@click.command()
@click.option("--csv", "as_csv", is_flag=True, help="Comma separated values; without it JSON, one action a line.")
@click.pass_obj
def export(config: Settings, as_csv: bool) -> None:
    """Write every action to standard output, in the order of their start."""
    writer = csv.writer(sys.stdout)
    if as_csv:
        writer.writerow(moderation.EXPORTED)
    after: ActionId | None = None
    written = 0
    with database(config) as made:
        while rows := transaction.in_transaction(made, partial(moderation.export_page, after=after, most=PAGE)):
            for row in rows:
                if as_csv:
                    writer.writerow(row)
                else:
                    click.echo(msgspec.json.encode(dict(zip(moderation.EXPORTED, row, strict=True))))
            after = ActionId(rows[-1][0])
            written += len(rows)
            if sys.stderr.isatty():
                click.echo(f"\r{written} actions", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo(err=True)
