"""Who listens to boards, by a socket or a stream: whether they may, and what they begin with."""

import time
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection

from app.access.keys import is_key
from app.domain.errors import NotFound, Suspended, Unavailable
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from app.domain.service_keys import KeyId
from app.routes.guards import claims_of, key_of
from app.web import Web


class Listener(NamedTuple):
    """Who listens: a user with a token of this version, or a service key; and for how many seconds at most."""

    owner: UserId | KeyId
    token_version: int | None
    seconds: float

    @property
    def logged(self) -> dict[str, Any]:
        """The field of the log by which it is named."""
        return {"keyId" if self.token_version is None else "userId": self.owner}


async def who_listens(web: Web, connection: HTTPConnection, token: str) -> Listener:
    """Return who listens with a token or a service key.

    Raises:
        Unauthorized, Unavailable: like own_path.
        Suspended: when the token is a suspended user's.
        RateLimited: when the key has sent too much.
    """
    if is_key(token):
        key = await key_of(web, connection, token)
        await web.admission.by_key(connection.scope, key)
        return Listener(key.key_id, None, max(0.0, key.until - time.monotonic()))
    claims = await claims_of(web, connection, token)
    state = await web.sessions.check_or_trust(claims)
    if not state.active:
        raise Suspended("This account is suspended.")
    return Listener(claims.sub, claims.ver, max(0.0, claims.exp - time.time()))


def board_of(connection: HTTPConnection) -> BoardId:
    """Return the board to begin with."""
    return BoardId(connection.query_params.get("board", DEFAULT_BOARD))


def check_board(web: Web, connection: HTTPConnection) -> None:
    """Check that there is such a board, and time to show it.

    Raises:
        NotFound: when there is no such board.
        Unavailable: when the process is stopping.
    """
    if board_of(connection) not in web.boards:
        raise NotFound("There is no such board.")
    if web.draining:
        raise Unavailable("The process is stopping.")
