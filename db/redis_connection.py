"""Connections to Redis that are closed when their server refuses writes, and pack what they send by hiredis.

After a failover the address leads to a new primary, but old connections still lead to the former one, now a replica.
It keeps answering reads, so that nothing else would ever end such a connection.
"""

from typing import Any

import redis
import redis.asyncio
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError, MasterDownError, ReadOnlyError


class ReadOnly(ConnectionError):
    """Redis takes no writes: it is a replica. The connection is closed, and the next one may lead elsewhere."""


_REFUSALS = (ReadOnlyError, MasterDownError)


class _Leaving:
    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except _REFUSALS as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise ReadOnly(str(error)) from None


class _OnLoop:
    _packer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> list[bytes]:
        # On an event loop redis-py does it in Python, word by word; its blocking connections have this.
        packed: list[bytes] = self._packer.pack(*args)
        return packed

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except _REFUSALS as error:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise ReadOnly(str(error)) from None


class _Plain(_Leaving, redis.Connection):
    pass


class _Secure(_Leaving, redis.SSLConnection):
    pass


class _PlainOnLoop(_OnLoop, redis.asyncio.Connection):
    pass


class _SecureOnLoop(_OnLoop, redis.asyncio.SSLConnection):
    pass


def for_address(url: str) -> type[_Plain | _Secure]:
    """Return the class of connections to an address."""
    return _Secure if url.startswith("rediss://") else _Plain


def for_address_on_loop(url: str) -> type[_PlainOnLoop | _SecureOnLoop]:
    """Return the class of an event loop's connections to an address."""
    return _SecureOnLoop if url.startswith("rediss://") else _PlainOnLoop
