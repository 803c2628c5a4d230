"""The open WebSockets of this process: counts them by user and address, and closes them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.domain.errors import Overloaded, TooManyConnections
from app.domain.ids import UserId
from app.live.close_codes import CloseCode
from config.settings import Settings
from db.users import UserState
from telemetry import metrics


@dataclass(eq=False, slots=True)
class Connection:
    """One socket: its user, its address, and its close code once that is decided."""

    user_id: UserId
    token_version: int
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
        self._by_user: defaultdict[UserId, set[Connection]] = defaultdict(set)
        self._by_address: Counter[str] = Counter()
        self.count = 0

    def admit(self, user_id: UserId, token_version: int, limited_as: str | None) -> Connection:
        """Count a new socket in; `limited_as` is None for an address without limits.

        Raises:
            TooManyConnections: when its user or its address has too many.
            Overloaded: when the process is full.
        """
        if len(self._by_user.get(user_id, ())) >= self._max_per_user:
            raise TooManyConnections(f"This player has {self._max_per_user} connections already.", retry_after=30)
        if limited_as is not None and self._by_address[limited_as] >= self._max_per_ip:
            raise TooManyConnections(f"This address has {self._max_per_ip} connections already.", retry_after=30)
        if self.count >= self._max:
            raise Overloaded("This process has no connection left.", retry_after=5)
        connection = Connection(user_id, token_version, limited_as)
        self._by_user[user_id].add(connection)
        if limited_as is not None:
            self._by_address[limited_as] += 1
        self.count += 1
        metrics.ws_connections.inc()
        return connection

    def release(self, connection: Connection) -> None:
        """Count a socket out."""
        mine = self._by_user[connection.user_id]
        mine.discard(connection)
        if not mine:
            del self._by_user[connection.user_id]
        if connection.limited_as is not None:
            self._by_address[connection.limited_as] -= 1
            if not self._by_address[connection.limited_as]:
                del self._by_address[connection.limited_as]
        self.count -= 1
        metrics.ws_connections.dec()

    def users(self) -> Iterable[UserId]:
        """Return the users who have a socket here."""
        return list(self._by_user)

    def user_changed(self, user_id: UserId, state: UserState) -> None:
        """Close the sockets that a user's new state forbids."""
        for connection in list(self._by_user.get(user_id, ())):
            if connection.token_version != state.token_version:
                connection.close(CloseCode.TOKEN_OVER)
            elif not state.active:
                connection.close(CloseCode.SUSPENDED)
