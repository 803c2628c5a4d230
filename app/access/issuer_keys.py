"""The keys of one token issuer, kept at hand: fetched in the background, and once more when a token names another.

No request asks the provider. One whose token names an unknown key waits, for a bounded time, for a fetch that all such
requests share; there is at most one of these in `ASK_EVERY`, so that invented names don't become a flood of fetches.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.access import key_set
from app.access.key_set import Key, KeySet
from app.access.provider import PATIENCE, ProviderAway, get_json
from app.concurrency.single_flight import SingleFlight
from app.concurrency.threads import Threads
from app.domain.errors import Overloaded, Unavailable
from app.domain.issuers import Issuer, check_url
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.issuers")

REFRESH_EVERY = 300.0
"""Seconds after which the keys are fetched again: so long one that was withdrawn may still count."""
ASK_EVERY = 30.0
"""Seconds in which unknown keys make the keys be fetched again once, for all requests together."""
FIRST_RETRY, LONGEST_RETRY = 1.0, 30.0
WAIT = 2.0
"""Seconds that a request waits for the shared fetch."""
THREAD_PATIENCE = 3 * PATIENCE


class IssuerUnavailable(Unavailable):
    code, title = "issuer-unavailable", "The token's issuer can't be reached"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a page signs its users in."""

    authorization: str
    token: str


class IssuerKeys:
    """The keys that an issuer had when it last answered; these serve for as long as it is away.

    Args:
        on_withdrawn: called when a key is no longer among them.
    """

    def __init__(self, issuer: Issuer, threads: Threads, on_withdrawn: Callable[[], None], *, production: bool) -> None:
        self.issuer = issuer
        self.endpoints = _endpoints(issuer.authorization_endpoint, issuer.token_endpoint)
        self._threads = threads
        self._on_withdrawn = on_withdrawn
        self._production = production
        self._keys = KeySet()
        self._jwks_url = issuer.jwks_url
        self._flight: SingleFlight[bool] = SingleFlight()
        self._asked_at = float("-inf")
        metrics.issuer_unreachable.labels(issuer.id).set(0)

    async def run(self) -> None:
        """Fetch the keys again and again, until cancelled."""
        retry = FIRST_RETRY
        while True:
            if await self._flight.run(self._fetch):
                retry = FIRST_RETRY
                await asyncio.sleep(REFRESH_EVERY)
            else:
                await asyncio.sleep(retry)
                retry = min(2 * retry, LONGEST_RETRY)

    async def find(self, kid: str | None, alg: str) -> Key | None:
        """Return the key that a token names, None when the issuer has no such key.

        Raises:
            IssuerUnavailable: when no keys are known yet, since the issuer could not be reached.
        """
        key = self._keys.find(kid, alg)
        if key is None:
            await self._ask_again()
            if not len(self._keys):
                raise IssuerUnavailable("The keys of the token's issuer can't be fetched right now.", retry_after=5)
            key = self._keys.find(kid, alg)
        return key

    async def _ask_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._flight.running:
            if now < self._asked_at + ASK_EVERY:
                return
            self._asked_at = now
        try:
            async with asyncio.timeout(WAIT):
                await self._flight.run(self._fetch)
        except TimeoutError:
            pass  # it goes on in the background

    async def _fetch(self) -> bool:
        """Fetch the keys, and what else is not known yet; return whether that succeeded."""
        try:
            if self._jwks_url is None or (self.issuer.client_id is not None and self.endpoints is None):
                await self._discover()
            assert self._jwks_url is not None
            keys = key_set.parse(await self._get(self._jwks_url))
        except (ProviderAway, ValueError, Overloaded) as error:
            # Where the keys are may have changed as well.
            self._jwks_url = self.issuer.jwks_url
            metrics.issuer_unreachable.labels(self.issuer.id).set(1)
            logs.event(log, logs.ISSUER_UNREACHABLE, logging.WARNING, issuer=self.issuer.id, error=str(error)[:500])
            return False
        except Exception:
            log.exception("fetching the keys of the issuer %s failed", self.issuer.id)
            return False
        withdrawn = keys.lacks_any_of(self._keys)
        self._keys = keys
        if withdrawn:
            self._on_withdrawn()
        metrics.issuer_unreachable.labels(self.issuer.id).set(0)
        return True

    async def _discover(self) -> None:
        """Read the issuer's own description. Source: OpenID Connect Discovery 1.0."""
        url = self.issuer.issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = await self._get(url)
        except ProviderAway:
            if self._jwks_url is None:
                raise
            return  # the keys are known without it; the page's button waits
        if not isinstance(found, dict) or found.get("issuer") != self.issuer.issuer:
            raise ValueError(f"{url} is of another issuer")
        named = {key: found.get(key) for key in ("jwks_uri", "authorization_endpoint", "token_endpoint")}
        for key, value in named.items():
            if value is not None:
                try:
                    check_url(value if isinstance(value, str) else "", production=self._production)
                except ValueError as error:
                    raise ValueError(f"{url}: {key}: {error}") from None
        if self._jwks_url is None:
            self._jwks_url = named["jwks_uri"]
            if self._jwks_url is None:
                raise ValueError(f"{url} names no jwks_uri")
        self.endpoints = _endpoints(
            self.issuer.authorization_endpoint or named["authorization_endpoint"],
            self.issuer.token_endpoint or named["token_endpoint"],
        )

    async def _get(self, url: str) -> object:
        return await self._threads.run(get_json, url, private_network=self.issuer.private_network)


def _endpoints(authorization: str | None, token: str | None) -> Endpoints | None:
    return Endpoints(authorization, token) if authorization and token else None
