"""Who may read boards, and whether what a freeze hides is shown: the one guard of every public read of boards."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from starlette.requests import Request

from app.access.keys import ServiceKey, is_key
from app.domain.board_rules import BoardRule
from app.domain.errors import Unauthorized
from app.domain.ids import UserId
from app.routes.guards import bearer, claims_of, key_of
from app.routes.operators import operator
from app.routes.paging import flag_of
from app.web import Web, web_of
from db.transaction import in_transaction

T = TypeVar("T")

_BEARER = b"Bearer "


class Reader(NamedTuple):
    """Who reads a board: a token's user, or None for somebody without one, and for a service key.

    `live`: an operator who asked for what a freeze hides from everybody else. `known`: a token or a service key was
    presented.
    """

    web: Web
    user_id: UserId | None = None
    live: bool = False
    known: bool = False

    def may_be_old(self, rule: BoardRule) -> bool:
        """Return whether the answer may be a little old, as a replica has it: who shows no token has done nothing.

        When a planned freeze begins the clock of one server alone may say.
        """
        return not self.known and rule.freeze_at is None

    def read(self, rule: BoardRule, work: Callable[[sa.Connection], T], *, exact: bool = False) -> T:
        """Run a read of a board, and wait for it, on a replica where that may answer it.

        Args:
            exact: it must find everything that was committed before, whoever asks.

        Raises:
            whatever work raises; TimedOut, DatabaseUnavailable: like in_transaction.
        """
        if rule.freeze_at is not None:
            return in_transaction(self.web.engine, work)
        return self.web.replica.read(work, newest=exact or self.known)


async def reader(request: Request) -> Reader:
    """Return who reads a board, once the request is admitted.

    Nobody needs a token, unless the settings say so; one that is presented must be valid. `?live=true` is for admins,
    and for service keys with the scope "admin".

    Raises:
        Malformed: when `live` is neither true nor false.
        Unauthorized, Unavailable, Forbidden, RateLimited: in this order.
    """
    if flag_of(request, "live"):
        web, who = await operator(request)
        return Reader(web, None if isinstance(who, ServiceKey) else who.sub, live=True, known=True)
    web, token = web_of(request), bearer(request)
    if token is None:
        if web.settings.top_scores_need_token:
            raise Unauthorized("A token is needed: Authorization: Bearer <token>.")
        return Reader(web)
    if is_key(token):
        await web.admission.by_key(request.scope, await key_of(web, request, token))
        return Reader(web, known=True)
    claims = await claims_of(web, request, token)
    await web.sessions.check_or_trust(claims)
    await web.admission.read(request.scope, claims)
    return Reader(web, claims.sub, known=True)


def at_hand(web: Web, authorization: bytes) -> bytes | None:
    """Return the headers, as they are sent, for a reader whom `reader` would admit, when nobody has to be asked for it.

    The token must be one of ours that this process has verified, its user known here, and requests left in the tab.
    Everything else is None: a new, foreign or bad token, a service key, a limit that is used up.
    """
    if not authorization.startswith(_BEARER):
        return None
    claims = web.tokens.known(authorization[len(_BEARER) :].decode("latin-1"))
    if claims is None or not web.sessions.known_good(claims):
        return None
    return web.admission.read_at_hand(claims)
