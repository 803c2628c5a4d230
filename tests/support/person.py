"""What is left of a person, anywhere in the stores."""

from collections.abc import Iterator
from typing import Any

import redis
import sqlalchemy as sa

from db.tables import metadata

WORDS = ("text", "jsonb", "inet", "ARRAY")


def found_in_database(engine: sa.Engine, *words: str) -> list[str]:
    """Return every `table.column` of words that holds one of these, in whatever case."""
    columns = """
        SELECT table_name, column_name FROM information_schema.columns
        JOIN pg_class ON pg_class.oid = to_regclass(table_name) AND NOT relispartition
        WHERE table_schema = 'public' AND data_type = ANY(:types) ORDER BY 1, 2
    """
    found = []
    with engine.connect() as conn:
        looked_at = [tuple(row) for row in conn.execute(sa.text(columns), {"types": list(WORDS)})]
        assert {table for table, _ in looked_at} >= set(metadata.tables) - {"standings", "erasures"}
        for table, column in looked_at:
            query = f"SELECT count(*) FROM {table} WHERE strpos(lower(CAST({column} AS text)), lower(:word)) > 0"
            if any(conn.execute(sa.text(query), {"word": word}).scalar_one() for word in words):
                found.append(f"{table}.{column}")
    return found


def found_in_redis(client: "redis.Redis", *words: str) -> list[bytes]:
    """Return every key that holds one of these, or is named after it."""
    wanted = [word.lower().encode() for word in words]
    return [
        key for key in client.scan_iter() if any(it in part.lower() for part in _parts(client, key) for it in wanted)
    ]


def _parts(client: Any, key: bytes) -> Iterator[bytes]:
    yield key
    kind = client.type(key)
    if kind == b"string":
        yield client.get(key) or b""
    elif kind == b"hash":
        for field, value in client.hgetall(key).items():
            yield from (field, value)
    elif kind == b"list":
        yield from client.lrange(key, 0, -1)
    elif kind == b"set":
        yield from client.smembers(key)
    elif kind == b"zset":
        yield from client.zrange(key, 0, -1)
    else:
        assert kind == b"none", (key, kind)  # it expired meanwhile
