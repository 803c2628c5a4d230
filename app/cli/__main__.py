"""`python -m app.cli`: the commands, by name."""

import click

from app.cli import (
    accounts,
    archive,
    export,
    freezes,
    import_users,
    join_codes,
    keys,
    moderation,
    names,
    networks,
    upkeep,
    users,
    webhooks,
)
from config import settings
from telemetry import logs


@click.group()
@click.pass_context
def cli(context: click.Context) -> None:
    """Operate a scoreboard."""
    context.obj = settings.load_or_exit()
    logs.set_up("WARNING", json=False)


for command in (
    accounts.create_admin,
    accounts.demote,
    users.create_user,
    import_users.import_users,
    users.reset_link,
    accounts.set_password,
    accounts.erase,
    accounts.demo,
    join_codes.create_join_code,
    join_codes.list_join_codes,
    join_codes.delete_join_code,
    moderation.suspend,
    moderation.reinstate,
    moderation.hide,
    moderation.show,
    moderation.release,
    moderation.reverse,
    moderation.adjust,
    names.rename,
    moderation.flag,
    freezes.freeze,
    freezes.thaw,
    freezes.reveal,
    keys.create_key,
    keys.list_keys,
    keys.revoke_key,
    networks.trust_network,
    networks.list_networks,
    networks.distrust_network,
    webhooks.webhooks,
    upkeep.audit,
    upkeep.rebuild,
    export.export,
    archive.archive,
):
    cli.add_command(command)

if __name__ == "__main__":
    cli(prog_name="bin/manage")
