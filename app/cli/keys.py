"""Commands that make, list and revoke service keys."""

from datetime import UTC, datetime
from typing import cast

import click

from app.access import issued_keys
from app.cli.database import in_transaction
from app.cli.moderation import ACTOR, may_have_reason
from app.domain.ids import is_id
from app.domain.service_keys import SCOPES, KeyScope
from config.settings import Settings
from db import service_keys


@click.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may do; repeatable."
)
@click.option(
    "--expires",
    type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")),
    help="In UTC, as 2027-01-31 or 2027-01-31T12:00:00Z; without it the key never expires.",
)
@may_have_reason
@click.pass_obj
def create_key(
    config: Settings, name: str, scopes: tuple[str, ...], expires: datetime | None, reason: str | None
) -> None:
    """Make a service key, by which a trusted server reports scores; it is printed this once."""
    until = expires and expires.replace(tzinfo=UTC)
    row, key = in_transaction(
        config,
        lambda conn: issued_keys.make(
            conn, name=name, scopes=cast(tuple[KeyScope, ...], scopes), expires_at=until, actor=ACTOR, reason=reason
        ),
    )
    click.echo(f"Made the service key {row.name}, {row.key_id}. It is shown this once:", err=True)
    click.echo(key)


@click.command()
@click.pass_obj
def list_keys(config: Settings) -> None:
    """List the service keys that aren't revoked, newest first, with tabs between the columns."""
    rows, _ = in_transaction(config, lambda conn: service_keys.page(conn, before=None, limit=service_keys.MOST))
    click.echo("id\tname\tscopes\texpires\tlast use\tmade by")
    for row in rows:
        moments = (_moment(row.expires_at), _moment(row.last_used_at))
        click.echo("\t".join((row.key_id, row.name, ",".join(row.scopes), *moments, row.created_by)))


@click.command()
@click.argument("key")
@may_have_reason
@click.pass_obj
def revoke_key(config: Settings, key: str, reason: str | None) -> None:
    """Revoke a service key: KEY is its name, or its id. Every process refuses it within five seconds."""
    which = {"key_id": key} if is_id(key) else {"name": key}
    in_transaction(config, lambda conn: issued_keys.revoke(conn, actor=ACTOR, reason=reason, **which))
    click.echo(f"The service key {key} is revoked.")


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "never"
