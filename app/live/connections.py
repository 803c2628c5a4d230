"""The open WebSockets of this process: counts them by user and address, and closes them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from app.domain.errors import Overloaded, TooManyConnections
from app.domain.ids import UserId
from app.domain.service_keys import KeyId
from app.live.close_codes import CloseCode
from config.settings import Settings
from db.users import UserState
from telemetry import metrics


@dataclass(eq=False, slots=True)
class Connection:
    """One socket: whose it is, its address, and its close code once that is decided.

    `token_version` is None for a socket that a service key has opened.
    """

    owner: UserId | KeyId
    token_version: int | None
    limited_as: str | None
    closing: "asyncio.Future[CloseCode]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def close(self, code: CloseCode) -> None:
        """Ask for the socket to be closed; the first code counts."""
        if not self.closing.done():
            self.closing.set_result(code)


class Connections:
    """Admits sockets within the limits of the settings, and closes those whose tokens expire or are revoked."""

    def __init__(self, settings: Settings) -> None:
        self._max = settings.ws_max_connections
        self._max_per_user = settings.ws_max_per_user
        self._max_per_ip = settings.ws_max_per_ip
        self._by_user: defaultdict[UserId | KeyId, set[Connection]] = defaultdict(set)
        self._by_key: defaultdict[UserId | KeyId, set[Connection]] = defaultdict(set)
        self._by_address: Counter[str] = Counter()
        self.count = 0

    def admit(self, owner: UserId | KeyId, token_version: int | None, limited_as: str | None) -> Connection:
        """Count a new socket in.

        Args:
            owner: a user, or a service key.
            token_version: that of the user's token; None for a service key.
            limited_as: None for an address without limits.

        Raises:
            TooManyConnections: when its owner or its address has too many.
            Overloaded: when the process is full.
        """
        connection = Connection(owner, token_version, limited_as)
        mine = self._mine(connection)
        if len(mine.get(owner, ())) >= self._max_per_user:
            raise TooManyConnections(f"Its owner has {self._max_per_user} connections already.", retry_after=30)
        if limited_as is not None and self._by_address[limited_as] >= self._max_per_ip:
            raise TooManyConnections(f"This address has {self._max_per_ip} connections already.", retry_after=30)
        if self.count >= self._max:
            raise Overloaded("This process has no connection left.", retry_after=5)
        mine[owner].add(connection)
        if limited_as is not None:
            self._by_address[limited_as] += 1
        self.count += 1
        metrics.ws_connections.inc()
        return connection

    def release(self, connection: Connection) -> None:
        """Count a socket out."""
        mine = self._mine(connection)
        mine[connection.owner].discard(connection)
        if not mine[connection.owner]:
            del mine[connection.owner]
        if connection.limited_as is not None:
            self._by_address[connection.limited_as] -= 1
            if not self._by_address[connection.limited_as]:
                del self._by_address[connection.limited_as]
        self.count -= 1
        metrics.ws_connections.dec()

    def users(self) -> Iterable[UserId]:
        """Return the users who have a socket here."""
        return [UserId(it) for it in self._by_user]

    def user_changed(self, user_id: UserId, state: UserState) -> None:
        """Close the sockets that a user's new state forbids."""
        for connection in list(self._by_user.get(user_id, ())):
            if connection.token_version != state.token_version:
                connection.close(CloseCode.TOKEN_OVER)
            elif not state.active:
                connection.close(CloseCode.SUSPENDED)

    def keys_ended(self, key_ids: Collection[KeyId]) -> None:
        """Close the sockets of service keys that were revoked or have expired."""
        for key_id in key_ids:
            for connection in list(self._by_key.get(key_id, ())):
                connection.close(CloseCode.TOKEN_OVER)

    def _mine(self, connection: Connection) -> defaultdict[UserId | KeyId, set[Connection]]:
        return self._by_key if connection.token_version is None else self._by_user
