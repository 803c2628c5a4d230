"""Requests that are sent until they are answered, a bounded number of times."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx2

from scoreboard_client.errors import ScoreboardError, refusal_in
from scoreboard_client.timing import ANSWER, backoff

_AGAIN = (429, 502, 503, 504)
"""Statuses after which the same request may be answered otherwise."""


class Http:
    """Sends requests to one service, and the same one again after a lost answer, a 429 or a 503.

    Only what may be sent twice may be sent by `ask`: reads, PUTs, and POSTs with an `Idempotency-Key`.

    Args:
        base: the service's address, without a slash at its end.
        attempts: how often a request is sent at most.
        patience: seconds for which an answer is waited for, all attempts together. A longer `Retry-After` is an error.
        tls: whom to trust, where it isn't the machine's usual certificates.
    """

    def __init__(self, base: str, *, attempts: int, patience: float, tls: ssl.SSLContext | None) -> None:
        if not base.startswith(("http://", "https://")):
            raise ValueError(f"{base!r} is not the address of a service, such as 'https://scores.example'")
        if attempts < 1:
            raise ValueError("attempts must be 1 or more")
        self.base = base.rstrip("/")
        self.tls = tls
        self.client = httpx2.AsyncClient(timeout=ANSWER, verify=tls if tls is not None else True)
        self._attempts = attempts
        self._patience = patience

    async def ask(
        self,
        method: str,
        path: str,
        *,
        bearer: str | None = None,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Return the answer, 2xx; raise ScoreboardError for a refusal, or when none came."""
        sent = {"Accept": "application/json", **headers_of(bearer), **(headers or {})}
        deadline = asyncio.get_running_loop().time() + self._patience
        for attempt in range(1, self._attempts + 1):
            try:
                response = await self.client.request(
                    method, self.base + path, json=body, params=query or None, headers=sent
                )
            except httpx2.TransportError as error:
                refusal = ScoreboardError(f"{self.base} can't be reached: {error!r}", code="unreachable")
                cause: Exception | None = error
            else:
                if response.is_success:
                    return response
                refusal, cause = refusal_in(response.status_code, response.headers, response.content), None
                if response.status_code not in _AGAIN:
                    raise refusal
            wait = (refusal.retry_after or 0) + backoff(attempt)
            if attempt == self._attempts or asyncio.get_running_loop().time() + wait > deadline:
                raise refusal from cause
            await asyncio.sleep(wait)
        raise AssertionError("not reached")

    async def close(self) -> None:
        await self.client.aclose()


def headers_of(bearer: str | None) -> dict[str, str]:
    """Return the headers that say who asks."""
    return {"Authorization": f"Bearer {bearer}"} if bearer else {}
