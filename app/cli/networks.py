"""Commands to trust a network at run time, to list those, and to trust one no longer."""

from datetime import UTC

import click
import sqlalchemy as sa

from app.access import issued_networks
from app.access.issued_networks import LONGEST_TRUST
from app.cli.database import in_transaction
from app.cli.moderation import ACTOR, may_have_reason, must_have_reason
from app.domain.errors import Malformed
from app.domain.ids import NetworkId, is_id
from app.domain.networks import Network, parse
from config.settings import Settings
from db import networks


def _network(text: str) -> Network:
    try:
        return parse(text)
    except Malformed as error:
        raise click.BadParameter(str(error.detail).removeprefix("cidr: "), param_hint="NETWORK") from None


@click.command()
@click.argument("network")
@click.option(
    "--hours", type=click.IntRange(1, LONGEST_TRUST // 3600), help="For how long; until it is removed without."
)
@must_have_reason
@click.pass_obj
def trust_network(config: Settings, network: str, hours: int | None, reason: str) -> None:
    """Trust a network, such as a classroom behind one address: no limits by address, everywhere within seconds."""
    wanted = _network(network)
    seconds = hours * 3600 if hours else None
    trusted, _ = in_transaction(
        config,
        lambda conn: issued_networks.trust(conn, wanted, expires_in=seconds, actor=ACTOR, reason=reason),
    )
    click.echo(f"{trusted.cidr} is trusted{f' for {hours} h' if hours else ''}: {trusted.id}")


@click.command()
@click.pass_obj
def list_networks(config: Settings) -> None:
    """List the networks that are trusted: id, network, until when, and why."""
    for cidr in config.trusted_networks:
        click.echo(f"TRUSTED_NETWORKS  {cidr}")
    for it in in_transaction(config, networks.listed):
        until = f"until {it.expires_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if it.expires_at else "for ever"
        click.echo(f"{it.id}  {it.cidr}  {until}  {it.reason}")


@click.command()
@click.argument("network")
@may_have_reason
@click.pass_obj
def distrust_network(config: Settings, network: str, reason: str | None) -> None:
    """Trust a network no longer, named by its id or as it was trusted."""
    wanted = None if is_id(network) else str(_network(network))

    def work(conn: sa.Connection) -> None:
        ids = [it.id for it in networks.listed(conn) if it.cidr == wanted] if wanted else [NetworkId(network)]
        if not ids:
            raise click.ClickException(f"{network} is not trusted.")
        issued_networks.remove(conn, ids[0], actor=ACTOR, reason=reason)

    in_transaction(config, work)
    click.echo(f"{network} is trusted no longer.")
