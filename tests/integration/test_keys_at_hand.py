"""The service keys that a process has at hand: what they cost the database, and what it may be away for."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.access.keys import Keys
from app.concurrency.threads import Threads
from app.domain.errors import Unauthorized, Unavailable
from app.domain.service_keys import KeyId, new_key
from db import engine as engines
from tests.support.keys import add_key, revoke_key
from tests.support.service import Stores

Play = Callable[[Keys], Awaitable[None]]


class Desk:
    """Runs a test's part on an event loop, with keys on an engine whose statements are counted."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.statements: list[str] = []
        self.ended: list[KeyId] = []
        sa.event.listen(engine, "before_cursor_execute", lambda *args: self.statements.append(args[2]))

    def run(self, play: Play) -> None:
        async def whole() -> None:
            threads = Threads("test", 2, depth=10)
            keys = Keys(self.engine, threads, self._end)
            await keys._poll()
            self.statements.clear()
            try:
                await play(keys)
            finally:
                keys.close()
                threads.close()

        with asyncio.Runner() as runner:
            runner.run(whole())

    def asked(self) -> int:
        """Return how often the table of keys was looked at, and begin again."""
        count = sum("service_keys" in it for it in self.statements)
        self.statements.clear()
        return count

    def _end(self, key_ids: Collection[KeyId]) -> None:
        self.ended += key_ids


@pytest.fixture
def desk(stores: Stores) -> Iterator[Desk]:
    engine = engines.connect(str(stores.engine.url.render_as_string(False)), engines.WEB, pool_size=2, name="test")
    yield Desk(engine)
    engine.dispose()


async def refused(keys: Keys, key: str) -> bool:
    try:
        await keys.find(key)
    except Unauthorized:
        return True
    return False


def test_flood_of_wrong_keys_is_looked_up_in_a_batch_and_once(stores: Stores, desk: Desk) -> None:
    known = add_key(stores, "actions")

    async def play(keys: Keys) -> None:
        made_since = add_key(stores, "actions")
        assert keys.known(known) is not None
        assert keys.known(made_since) is None
        wrong = [new_key() for _ in range(300)]
        *answers, found = await asyncio.gather(*(refused(keys, it) for it in wrong), keys.find(made_since))
        assert all(answers)
        assert found == keys.known(made_since)
        assert desk.asked() <= 2
        assert all([await refused(keys, it) for it in wrong])
        assert keys.known(known) is not None
        assert desk.asked() == 0

    desk.run(play)


def test_known_keys_go_on_without_the_database_until_they_expire(stores: Stores, desk: Desk) -> None:
    key = add_key(stores, "actions")
    brief = add_key(stores, "actions", expires_at=datetime.now(UTC) + timedelta(seconds=1.5))

    async def play(keys: Keys) -> None:
        assert keys.known(brief) is not None
        with stores.engine.connect() as busy:
            busy.exec_driver_sql("LOCK TABLE service_keys IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                await keys.find(new_key())
            with pytest.raises(Unavailable):
                await keys._poll()
            assert keys.known(key) is not None
            assert keys.known(brief) is None
            busy.rollback()
        assert await refused(keys, brief)

    desk.run(play)


def test_poll_drops_revoked_keys_and_writes_a_use_once_a_minute(stores: Stores, desk: Desk) -> None:
    add_key(stores, "actions", name="used")
    key = add_key(stores, "actions", name="revoked")
    used_at = "SELECT last_used_at FROM service_keys WHERE name = :name"

    async def play(keys: Keys) -> None:
        known = keys.known(key)
        assert known is not None
        await keys._poll()
        first = stores.value(used_at, name="revoked")
        assert first is not None
        assert stores.value(used_at, name="used") is None
        keys.known(key)
        await keys._poll()
        assert stores.value(used_at, name="revoked") == first
        assert desk.ended == []
        revoke_key(stores, "revoked")
        await keys._poll()
        assert desk.ended == [known.key_id]
        assert keys.known(key) is None
        await keys._poll()
        assert desk.ended == [known.key_id]

    desk.run(play)
