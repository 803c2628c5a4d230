"""Who asks: a spectator, a service key, somebody's token, or a player who signs in here."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

from scoreboard_client.errors import ScoreboardError
from scoreboard_client.http import Http
from scoreboard_client.timing import RENEW_AFTER

Token = str | None
TokenSource = Token | Callable[[], Token | Awaitable[Token]]


class Session:
    """Knows the token to send, and has a younger one before it is over where it can.

    Args:
        source: a token or a service key, a function that gives one (also later), or None.
    """

    def __init__(self, http: Http, source: TokenSource) -> None:
        self._http = http
        self._source = source
        self._credentials: dict[str, str] | None = None
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    @property
    def renews(self) -> bool:
        """Whether there may be another token later."""
        return self._credentials is not None or callable(self._source)

    async def sign_in(self, username: str, password: str) -> str:
        """Sign a player in, and return the user's id."""
        credentials = {"username": username, "password": password}
        async with self._lock:
            user_id = await self._login(credentials)
            self._credentials = credentials
        return user_id

    async def bearer(self, refused: Token = None) -> Token:
        """Return the token to send: another one than `refused`, if there is one."""
        if callable(self._source):
            given = self._source()
            return await given if inspect.isawaitable(given) else given
        if self._credentials is not None:
            async with self._lock:  # one renewal for all who wait
                over = refused is not None and refused == self._source
                if over or time.monotonic() >= self._renew_at:
                    await self._renew(self._credentials, over)
        return self._source

    async def _renew(self, credentials: dict[str, str], over: bool) -> None:
        if not over:
            try:
                answer = await self._http.ask("POST", "/auth/refresh", bearer=self._token)
                return self._take(answer.json())
            except ScoreboardError as error:
                if error.status not in (401, 403):
                    return  # the one at hand is still good
        await self._login(credentials)

    async def _login(self, credentials: dict[str, str]) -> str:
        answer = (await self._http.ask("POST", "/auth/login", body=credentials)).json()
        self._take(answer)
        return str(answer["userId"])

    def _take(self, answer: dict[str, object]) -> None:
        self._source = str(answer["accessToken"])
        self._renew_at = time.monotonic() + float(str(answer["expiresIn"])) * RENEW_AFTER

    @property
    def _token(self) -> Token:
        return None if callable(self._source) else self._source
