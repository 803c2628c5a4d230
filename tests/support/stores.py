"""Stores of which one can be killed, because it is this module's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from db import engine as engines
from db import redis as redis_client
from db.migrate import migrate
from tests.support.board import BOARDS
from tests.support.service import Stores


@contextmanager
def on_postgres(stores: Stores, url: str) -> Iterator[Stores]:
    """Migrate another PostgreSQL, and use it in place of the one at hand."""
    engine = engines.connect(
        url.replace("postgresql://", "postgresql+psycopg2://"), engines.OPERATOR, pool_size=5, name="test"
    )
    migrate(engine, BOARDS)
    try:
        yield replace(stores, database_url=url, engine=engine)
    finally:
        engine.dispose()


@contextmanager
def on_redis(stores: Stores, url: str) -> Iterator[Stores]:
    """Use another Redis in place of the one at hand."""
    with redis_client.connect(url, timeout=1) as client:
        yield replace(stores, redis_url=url, redis=client)
