"""Commands that create admins, set passwords, erase persons, and create the demo players."""

import sys

import click
import sqlalchemy as sa

from app.access.passwords import hash_password
from app.accounts.create import NewUser, create_user
from app.board import erase as erasing
from app.board import roles
from app.cli.database import board_rules, database, in_transaction, publish_boards
from app.cli.moderation import may_have_reason, must_have_reason
from app.domain.errors import NameTaken, NotFound
from app.domain.ids import UserId, is_id, new_id
from app.domain.users import InvalidUser, check_user
from config.settings import Settings
from db import audit_events, password_resets, transaction, users

DEMO_USERS = {"alice": "player", "bob": "player", "carol": "player", "operator": "admin"}
"""Names and roles."""

DEMO_PASSWORD = "demo-password"

password_option = click.password_option(
    help="Asked for when left out; also read from the variable PASSWORD.", envvar="PASSWORD"
)


@click.command()
@click.argument("username")
@click.option("--email", help="Not needed.")
@click.option("--promote", is_flag=True, help="Make an existing user an admin, who keeps the password.")
@click.option("--password", envvar="PASSWORD", help="Asked for when left out; also read from the variable PASSWORD.")
@may_have_reason
@click.pass_obj
def create_admin(
    config: Settings, username: str, email: str | None, promote: bool, password: str | None, reason: str | None
) -> None:
    """Create an admin. An existing user of that name is left unchanged, unless --promote is given."""
    if promote:
        if email is not None:
            raise click.UsageError("--promote takes no --email: it changes nothing but the role.")
        _set_role(config, username, "admin", reason, done="is an admin now; the password is unchanged")
        return
    if password is None:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    _check(username, email, password)
    password_hash = hash_password(password)

    def create(conn: sa.Connection) -> None:
        try:
            user_id = create_user(conn, NewUser(username, email, password_hash, role="admin"), actor=None)
        except NameTaken as error:
            raise click.ClickException(
                f"{error.detail} That user keeps role and password. "
                f"If you trust that user: create-admin {username} --promote"
            ) from None
        audit_events.record(conn, "role_changed", actor="shell", user_id=user_id, reason=reason, role="admin")

    in_transaction(config, create)
    click.echo(f"Created the admin {username}.")


@click.command()
@click.argument("username")
@may_have_reason
@click.pass_obj
def demote(config: Settings, username: str, reason: str | None) -> None:
    """Make an admin a player again; the last active admin stays."""
    _set_role(config, username, "player", reason, done="is a player now")


def _set_role(config: Settings, username: str, role: str, reason: str | None, *, done: str) -> None:
    def change(conn: sa.Connection) -> bool:
        try:
            return roles.set_role(conn, user_id_of(conn, username), role, actor="shell", reason=reason)
        except (NotFound, roles.LastAdmin) as error:
            raise click.ClickException(error.detail) from None

    changed = in_transaction(config, change)
    click.echo(f"{username} {done}." if changed else f"{username} was {'an admin' if role == 'admin' else 'a player'}.")


@click.command()
@click.argument("username")
@password_option
@may_have_reason
@click.pass_obj
def set_password(config: Settings, username: str, password: str, reason: str | None) -> None:
    """Set a user's password; every token of that user is revoked."""
    _check(username, None, password)
    password_hash = hash_password(password)

    def change(conn: sa.Connection) -> None:
        user_id = users.set_password(conn, username, password_hash)
        if user_id is None:
            raise click.ClickException(f"There is no user {username!r}.")
        password_resets.forget(conn, user_id)
        audit_events.record(conn, "logged_out", actor="shell", user_id=user_id, reason=reason or "the password was set")

    in_transaction(config, change)
    click.echo(f"The password of {username} is set.")


@click.command()
@click.argument("user")
@must_have_reason
@click.option("--yes", is_flag=True, help="Don't ask, at a terminal, whether this is meant.")
@click.pass_obj
def erase(config: Settings, user: str, reason: str, yes: bool) -> None:
    """Erase a person for good: USER is a username, or an id. The actions stay without a name, on no board."""
    with database(config) as made:
        user_id = transaction.in_transaction(made, lambda conn: user_id_of(conn, user))
        if sys.stdin.isatty() and not yes:
            click.confirm(f"Erase {user}? This can't be undone.", abort=True)
        erased = transaction.in_transaction(
            made, lambda conn: erasing.erase(conn, board_rules(config), user_id, actor="shell", reason=reason)
        )
        publish_boards(config, made)
    click.echo(f"{user_id} is erased." if erased else f"{user_id} was erased before.")


def user_id_of(conn: sa.Connection, user: str) -> UserId:
    """Find a user by id, of whom nothing else may be left, or by name."""
    if is_id(user):
        return UserId(user)
    found = users.credentials(conn, user)
    if found is None:
        raise click.ClickException(f"There is no user {user!r}.")
    return found.user_id


@click.command()
@click.pass_obj
def demo(config: Settings) -> None:
    """Make the players alice, bob and carol, and the admin operator, for trying things out; never in production."""
    if config.production:
        raise click.ClickException("Demo users have a known password: not in production.")

    def create(conn: sa.Connection) -> list[str]:
        return [
            name
            for name, role in DEMO_USERS.items()
            if users.insert(
                conn,
                UserId(new_id()),
                username=name,
                email=f"{name}@example.org",
                password_hash=hash_password(DEMO_PASSWORD),
                role=role,
            )
        ]

    made = in_transaction(config, create)
    if made:
        click.echo(f"Made the demo users {', '.join(made)} with the password {DEMO_PASSWORD}.")


def _check(username: str, email: str | None, password: str) -> None:
    try:
        check_user(username=username, email=email, password=password)
    except InvalidUser as error:
        raise click.ClickException(str(error)) from None
