"""The command that takes old months of actions out of the database."""

from datetime import UTC, datetime
from pathlib import Path

import click
import sqlalchemy as sa

from app.board import archive as archiving
from app.cli.database import board_rules
from app.cli.moderation import ACTOR, must_have_reason
from app.domain.errors import ScoreboardError
from config.settings import Settings
from db import archive as rows
from db import engine
from db.transaction import is_away


@click.command()
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="The directory for the files."
)
@click.option("--before", type=click.DateTime(["%Y-%m"]), help="Only months before this one, such as 2026-08.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--cancel-open", is_flag=True, help="Cancel what was begun in these months and never ended.")
@click.option("--drop", is_flag=True, help="Drop the tables of all months whose files are in the directory, and whole.")
@must_have_reason
@click.pass_obj
def archive(
    config: Settings, to: Path, before: datetime | None, dry_run: bool, cancel_open: bool, drop: bool, reason: str
) -> None:
    """Write months of actions that are over to files, and take them out of the database.

    Points, standings and ranks stay as they are. What can't be told any more, the contract says. A command that was
    interrupted is run again. Without --drop the months' tables stay in the database, detached.
    """
    rules = board_rules(config)
    moment = before.replace(tzinfo=UTC) if before else None
    # With a release's patience: a month may have a hundred million actions.
    made = engine.connect(config.database_url, engine.RELEASE, pool_size=2, name="manage")
    try:
        due = archiving.due(made, moment)
        if dry_run:
            for it in due:
                with made.connect() as conn:
                    found = rows.look(conn, it.table)
                refused = archiving.refusal(found)
                click.echo(f"{it.table}: {found.actions} actions" + (f", of which are {refused}" if refused else ""))
            return
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        for it in due:
            if cancel_open and (cancelled := archiving.cancel_open(made, it)):
                click.echo(f"{it.table}: {cancelled} open actions are cancelled.")
            done = archiving.archive_month(made, it, rules, to, actor=ACTOR, reason=reason)
            click.echo(f"{done.table}: {done.actions} actions are in {done.file}, SHA-256 {done.sha256}.")
        if not due:
            click.echo("There is nothing to archive.")
        for kept in archiving.left(made):
            if drop:
                archiving.drop(made, kept, to)
            click.echo(f"{kept.name}: the table is {'dropped' if drop else 'still there; --drop drops it'}.")
    except ScoreboardError as error:
        raise click.ClickException(error.detail) from None
    except OSError as error:
        raise click.ClickException(f"{to}: {error.strerror}") from None
    except sa.exc.DBAPIError as error:
        if not is_away(error):
            raise
        raise click.ClickException("The database can't be reached, or was lost: run it again.") from None
    finally:
        made.dispose()
