"""Rate limits by request: which token buckets it must pass, and the 429 when one of them is empty."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

from starlette.types import Scope

from app.access.client_address import ClientAddresses, limited_as
from app.access.keys import ServiceKey
from app.access.tabs import Tab, Tabs
from app.access.token_bucket import Bucket, Check, Decision, Policy
from app.access.tokens import Claims
from app.concurrency.batching import Batcher
from app.domain.errors import RateLimited
from config.settings import Settings
from config.values import Network
from telemetry import logs, metrics

ACCOUNT_WIDER = 10
"""The limit on an account's failed logins from all addresses together, as a multiple of that from one address."""

JOIN_CODES = "join-codes"
"""Whose failures wrong join codes are: all of them together. No account's hash is a word."""


class Admission:
    """Lets requests pass at the rates of the settings. Source: contract, section 5."""

    def __init__(self, settings: Settings, checks: Batcher[Check, Decision]) -> None:
        self._settings = settings
        rates = {name: rate for name, rate in asdict(settings.rates).items() if rate is not None}
        if account := settings.rates.login_account:
            rates["login_failures"] = type(account)(account.amount * ACCOUNT_WIDER, account.multiples)
        self._policies = {name: Policy.of(name, rate) for name, rate in rates.items()}
        metrics.begin_at_zero(policies=self._policies)
        self._checks = checks
        self._tabs = Tabs(user, checks) if (user := self._policies.get("user")) else None
        self._key = settings.secret_key.encode()[:64]
        self._addresses = ClientAddresses(settings.trusted_proxies)
        self._trusted = settings.trusted_networks
        self._names = lru_cache(maxsize=10_000)(self._name)
        self._owners = lru_cache(maxsize=10_000)(self._owner)

    def trust(self, networks: tuple[Network, ...]) -> None:
        """Limit no address of these networks, and of those of the settings, from now on."""
        self._trusted = (*self._settings.trusted_networks, *networks)
        self._names.cache_clear()
        self._owners.cache_clear()

    def limited_as(self, scope: Scope) -> str | None:
        """Return the name under which the client's address is limited; None when its network is trusted."""
        return self._names(self.address(scope))

    def address(self, scope: Scope) -> str | None:
        """Return the client's address, computed once for each request."""
        if "client_address" not in scope:
            scope["client_address"] = self._addresses.of(scope)
        address: str | None = scope["client_address"]
        return address

    async def read(self, scope: Scope, claims: Claims) -> None:
        """Admit a read with a token."""
        buckets = self._user(claims)
        await self._admit(scope, buckets, self._tabs.begun(claims.sub) if self._tabs is not None else None)

    def read_at_hand(self, claims: Claims) -> bytes | None:
        """Admit a read with a token by what this process knows, and return its headers as sent; None: `read` must."""
        return self._tabs.take(claims.sub) if self._tabs is not None else b""

    async def write(self, scope: Scope, claims: Claims) -> None:
        """Admit a write that has no limit of its own."""
        await self._admit(scope, [*self._user(claims), *self._ip(scope)], self._tab(claims))

    async def create(self, scope: Scope, claims: Claims) -> None:
        """Admit the start of an action."""
        await self._admit(scope, self._action("create", scope, claims), self._tab(claims))

    async def complete(self, scope: Scope, claims: Claims) -> None:
        """Admit the end of an action."""
        await self._admit(scope, self._action("complete", scope, claims), self._tab(claims))

    async def by_key(self, scope: Scope, key: ServiceKey) -> None:
        """Admit a request with a service key, which no other limit counts."""
        await self._admit(scope, self._one("key", key.key_id))

    async def unknown_key(self, scope: Scope) -> None:
        """Admit a request with a key that has to be looked up: guesses are limited by address."""
        await self._admit(scope, self._ip(scope))

    async def credentials(self, scope: Scope) -> None:
        """Admit a registration, or a login without a username."""
        await self._admit(scope, [*self._login_ip(scope), *self._ip(scope)])

    async def joining(self, scope: Scope) -> None:
        """Admit a registration with a join code: as without one, while few codes are wrong, wherever they come from."""
        await self._admit(scope, [*self._login_ip(scope), *self._ip(scope), *self._failures(JOIN_CODES, takes=0)])

    async def joining_failed(self) -> None:
        """Count a wrong join code."""
        if failures := self._failures(JOIN_CODES, takes=1):
            await self._checks.submit(failures)

    async def login(self, scope: Scope, username: str) -> None:
        """Admit a login: limited by address, by account and address, and by an account's failures from anywhere."""
        account = self._blinded(username.lower())
        from_here = f"{account}:{self._owners(self.address(scope)) or self._blinded(str(self.address(scope)))}"
        buckets = [*self._login_ip(scope), *self._ip(scope), *self._one("login_account", from_here)]
        await self._admit(scope, [*buckets, *self._failures(account, takes=0)])

    async def login_failed(self, username: str) -> None:
        """Count a failed login against its account."""
        if failures := self._failures(self._blinded(username.lower()), takes=1):
            await self._checks.submit(failures)

    async def handshake(self, scope: Scope) -> None:
        """Admit a WebSocket handshake."""
        await self._admit(scope, self._by_address("ws", scope))

    @property
    def unanswered(self) -> int:
        """The number of requests that wait to be admitted."""
        return self._checks.unanswered

    def close(self) -> None:
        self._checks.close()
        if self._tabs is not None:
            self._tabs.close()

    async def _admit(self, scope: Scope, buckets: Sequence[Bucket], tab: Tab | None = None) -> None:
        """Let a request pass, or refuse it; `tab` is what is known of its user's bucket."""
        if not buckets:
            return
        check = tuple(buckets)
        if tab is not None and self._tabs is not None:
            decision = await self._tabs.check(tab, check)
        else:
            decision = await self._checks.submit(check)
        told = scope["answer_headers"]
        # Replace the headers of an earlier, wider check of this request.
        told[:] = [header for header in told if not header[0].startswith(b"ratelimit")]
        told += decision.headers()
        if not decision.allowed:
            logs.refused(
                logs.RATE_LIMITED,
                self.address(scope),
                requestId=scope["request_id"],
                policy=decision.policy,
                path=scope["path"],
            )
            metrics.rate_limited.labels(decision.policy).inc()
            raise RateLimited(
                f"Too many requests: {decision.quota} in {decision.window} s are allowed ({decision.policy}).",
                retry_after=decision.retry_after,
                policy=decision.policy,
            )

    def _tab(self, claims: Claims) -> Tab | None:
        return self._tabs.known(claims.sub) if self._tabs is not None else None

    def _action(self, own: str, scope: Scope, claims: Claims) -> list[Bucket]:
        return [*self._one(own, claims.sub), *self._one("actions", claims.sub), *self._user(claims), *self._ip(scope)]

    def _user(self, claims: Claims) -> tuple[Bucket, ...]:
        return self._one("user", claims.sub)

    def _ip(self, scope: Scope) -> tuple[Bucket, ...]:
        return self._by_address("ip", scope)

    def _login_ip(self, scope: Scope) -> tuple[Bucket, ...]:
        return self._by_address("login_ip", scope)

    def _name(self, address: str | None) -> str | None:
        return limited_as(address, self._trusted)

    def _owner(self, address: str | None) -> str | None:
        network = limited_as(address, self._trusted)
        return network and self._blinded(network)

    def _blinded(self, name: str) -> str:
        """Return a hash of an account or an address for the name of a bucket, so that Redis holds neither."""
        return hashlib.blake2b(name.encode(), key=self._key, digest_size=16).hexdigest()

    def _by_address(self, policy: str, scope: Scope) -> tuple[Bucket, ...]:
        owner = self._owners(self.address(scope))
        return self._one(policy, owner) if owner is not None else ()

    def _one(self, policy: str, owner: str, takes: int = 1) -> tuple[Bucket, ...]:
        found = self._policies.get(policy)
        return (Bucket(found, owner, takes),) if found is not None else ()

    def _failures(self, account: str, takes: int) -> tuple[Bucket, ...]:
        return self._one("login_failures", account, takes)
