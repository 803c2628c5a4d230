"""The open WebSockets and streams of this process: counts them by user and address, and closes them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from prometheus_client import Gauge

from app.domain.errors import Overloaded, TooManyConnections
from app.domain.ids import UserId
from app.domain.service_keys import KeyId
from app.live.close_codes import CloseCode
from config.settings import Settings
from db.users import UserState
from telemetry import metrics


@dataclass(eq=False, slots=True)
class Connection:
    """One socket or stream: whose it is, its address, and its close code once that is decided.

    `owner` is None for a stream without a token, `token_version` for what a service key has opened.
    """

    owner: UserId | KeyId | None
    token_version: int | None
    limited_as: str | None
    gauge: Gauge
    closing: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def close(self, code: int) -> None:
        """Ask for it to be closed; the first code counts."""
        if not self.closing.done():
            self.closing.set_result(code)


class Connections:
    """Admits sockets and streams within the limits of the settings, and closes those whose tokens were revoked."""

    def __init__(self, settings: Settings) -> None:
        self._max = settings.ws_max_connections
        self._max_per_user = settings.ws_max_per_user
        self._max_per_ip = settings.ws_max_per_ip
        self._by_user: defaultdict[UserId | KeyId, set[Connection]] = defaultdict(set)
        self._by_key: defaultdict[UserId | KeyId, set[Connection]] = defaultdict(set)
        self._by_address: Counter[str] = Counter()
        self.count = 0

    def admit(
        self,
        owner: UserId | KeyId | None,
        token_version: int | None,
        limited_as: str | None,
        gauge: Gauge = metrics.ws_connections,
    ) -> Connection:
        """Count a new socket or stream in.

        Args:
            owner: a user, or a service key; None for a stream without a token.
            token_version: that of the user's token; None without one.
            limited_as: None for an address without limits.
            gauge: what counts those of its kind.

        Raises:
            TooManyConnections: when its owner or its address has too many.
            Overloaded: when the process is full.
        """
        connection = Connection(owner, token_version, limited_as, gauge)
        mine = self._mine(connection)
        if owner is not None and len(mine.get(owner, ())) >= self._max_per_user:
            raise TooManyConnections(f"Its owner has {self._max_per_user} connections already.", retry_after=30)
        if limited_as is not None and self._by_address[limited_as] >= self._max_per_ip:
            raise TooManyConnections(f"This address has {self._max_per_ip} connections already.", retry_after=30)
        if self.count >= self._max:
            raise Overloaded("This process has no connection left.", retry_after=5)
        if owner is not None:
            mine[owner].add(connection)
        if limited_as is not None:
            self._by_address[limited_as] += 1
        self.count += 1
        gauge.inc()
        return connection

    def release(self, connection: Connection) -> None:
        """Count a socket or stream out."""
        if connection.owner is not None:
            mine = self._mine(connection)
            mine[connection.owner].discard(connection)
            if not mine[connection.owner]:
                del mine[connection.owner]
        if connection.limited_as is not None:
            self._by_address[connection.limited_as] -= 1
            if not self._by_address[connection.limited_as]:
                del self._by_address[connection.limited_as]
        self.count -= 1
        connection.gauge.dec()

    def users(self) -> Iterable[UserId]:
        """Return the users who have a socket or stream here."""
        return [UserId(it) for it in self._by_user]

    def user_changed(self, user_id: UserId, state: UserState) -> None:
        """Close what a user's new state forbids."""
        for connection in list(self._by_user.get(user_id, ())):
            if connection.token_version != state.token_version:
                connection.close(CloseCode.TOKEN_OVER)
            elif not state.active:
                connection.close(CloseCode.SUSPENDED)

    def keys_ended(self, key_ids: Collection[KeyId]) -> None:
        """Close what belongs to service keys that were revoked or have expired."""
        for key_id in key_ids:
            for connection in list(self._by_key.get(key_id, ())):
                connection.close(CloseCode.TOKEN_OVER)

    def _mine(self, connection: Connection) -> defaultdict[UserId | KeyId, set[Connection]]:
        return self._by_key if connection.token_version is None else self._by_user
