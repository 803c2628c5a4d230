"""Which token buckets a request needs a token of, and what happens when one is empty."""

import logging
from functools import lru_cache, partial

from starlette.types import Scope

from app.auth import Claims
from app.batching import Batcher
from app.client_address import client_address, limited_as
from app.domain.errors import RateLimited
from app.limits import Bucket, Check, Decision
from config import logs, metrics
from config.settings import Settings

ACCOUNT_WIDER = 10
"""How many times as wide the bucket of an account's failed logins from anywhere is."""


class Admission:
    """Lets requests pass at the rates of the settings. Source: contract, section 5."""

    def __init__(self, settings: Settings, checks: Batcher[Check, Decision]) -> None:
        self._settings = settings
        self._rates = settings.rates
        self._checks = checks
        self._names = lru_cache(maxsize=10_000)(partial(limited_as, trusted_networks=settings.trusted_networks))

    def address(self, scope: Scope) -> str | None:
        """Give the address of the client who asks; it is worked out once for each request."""
        if "client_address" not in scope:
            scope["client_address"] = client_address(scope, self._settings.trusted_proxies)
        address: str | None = scope["client_address"]
        return address

    async def read(self, scope: Scope, claims: Claims) -> None:
        """Admit a read with a token."""
        await self._admit(scope, self._user(claims))

    async def write(self, scope: Scope, claims: Claims) -> None:
        """Admit a write that has no limit of its own."""
        await self._admit(scope, [*self._user(claims), *self._ip(scope)])

    async def create(self, scope: Scope, claims: Claims) -> None:
        """Admit the start of an action."""
        await self._admit(scope, [*self._one("create", claims.sub), *self._action(scope, claims)])

    async def complete(self, scope: Scope, claims: Claims) -> None:
        """Admit the end of an action."""
        await self._admit(scope, [*self._one("complete", claims.sub), *self._action(scope, claims)])

    async def credentials(self, scope: Scope) -> None:
        """Admit a registration, or a login that names nobody."""
        await self._admit(scope, [*self._login_ip(scope), *self._ip(scope)])

    async def login(self, scope: Scope, username: str) -> None:
        """Admit a login: limited by address, by account and address, and by an account's failures from anywhere."""
        account = username.lower()
        from_here = f"{account}:{self._limited_as(scope) or self.address(scope)}"
        buckets = [*self._login_ip(scope), *self._ip(scope), *self._one("login_account", from_here)]
        await self._admit(scope, [*buckets, *self._failures(account, takes=0)])

    async def login_failed(self, username: str) -> None:
        """Count a failed login against its account."""
        if failures := self._failures(username.lower(), takes=1):
            await self._checks.submit(tuple(failures))

    async def handshake(self, scope: Scope) -> None:
        """Admit a WebSocket handshake."""
        await self._admit(scope, self._by_address("ws", scope))

    def close(self) -> None:
        self._checks.close()

    async def _admit(self, scope: Scope, buckets: list[Bucket]) -> None:
        if not buckets:
            return
        decision = await self._checks.submit(tuple(buckets))
        scope["answer_headers"] += decision.headers()
        if not decision.allowed:
            logs.event(
                logs.security,
                logs.RATE_LIMITED,
                logging.WARNING,
                requestId=scope["request_id"],
                policy=decision.policy,
                client=self.address(scope),
                path=scope["path"],
            )
            metrics.rate_limited.labels(decision.policy).inc()
            raise RateLimited(
                f"Too many requests: {decision.quota} in {decision.window} s are allowed ({decision.policy}).",
                retry_after=decision.retry_after,
                policy=decision.policy,
            )

    def _action(self, scope: Scope, claims: Claims) -> list[Bucket]:
        return [*self._one("actions", claims.sub), *self._user(claims), *self._ip(scope)]

    def _user(self, claims: Claims) -> list[Bucket]:
        return self._one("user", claims.sub)

    def _ip(self, scope: Scope) -> list[Bucket]:
        return self._by_address("ip", scope)

    def _login_ip(self, scope: Scope) -> list[Bucket]:
        return self._by_address("login_ip", scope)

    def _limited_as(self, scope: Scope) -> str | None:
        return self._names(self.address(scope))

    def _by_address(self, policy: str, scope: Scope) -> list[Bucket]:
        owner = self._limited_as(scope)
        return self._one(policy, owner) if owner is not None else []

    def _one(self, policy: str, owner: str) -> list[Bucket]:
        rate = getattr(self._rates, policy)
        return [Bucket(policy, rate, owner)] if rate is not None else []

    def _failures(self, account: str, takes: int) -> list[Bucket]:
        rate = self._rates.login_account
        if rate is None:
            return []
        wide = type(rate)(rate.amount * ACCOUNT_WIDER, rate.multiples)
        return [Bucket("login_failures", wide, account, takes=takes, needs=1)]
