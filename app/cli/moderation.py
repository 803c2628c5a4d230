"""Commands to suspend and reinstate, release and reverse, adjust points, and switch flags."""

import ipaddress
from collections.abc import Callable
from datetime import datetime

import click
import sqlalchemy as sa

from app.board import correct
from app.cli.database import board_rules, database, in_transaction, publish_boards
from app.domain.errors import Conflict, NotFound
from app.domain.ids import ActionId, UserId, is_id
from config.settings import Settings
from db import audit_events, feature_flags, moderation, transaction, users

ACTOR = "shell"
LONGEST_REASON = 500


def _reason(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not 1 <= len(value) <= LONGEST_REASON:
        raise click.BadParameter(f"has 1 to {LONGEST_REASON} characters")
    return value


def _network(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return value and str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no address and no network") from None


must_have_reason = click.option("--reason", required=True, callback=_reason)
may_have_reason = click.option("--reason", callback=_reason)


@click.command()
@click.argument("username")
@must_have_reason
@click.pass_obj
def suspend(config: Settings, username: str, reason: str) -> None:
    """Take a player off the board, and refuse what the player does."""
    _change_user(
        config,
        username,
        lambda conn, user_id: correct.suspend(conn, board_rules(config), user_id, actor=ACTOR, reason=reason),
    )
    click.echo(f"{username} is suspended.")


@click.command()
@click.argument("username")
@may_have_reason
@click.pass_obj
def reinstate(config: Settings, username: str, reason: str | None) -> None:
    """Undo a suspension."""
    _change_user(
        config,
        username,
        lambda conn, user_id: correct.reinstate(conn, board_rules(config), user_id, actor=ACTOR, reason=reason),
    )
    click.echo(f"{username} is reinstated.")


@click.command()
@click.argument("username")
@may_have_reason
@click.pass_obj
def hide(config: Settings, username: str, reason: str | None) -> None:
    """Take a player off the board and out of all ranks; the player plays on."""
    _change_user(
        config,
        username,
        lambda conn, user_id: correct.hide(conn, board_rules(config), user_id, actor=ACTOR, reason=reason),
    )
    click.echo(f"{username} is hidden.")


@click.command()
@click.argument("username")
@may_have_reason
@click.pass_obj
def show(config: Settings, username: str, reason: str | None) -> None:
    """Undo a hiding."""
    _change_user(
        config,
        username,
        lambda conn, user_id: correct.show(conn, board_rules(config), user_id, actor=ACTOR, reason=reason),
    )
    click.echo(f"{username} is shown.")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("username")
@click.argument("points", type=click.IntRange(-1_000_000_000, 1_000_000_000))
@must_have_reason
@click.pass_obj
def adjust(config: Settings, username: str, points: int, reason: str) -> None:
    """Give a player points, or take some when POINTS is negative."""
    if points == 0:
        raise click.BadParameter("must not be 0", param_hint="POINTS")
    _change_user(
        config,
        username,
        lambda conn, user_id: correct.adjust(conn, board_rules(config), user_id, points, actor=ACTOR, reason=reason),
    )
    click.echo(f"{username} was adjusted by {points} points.")


@click.command()
@click.argument("action_id")
@may_have_reason
@click.pass_obj
def release(config: Settings, action_id: str, reason: str | None) -> None:
    """Let a held or reversed action count."""
    with database(config) as made:
        transaction.in_transaction(
            made,
            lambda conn: correct.release(conn, board_rules(config), _action_id(action_id), actor=ACTOR, reason=reason),
        )
        publish_boards(config, made)
    click.echo(f"{action_id} is released.")


@click.command()
@click.argument("action_ids", nargs=-1)
@click.option("--user", "username", help="All of this player's cleared and held actions.")
@click.option("--address", callback=_network, help="All that were completed from this address or network (CIDR).")
@click.option("--since", type=click.DateTime(), help="Only those that ended at or after this time, UTC.")
@click.option("--until", type=click.DateTime(), help="Only those that ended before this time, UTC.")
@click.option("--dry-run", is_flag=True, help="List what would be reversed, change nothing.")
@must_have_reason
@click.pass_obj
def reverse(
    config: Settings,
    action_ids: tuple[str, ...],
    username: str | None,
    address: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    reason: str,
) -> None:
    """Take the points of actions away: of those named, or of all by player, address and time."""
    if bool(action_ids) == bool(username or address or since or until):
        raise click.UsageError("Name actions, or choose them by --user, --address, --since and --until.")
    rules = board_rules(config)
    with database(config) as made:
        chosen = [_action_id(it) for it in action_ids] or transaction.in_transaction(
            made, lambda conn: _chosen(conn, username, address, since, until)
        )
        refused = 0
        for action_id in chosen:
            if dry_run:
                click.echo(action_id)
                continue
            try:
                transaction.in_transaction(
                    made,
                    lambda conn, it=action_id: correct.reverse(conn, rules, it, actor=ACTOR, reason=reason),  # type: ignore[misc]
                )
            except (Conflict, NotFound) as error:
                refused += 1
                click.echo(f"{action_id}: {error.detail}", err=True)
        if not dry_run:
            publish_boards(config, made)
    click.echo(f"{len(chosen) - refused} actions {'would be' if dry_run else 'are'} reversed.")
    if refused:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name", type=click.Choice(feature_flags.NAMES))
@click.argument("state", type=click.Choice(["on", "off"]))
@may_have_reason
@click.pass_obj
def flag(config: Settings, name: str, state: str, reason: str | None) -> None:
    """Switch a flag on or off; every process follows within seconds."""

    def switch(conn: sa.Connection) -> None:
        audit_events.record(conn, "flag_changed", actor=ACTOR, reason=reason, name=name, enabled=state == "on")
        feature_flags.write(conn, name, enabled=state == "on", actor=ACTOR)

    in_transaction(config, switch)
    click.echo(f"{name} is {state}.")


def _change_user(config: Settings, username: str, change: Callable[[sa.Connection, UserId], None]) -> None:
    def work(conn: sa.Connection) -> None:
        change(conn, _user_id(conn, username))

    with database(config) as made:
        transaction.in_transaction(made, work)
        publish_boards(config, made)


def _user_id(conn: sa.Connection, username: str) -> UserId:
    found = users.credentials(conn, username)
    if found is None:
        raise click.ClickException(f"There is no user {username!r}.")
    return found.user_id


def _action_id(text: str) -> ActionId:
    if not is_id(text):
        raise click.BadParameter(f"{text!r} is no action's id")
    return ActionId(text)


def _chosen(
    conn: sa.Connection, username: str | None, address: str | None, since: datetime | None, until: datetime | None
) -> list[ActionId]:
    user_id = _user_id(conn, username) if username else None
    return moderation.reversible(conn, user_id=user_id, network=address, since=since, until=until)
