"""Whether an issued token still counts, or was revoked by a logout, a suspension or an erasure.

Writes check this exactly, in their own transaction. Reads and sockets ask here: a user is looked up in the database at
the first request and cached; every process polls the audit events that revoke tokens and looks those users up again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.access.remembered import Remembered
from app.access.tokens import Claims
from app.concurrency.batching import Batcher
from app.concurrency.threads import Threads
from app.domain.errors import NotFound, Overloaded, ScoreboardError, Unauthorized, Unavailable
from app.domain.ids import UserId
from db import audit_events, users
from db.transaction import TimedOut, in_statement, on_loop
from db.users import UserState

log = logging.getLogger("scoreboard.sessions")

POLL_EVERY = 2.0
OVERLAP = 30.0
"""Seconds before the last poll that are read again: events don't commit in the order of their ids and times."""
REMEMBERED = 100_000
CHUNK = 1000

NO_USER = UserState(token_version=-1, active=False, role="")
"""The state of a user who does not exist."""


class Sessions:
    """A cache of the users that this process has seen, at most seconds older than the database.

    `on_change(user_id, state)` is called for each user whose tokens may have been revoked.
    """

    def __init__(self, engine: sa.Engine, threads: Threads, on_change: Callable[[UserId, UserState], None]) -> None:
        self._engine = engine
        self._threads = threads
        self._on_change = on_change
        self._known: Remembered[UserId, UserState] = Remembered(REMEMBERED)
        self._lookups: Batcher[UserId, UserState] = Batcher("sessions", self._learn, lanes=1, patience=2.5)
        self._since: datetime | None = None
        self._trusted: set[UserId] = set()
        """Users who were admitted while the database was away; they are looked up once it is back."""
        self._lost = False
        """Whether the database was away: if it was restored from a backup, it may lack what is cached here."""

    async def check(self, claims: Claims) -> UserState:
        """Return the state of a token's user.

        Raises:
            Unauthorized: when the token was revoked or its user is gone.
            Unavailable: when the database is away and the user was not seen before.
        """
        state = self._known.get(claims.sub)
        if state is None or claims.ver > state.token_version:
            # A token newer than the cached version comes from a login after a logout.
            state = await self._lookups.submit(claims.sub)
        return _valid(state, claims)

    def known_good(self, claims: Claims) -> bool:
        """Return whether a token is known to be good, without looking anything up."""
        state = self._known.get(claims.sub)
        return state is not None and state.token_version == claims.ver

    async def state(self, user_id: UserId) -> UserState:
        """Return the state of a user, at most seconds older than the database's.

        Raises:
            Unavailable: when the database is away and the user was not seen before.
        """
        known = self._known.get(user_id)
        return known if known is not None else await self._lookups.submit(user_id)

    def remember(self, user_id: UserId, state: UserState) -> None:
        """Take the state of a user as it was just read."""
        self._known[user_id] = state

    async def check_or_trust(self, claims: Claims, *, patience: float = 2.5) -> UserState:
        """Like `check`, but trust a token with a valid signature and expiry while the database is away.

        Args:
            patience: seconds after which a database that doesn't answer counts as away.
        """
        known = self._known.get(claims.sub)
        if known is not None and claims.ver <= known.token_version:
            return _valid(known, claims)
        try:
            async with asyncio.timeout(patience):
                return await self.check(claims)
        except (Unavailable, TimeoutError):
            if (known := self._known.get(claims.sub)) and known.token_version > claims.ver:
                raise Unauthorized("The token is no longer valid.") from None
            if len(self._trusted) < REMEMBERED:
                self._trusted.add(claims.sub)
            else:
                self._lost = True  # too many to keep in the set: all users are looked up again
            return known or UserState(claims.ver, active=True, role="player")

    async def find(self, user_id: UserId) -> UserState:
        """Return the state of a user whom somebody else names.

        Raises:
            NotFound: when there is no such user, or not any more.
            Unavailable: when the database is away and the user was not seen before.
        """
        state = self._known.get(user_id)
        if state is None or state == NO_USER:
            state = await self._lookups.submit(user_id)
        if state == NO_USER or state.erased:
            raise NotFound("There is no such user.")
        return state

    async def refresh(self, user_ids: Iterable[UserId]) -> None:
        """Look the users up again, and call `on_change` for each."""
        wanted = list(user_ids)
        for first in range(0, len(wanted), CHUNK):
            chunk = wanted[first : first + CHUNK]
            for user_id, state in zip(chunk, await self._threads.run(_look_up, self._engine, chunk), strict=True):
                self._known[user_id] = state
                self._on_change(user_id, state)

    async def poll_for_ever(self, connected: Callable[[], Iterable[UserId]]) -> None:
        """Poll the events that revoke tokens, until cancelled; `connected` returns the users who have a socket here."""
        while True:
            try:
                await self._poll(connected)
            except (TimedOut, Overloaded) as error:
                # The database answers slowly; the next poll reads what this one has missed.
                log.warning("sessions can't be polled right now: %s", error)
            except ScoreboardError as error:
                self._lost = True
                log.debug("sessions can't be polled: %s", error)
            except Exception:
                self._lost = True
                log.exception("polling sessions failed")
            await asyncio.sleep(POLL_EVERY)

    async def _poll(self, connected: Callable[[], Iterable[UserId]]) -> None:
        now, changed = await self._threads.run(
            in_statement,
            self._engine,
            lambda conn: audit_events.tokens_changed(conn, self._since, overlap=OVERLAP),
        )
        here = set(connected())
        trusted, lost = set(self._trusted), self._lost
        concerned = trusted.union(user_id for user_id in changed if user_id in here or user_id in self._known)
        if lost:
            self._known.clear()
            concerned |= here
        await self.refresh(concerned)
        self._trusted -= trusted
        self._lost = self._lost and not lost
        self._since = now

    async def _learn(self, user_ids: Sequence[UserId]) -> Sequence[UserState]:
        """Look users up and cache them, even if the callers have timed out: later requests find them in the cache."""
        states = await on_loop(self._engine, _look_up, user_ids)
        self._known.remember(zip(user_ids, states, strict=True))
        return states

    @property
    def unanswered(self) -> int:
        """The number of requests that wait for a user to be looked up."""
        return self._lookups.unanswered

    def close(self) -> None:
        self._lookups.close()


def _look_up(engine: sa.Engine, user_ids: Sequence[UserId]) -> list[UserState]:
    found = in_statement(engine, lambda conn: users.states(conn, user_ids))
    return [found.get(user_id, NO_USER) for user_id in user_ids]


def _valid(state: UserState, claims: Claims) -> UserState:
    if state.token_version != claims.ver:
        raise Unauthorized("The token is no longer valid.")
    return state
