"""Opens the stores for a command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import click
import sqlalchemy as sa

from app.board.publish import publish_all, signer_of
from app.domain import scoring
from app.domain.board_rules import BoardRules, parse
from app.domain.errors import ScoreboardError
from config import rules
from config.settings import Settings
from db import engine, redis, transaction
from db import replica as db_replica
from db.redis import Publisher

T = TypeVar("T")


@contextmanager
def database(config: Settings) -> Iterator[sa.Engine]:
    """Yield an engine for the length of a command; an expected failure ends it with one line."""
    made = engine.connect(config.database_url, engine.OPERATOR, pool_size=2, name="manage")
    try:
        yield made
    except ScoreboardError as error:
        raise click.ClickException(error.detail) from None
    finally:
        made.dispose()


@contextmanager
def replica(config: Settings, primary: sa.Engine, unwanted: bool) -> Iterator[list[sa.Engine]]:
    """Yield the replica's engine if there is one, and it has all that is committed by now; otherwise say why not."""
    if config.database_replica_url is None or unwanted:
        yield []
        return
    made = db_replica.connect(config.database_replica_url, engine.OPERATOR, pool_size=2, name="manage-replica")
    try:
        refusal = db_replica.refusal(primary, made, within=config.replica_max_lag)
        if refusal:
            click.echo(f"reading from DATABASE_URL: {refusal}", err=True)
        yield [] if refusal else [made]
    finally:
        made.dispose()


def in_transaction(config: Settings, work: Callable[[sa.Connection], T]) -> T:
    """Run a command's work in one transaction."""
    with database(config) as made:
        return transaction.in_transaction(made, work)


def publisher(config: Settings) -> Publisher:
    """Yield the publisher of the key and the channel."""
    channels = redis.connect_channels(config, timeout=2)
    return Publisher.on(redis.connect(config.redis_url, timeout=2), signer_of(config), channels)


def board_rules(config: Settings) -> BoardRules:
    """Read which boards there are, and their rules."""
    types = rules.load_or_exit("SCORING_FILE", config.scoring_file, scoring.parse)
    return rules.load_or_exit("BOARDS_FILE", config.boards_file, partial(parse, known_types=types))


def publish_boards(config: Settings, made: sa.Engine) -> None:
    """Publish what a command has changed; while Redis is away the sweep does so later."""
    publish_all(made, publisher(config), board_rules(config))
