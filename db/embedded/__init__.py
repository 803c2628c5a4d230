"""Real PostgreSQL and Redis as child processes, for development and tests."""

from db.embedded.directory import StoreError
from db.embedded.postgres import Postgres
from db.embedded.redis import Redis
from db.embedded.store import Store

__all__ = ["Postgres", "Redis", "Store", "StoreError"]
