"""The command that gives a user other names."""

import click
import msgspec
import sqlalchemy as sa

from app.board import rename as renaming
from app.cli.database import board_rules, database, publish_boards
from app.cli.moderation import ACTOR, must_have_reason
from app.domain.names import check_display_name
from app.domain.users import InvalidUser, check_user
from config.settings import Settings
from db import transaction, users


@click.command()
@click.argument("username")
@click.option("--username", "new_username", help="The name to sign in with from now on.")
@click.option("--display-name", help="The name that boards show.")
@click.option("--no-display-name", is_flag=True, help="Take the display name away.")
@must_have_reason
@click.pass_obj
def rename(
    config: Settings,
    username: str,
    new_username: str | None,
    display_name: str | None,
    no_display_name: bool,
    reason: str,
) -> None:
    """Give a user another username, display name, or both; boards show them at once."""
    if display_name is not None and no_display_name:
        raise click.UsageError("--display-name or --no-display-name, not both.")
    if new_username is None and display_name is None and not no_display_name:
        raise click.UsageError("Missing one of --username, --display-name and --no-display-name.")
    try:
        if new_username is not None:
            check_user(username=new_username)
        shown = None if display_name is None else check_display_name(display_name, "--display-name")
    except InvalidUser as error:
        raise click.ClickException(str(error)) from None

    def work(conn: sa.Connection) -> bool:
        found = users.credentials(conn, username)
        if found is None:
            raise click.ClickException(f"There is no user {username!r}.")
        return renaming.rename(
            conn,
            board_rules(config),
            found.user_id,
            username=new_username,
            display_name=shown if shown is not None or no_display_name else msgspec.UNSET,
            actor=ACTOR,
            reason=reason,
        )

    with database(config) as made:
        changed = transaction.in_transaction(made, work)
        publish_boards(config, made)
    click.echo(f"{username} is renamed." if changed else f"{username} has these names already.")
