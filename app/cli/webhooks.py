"""Commands about webhooks: `bin/manage webhooks` lists them, its subcommands make, pause, try and delete them."""

from datetime import UTC, datetime
from typing import cast

import click

from app.cli.database import in_transaction
from app.cli.moderation import ACTOR, may_have_reason
from app.domain.errors import NotFound
from app.domain.ids import is_id
from app.domain.webhooks import EVENTS, STATUSES, TEMPLATES, Template, WebhookEvent
from app.outgoing import change as changes
from app.outgoing import manage
from app.outgoing.secrets import Box
from config.settings import Settings
from db import webhooks as stored


@click.group("webhooks", invoke_without_command=True)
@click.pass_context
def webhooks(context: click.Context) -> None:
    """Tell other systems what happens; without a command, list the webhooks, with tabs between the columns."""
    if context.invoked_subcommand is not None:
        return
    click.echo("id\tstate\tfailures\twaiting\tdead\tevents\ttemplate\turl")
    for it in in_transaction(context.obj, stored.listed):
        state = "paused" if it.paused else "on"
        numbers = (str(number) for number in (it.failures, it.waiting, it.dead))
        click.echo("\t".join((it.webhook_id, state, *numbers, ",".join(it.events), it.template or "-", it.url)))


@webhooks.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, required=True, type=click.Choice(EVENTS), help="Repeatable.")
@click.option("--template", type=click.Choice(TEMPLATES), help="Sentences for a channel of Discord or Slack.")
@may_have_reason
@click.pass_obj
def create(config: Settings, url: str, events: tuple[str, ...], template: str | None, reason: str | None) -> None:
    """Make a webhook; its secret is printed this once."""
    made, secret = in_transaction(
        config,
        lambda conn: manage.make(
            conn,
            Box(config.secret_keys),
            url=url,
            events=cast(tuple[WebhookEvent, ...], events),
            template=cast(Template | None, template),
            private_addresses=config.webhook_private_addresses,
            actor=ACTOR,
            reason=reason,
        ),
    )
    click.echo(f"Made the webhook {made.webhook_id}. Its secret is shown this once:", err=True)
    click.echo(secret)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@may_have_reason
@click.pass_obj
def pause(config: Settings, webhook_id: str, reason: str | None) -> None:
    """Send nothing to a webhook for now; what happens meanwhile waits."""
    _set_paused(config, webhook_id, reason, paused=True)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@may_have_reason
@click.pass_obj
def resume(config: Settings, webhook_id: str, reason: str | None) -> None:
    """Let a paused webhook go on."""
    _set_paused(config, webhook_id, reason, paused=False)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--url", help="Send to this address.")
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Tell of these alone; repeatable.")
@may_have_reason
@click.pass_obj
def change(config: Settings, webhook_id: str, url: str | None, events: tuple[str, ...], reason: str | None) -> None:
    """Send a webhook's messages elsewhere, or tell it of other events."""
    if url is None and not events:
        raise click.UsageError("One of --url and --event is needed.")
    in_transaction(
        config,
        lambda conn: changes.change(
            conn,
            _checked(webhook_id),
            url=url,
            events=cast(tuple[WebhookEvent, ...], events) or None,
            private_addresses=config.webhook_private_addresses,
            actor=ACTOR,
            reason=reason,
        ),
    )
    click.echo(f"The webhook {webhook_id} is changed.")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--drop-old", is_flag=True, help="Sign with the new secret alone, at once.")
@may_have_reason
@click.pass_obj
def rotate(config: Settings, webhook_id: str, drop_old: bool, reason: str | None) -> None:
    """Give a webhook a new secret, which is printed this once; the old one signs as well for 24 hours."""
    box = Box(config.secret_keys)
    _, secret, until = in_transaction(
        config,
        lambda conn: changes.rotate(conn, box, _checked(webhook_id), keep_old=not drop_old, actor=ACTOR, reason=reason),
    )
    old = f"signs as well until {_moment(until)}" if until else "signs no longer"
    click.echo(f"The old secret {old}. The new one is shown this once:", err=True)
    click.echo(secret)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@may_have_reason
@click.pass_obj
def delete(config: Settings, webhook_id: str, reason: str | None) -> None:
    """Delete a webhook, with what waits for it."""
    in_transaction(config, lambda conn: manage.delete(conn, _checked(webhook_id), actor=ACTOR, reason=reason))
    click.echo(f"The webhook {webhook_id} is deleted.")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.pass_obj
def test(config: Settings, webhook_id: str) -> None:
    """Send a webhook a message that says nothing but that it arrived."""
    added = in_transaction(config, lambda conn: manage.send_test(conn, _checked(webhook_id), actor=ACTOR))
    click.echo(f"Delivery {added.delivery_id} is due: see bin/manage webhooks deliveries {webhook_id}.")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@click.pass_obj
def deliveries(config: Settings, webhook_id: str, status: str | None, limit: int) -> None:
    """List what was sent to a webhook or is to be, newest first, with tabs between the columns."""
    found = _checked(webhook_id)
    in_transaction(config, lambda conn: manage.find(conn, found))
    rows, _ = in_transaction(
        config, lambda conn: stored.deliveries(conn, found, status=status, before=None, limit=limit)
    )
    click.echo("id\tevent\tstatus\tattempts\tmade\tlast attempt\tlast error")
    for it in rows:
        moments = (_moment(it.created_at), _moment(it.last_attempt_at))
        columns = (it.delivery_id, it.event, it.status, str(it.attempts), *moments, it.last_error or "-")
        click.echo("\t".join(columns))


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.argument("delivery_id", metavar="DELIVERY", type=click.IntRange(1, 10**18))
@may_have_reason
@click.pass_obj
def repeat(config: Settings, webhook_id: str, delivery_id: int, reason: str | None) -> None:
    """Send a message once more, such as one that is dead."""
    in_transaction(
        config, lambda conn: manage.repeat(conn, _checked(webhook_id), delivery_id, actor=ACTOR, reason=reason)
    )
    click.echo(f"Delivery {delivery_id} is due.")


def _checked(webhook_id: str) -> str:
    """Return an id as it was given.

    Raises:
        NotFound: when it is none.
    """
    if not is_id(webhook_id):
        raise NotFound("There is no such webhook.")
    return webhook_id


def _set_paused(config: Settings, webhook_id: str, reason: str | None, *, paused: bool) -> None:
    in_transaction(
        config,
        lambda conn: manage.set_paused(conn, _checked(webhook_id), paused=paused, actor=ACTOR, reason=reason),
    )
    click.echo(f"The webhook {webhook_id} {'is paused' if paused else 'goes on'}.")


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "-"
