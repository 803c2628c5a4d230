"""Tokens of other issuers, turned into the claims of our own users: from there on they are like tokens of ours.

A token's user is looked up, or made, at the first sight of the token; then a process knows it until it expires.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from cachetools import LRUCache

from app.access import first_sight, foreign_tokens
from app.access.foreign_tokens import ForeignTokenRefused, Identity
from app.access.issuer_keys import THREAD_PATIENCE, IssuerKeys
from app.access.revocation import Sessions
from app.access.tokens import ALGORITHM, AUDIENCE, HEADER, REMEMBERED, Claims
from app.concurrency.batching import Batcher
from app.concurrency.threads import Threads
from app.domain.errors import Unauthorized
from app.domain.ids import UserId
from app.domain.issuers import Issuer, origin_of
from app.domain.names import BlockedNames
from db import identities
from db.identities import Found
from db.transaction import in_statement

AT_ONCE = 50
"""Users made one after the other before others' look-ups get their turn."""


class _Known(NamedTuple):
    """A token that was verified, and whose it is."""

    issuer: Issuer
    user_id: UserId
    issued_at: float
    expires_at: int


class Identities:
    """The issuers whose tokens are taken, and the users that this process has seen with them."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        engine: sa.Engine,
        database: Threads,
        sessions: Sessions,
        blocked: BlockedNames,
        *,
        production: bool,
    ) -> None:
        self.issuers = tuple(issuers)
        self._sessions = sessions
        self._threads = Threads("issuers", 2, depth=2 * len(self.issuers) + 2, patience=THREAD_PATIENCE)
        self.keys = {it.issuer: IssuerKeys(it, self._threads, self._forget, production=production) for it in issuers}
        self._known: LRUCache[bytes, _Known] = LRUCache(REMEMBERED)
        self._engine = engine
        self._database = database
        self._blocked = blocked
        self._lookups: Batcher[Identity, Found | None] = Batcher("identities", self._find, lanes=1)
        self._first_sights: Batcher[Identity, Found] = Batcher("first sights", self._make, lanes=1, limit=AT_ONCE)

    async def run(self) -> None:
        """Keep the issuers' keys at hand, until cancelled."""
        await asyncio.gather(*(keys.run() for keys in self.keys.values()))

    @property
    def page_origins(self) -> list[str]:
        """The origins that a page needs to ask so that its users can sign in."""
        known = (it.endpoints for it in self.keys.values() if it.issuer.client_id is not None)
        return sorted({origin_of(endpoints.token) for endpoints in known if endpoints is not None})

    def is_foreign(self, token: str) -> bool:
        """Return whether a token claims to be another issuer's; cheap for our own, since each request asks."""
        if not self.keys or token.startswith(HEADER):
            return False
        header = foreign_tokens.header_of(token)
        return header is not None and header.alg != ALGORITHM

    async def claims(self, token: str) -> Claims:
        """Return a foreign token as the claims that a token of ours would have for its user.

        Raises:
            ForeignTokenRefused: when anything is wrong with it, or when it was issued before all of its user's tokens
                were ended.
            IssuerUnavailable: when its issuer's keys could not be fetched yet.
            Unavailable: when the database is away, and its user was not seen before.
        """
        remembered, digest = self._known, hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = remembered.get(digest)
        if known is None or known.expires_at <= time.time():
            # Into the cache as it was: a key that is withdrawn meanwhile begins another.
            known = remembered[digest] = await self._first_sight(token)
        state = await self._sessions.state(known.user_id)
        if state.token_version < 0 or (state.tokens_since and known.issued_at <= state.tokens_since.timestamp()):
            raise ForeignTokenRefused("The token is no longer valid.", "ended", known.issuer.id)
        return Claims(
            iss=known.issuer.issuer,
            aud=AUDIENCE,
            sub=known.user_id,
            iat=math.ceil(known.issued_at),
            exp=known.expires_at,
            jti="",
            ver=state.token_version,
        )

    async def _first_sight(self, token: str) -> _Known:
        header = foreign_tokens.header_of(token)
        if header is None:
            raise Unauthorized("The token is invalid.")
        identity = await foreign_tokens.verify(token, header, self.keys)
        found = await self._lookups.submit(identity)
        if found is None or first_sight.decides_role(identity, found):
            found = await self._first_sights.submit(identity)
        # Read just now: what is known here may be from before this token, as after signing in again.
        self._sessions.remember(found.user_id, found.state)
        return _Known(identity.issuer, found.user_id, identity.issued_at, identity.expires_at)

    async def _find(self, wanted: Sequence[Identity]) -> Sequence[Found | None]:
        pairs = [(it.issuer.issuer, it.subject) for it in wanted]
        return await self._database.run(in_statement, self._engine, lambda conn: identities.find(conn, pairs))

    async def _make(self, wanted: Sequence[Identity]) -> Sequence[Found | BaseException]:
        return await self._database.run(first_sight.run_many, self._engine, self._blocked, wanted)

    def _forget(self) -> None:
        """Verify every token again, since an issuer has withdrawn a key."""
        self._known = LRUCache(REMEMBERED)

    def close(self) -> None:
        self._lookups.close()
        self._first_sights.close()
        self._threads.close()
