"""Commands to make, list and delete join codes."""

from datetime import UTC, datetime

import click

from app.accounts import join_codes
from app.cli.database import in_transaction
from app.cli.moderation import ACTOR, may_have_reason
from app.domain.ids import JoinCodeId, is_id
from config.settings import Settings
from db import join_codes as stored

LISTED = 200
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.option("--uses", required=True, type=click.IntRange(1, join_codes.MOST_USES), help="How many may join by it.")
@click.option("--until", type=MOMENT, help="When it expires, UTC; never when left out.")
@click.option("--note", help="What it is for.")
@click.pass_obj
def create_join_code(config: Settings, uses: int, until: datetime | None, note: str | None) -> None:
    """Make a code that lets people register, and print it: it is shown only now."""
    if note is not None and len(note) > join_codes.LONGEST_NOTE:
        raise click.BadParameter(f"has at most {join_codes.LONGEST_NOTE} characters", param_hint="--note")
    expires_at = until.replace(tzinfo=UTC) if until else None
    code, made = in_transaction(
        config,
        lambda conn: join_codes.create(
            conn, config.secret_key, uses=uses, expires_at=expires_at, note=note, actor=ACTOR
        ),
    )
    click.echo(f"The join code {made.id}, for {_uses(made.uses)}: {code}")
    if config.public_url is not None:
        click.echo(join_codes.link(config.public_url, code))
    if config.registration != "code":
        click.echo(f"It is of no use while REGISTRATION is {config.registration}: set it to code.", err=True)


@click.command()
@click.pass_obj
def list_join_codes(config: Settings) -> None:
    """List the newest codes: id, how often each was used, until when, and what for."""
    found, more = in_transaction(config, lambda conn: stored.page(conn, before=None, limit=LISTED))
    for it in found:
        until = f"until {it.expires_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if it.expires_at else "for ever"
        click.echo("  ".join([it.id, f"{it.used} of {_uses(it.uses)}", until, it.note or ""]).rstrip())
    if more is not None:
        click.echo(f"These are the newest {LISTED}.", err=True)


@click.command()
@click.argument("id")
@may_have_reason
@click.pass_obj
def delete_join_code(config: Settings, id: str, reason: str | None) -> None:
    """Delete a code, by its id: nobody joins by it from then on."""
    if not is_id(id):
        raise click.BadParameter(f"{id!r} is no code's id: see list-join-codes", param_hint="ID")
    in_transaction(config, lambda conn: join_codes.delete(conn, JoinCodeId(id), actor=ACTOR, reason=reason))
    click.echo(f"The join code {id} is deleted.")


def _uses(count: int) -> str:
    return "1 use" if count == 1 else f"{count} uses"
