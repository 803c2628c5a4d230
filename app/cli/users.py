"""Commands that make a user, and a link for one who forgot the password."""

import click
import sqlalchemy as sa

from app.access.passwords import generate_password, hash_password
from app.accounts import reset
from app.accounts.create import NewUser
from app.accounts.create import create_user as create
from app.cli.accounts import user_id_of
from app.cli.database import in_transaction
from app.cli.moderation import ACTOR, may_have_reason
from app.domain.names import check_display_name
from app.domain.users import InvalidUser, Role, check_password
from config.settings import Settings


@click.command()
@click.argument("username")
@click.option("--display-name", help="The name that boards show.")
@click.option("--email", help="Not needed.")
@click.option("--password", envvar="PASSWORD", help="Generated when left out; also read from the variable PASSWORD.")
@click.option("--role", type=click.Choice(["player", "admin"]), default="player", show_default=True)
@may_have_reason
@click.pass_obj
def create_user(
    config: Settings,
    username: str,
    display_name: str | None,
    email: str | None,
    password: str | None,
    role: Role,
    reason: str | None,
) -> None:
    """Create a user. A password that is generated is printed, and never again."""
    chosen = password if password is not None else generate_password()
    try:
        check_password(chosen)
        shown = check_display_name(display_name) if display_name is not None else None
        new = NewUser(username, email, hash_password(chosen), shown, role=role)
    except InvalidUser as error:
        raise click.ClickException(str(error)) from None
    in_transaction(config, lambda conn: create(conn, new, actor=ACTOR, reason=reason))
    click.echo(f"Created the {role} {username}.")
    if password is None:
        click.echo(f"Password: {chosen}")


@click.command()
@click.argument("user")
@may_have_reason
@click.pass_obj
def reset_link(config: Settings, user: str, reason: str | None) -> None:
    """Print a link by which USER, a username or an id, sets a new password: good once, for 24 hours."""
    if config.public_url is None:
        raise click.ClickException("PUBLIC_URL is not set: the link begins with the address of the page.")

    def work(conn: sa.Connection) -> reset.Link:
        return reset.create_link(conn, user_id_of(conn, user), actor=ACTOR, reason=reason)

    link = in_transaction(config, work)
    click.echo(reset.page_with(config.public_url, link.token))
    click.echo(f"Good once, until {link.expires_at.isoformat(timespec='seconds').replace('+00:00', 'Z')}.", err=True)
