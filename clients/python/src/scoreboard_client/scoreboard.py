"""The client: what players, service keys and spectators ask of a service."""

import ssl
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from scoreboard_client.errors import ScoreboardError
from scoreboard_client.following import Following
from scoreboard_client.http import Http
from scoreboard_client.polls import message_in
from scoreboard_client.session import Session, TokenSource
from scoreboard_client.shapes import DEFAULT_BOARD, Account, Action, Board, ExternalUser, Position, action_of, board_of
from scoreboard_client.signatures import Verifier

_ENDED = {"action-completed": "completed", "action-cancelled": "cancelled"}


class Scoreboard:
    """A service, and who asks it. Use it as `async with`; all is raised as ScoreboardError.

    A request whose answer is lost, or that is answered 429 or 503, is sent again after `Retry-After` or a random pause,
    and done once all the same.

    Args:
        url: the service's address, such as `https://scores.example`, with its path if it stands below one.
        token: a user's token or a service key, or a function (a coroutine function, too) that gives one whenever it is
            asked. None: a spectator, until `sign_in`.
        attempts: how often a request is sent at most.
        patience: seconds for which an answer is waited for, all attempts together; who is told to wait longer gets the
            error with its `retry_after` at once.
        tls: whom to trust, where it isn't what the machine trusts.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource = None,
        *,
        attempts: int = 6,
        patience: float = 60.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._http = Http(url, attempts=attempts, patience=patience, tls=tls)
        self._session = Session(self._http, token)
        self._followings: list[Following] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is followed, and close all connections."""
        for following in self._followings:
            await following.close()
        await self._http.close()

    async def sign_in(self, username: str, password: str) -> str:
        """Sign a player in, and return the user's id. The token is renewed for as long as the client is open."""
        return await self._session.sign_in(username, password)

    async def account(self, user: str = "me") -> Account:
        """Return a user's points and place: one's own, or with a service key anybody's."""
        said = (await self._ask("GET", f"/users/{quote(user, safe='')}")).json()
        return Account(
            said["userId"],
            said["username"],
            said["displayName"],
            said["role"],
            said["totalScore"],
            said["score"],
            said["rank"],
        )

    async def start(
        self,
        type: str | None = None,
        *,
        user: str = "me",
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Action:
        """Start an action. `idempotency_key` makes it one and the same in later calls, of other processes too."""
        body = {"status": "started", **_given(type=type, metadata=metadata)}
        return await self._post(user, body, idempotency_key)

    async def complete(self, action: Action | str, *, value: int | None = None, user: str = "me") -> Action:
        """Complete an action, by its id if need be; one that was completed already is returned as it is, `replayed`."""
        return await self._end(action, user, {"status": "completed", **_given(value=value)})

    async def cancel(self, action: Action | str, *, user: str = "me") -> Action:
        """Cancel an action, without points; one that was cancelled already is returned as it is, `replayed`."""
        return await self._end(action, user, {"status": "cancelled"})

    async def report(
        self,
        user: str,
        *,
        type: str | None = None,
        value: int | None = None,
        end_at: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Action:
        """Report a completed action, with a service key of the scope `actions`.

        Args:
            user: the user's id.
            value: what was measured, for types that have a value.
            end_at: when it ended, with its offset, at most an hour ago; now without it.
            idempotency_key: what names it in one's own system (at most 128 ASCII characters): however often it is
                reported by this key, by whatever process, it counts once. Without one this call alone is repeated
                safely.
        """
        if end_at is not None and end_at.tzinfo is None:
            raise ValueError("end_at needs its offset: datetime.now(UTC), say")
        ended = end_at.isoformat() if end_at else None
        body = {"status": "completed", **_given(type=type, value=value, endAt=ended, metadata=metadata)}
        return await self._post(user, body, idempotency_key)

    async def external_user(
        self, external_id: str, *, username: str | None = None, display_name: str | None = None
    ) -> ExternalUser:
        """Return the user whom one's own system knows by this id, with a service key of the scope `users`.

        Made on first sight, found afterwards. Names that are given and differ rename the user.
        """
        body = _given(username=username, displayName=display_name)
        said = (await self._ask("PUT", f"/users/external/{quote(external_id, safe='')}", body)).json()
        return ExternalUser(
            said["userId"],
            said["externalId"],
            said["username"],
            said["displayName"],
            said["status"],
            said["totalScore"],
        )

    async def top_scores(self, board: str = DEFAULT_BOARD, *, period: str | None = None) -> Board:
        """Return a board as it is now, or one of its periods (`2026-W48`)."""
        bearer = await self._session.bearer()
        response = await self._http.ask(
            "GET", "/top-scores", bearer=bearer, query={"board": board, **_given(period=period)}
        )
        message = message_in(response, board, response.headers.get("etag", ""), response.json())
        return board_of({**message, "period": period})

    def follow(
        self,
        board: str = DEFAULT_BOARD,
        *,
        after: str | None = None,
        keys: bool | str | Mapping[str, Any] = False,
        on_error: Callable[[ScoreboardError], object] | None = None,
    ) -> Following:
        """Follow a board, live.

        Args:
            after: the `id` of the last board that was seen, by an earlier process: only newer ones are given.
            keys: verify each message: True by the service's public keys, else by a JWKS, or `hmac:<base64>`, the secret
                that backends share. Then nothing unsigned counts.
            on_error: told of what went wrong and isn't the end; without it the logger `scoreboard_client` is.
        """
        following = Following(
            self._http,
            self._session,
            board,
            after=Position.of(after) if after else None,
            verifier=Verifier(self._http, keys) if keys else None,
            on_error=on_error,
        )
        self._followings = [it for it in self._followings if it.state != "ended"] + [following]
        return following

    async def _post(self, user: str, body: dict[str, Any], key: str | None) -> Action:
        headers = {"Idempotency-Key": key if key is not None else str(uuid.uuid4())}
        response = await self._ask("POST", f"/users/{quote(user, safe='')}/actions", body, headers)
        return action_of(response.json(), replayed=response.headers.get("idempotency-replayed") == "true")

    async def _end(self, action: Action | str, user: str, body: dict[str, Any]) -> Action:
        action_id, user = (action.action_id, action.user_id) if isinstance(action, Action) else (action, user)
        try:
            path = f"/users/{quote(user, safe='')}/actions/{quote(action_id, safe='')}"
            return action_of((await self._ask("PUT", path, body)).json())
        except ScoreboardError as error:
            recorded = error.problem.get("action")
            if not isinstance(recorded, dict) or _ENDED.get(error.code) != body["status"]:
                raise
            if "value" in body and recorded.get("value") != body["value"]:
                raise
            return action_of(recorded, replayed=True)  # an attempt before has counted, and its answer was lost

    async def _ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Ask as whoever asks here; once more with another token where the one at hand is over."""
        bearer = await self._session.bearer()
        try:
            return await self._http.ask(method, path, bearer=bearer, body=body, headers=headers)
        except ScoreboardError as error:
            if error.status != 401 or not self._session.renews:
                raise
            other = await self._session.bearer(bearer)
            if other == bearer:
                raise
        return await self._http.ask(method, path, bearer=other, body=body, headers=headers)


def _given(**members: Any) -> dict[str, Any]:
    """Return what was given: what is left out isn't sent."""
    return {name: value for name, value in members.items() if value is not None}
