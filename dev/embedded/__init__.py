"""Real PostgreSQL and Redis as child processes, for development and tests."""

from dev.embedded.directory import StoreError
from dev.embedded.postgres import Postgres
from dev.embedded.redis import Redis
from dev.embedded.store import Store

__all__ = ["Postgres", "Redis", "Store", "StoreError"]
