"""Sends one message to a webhook: one POST, bounded in time, that follows no redirect and reads no body."""

import http.client
import threading
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from app.outgoing.checked import CheckedConnection, PrivateAddress

PATIENCE = 5.0
"""Seconds that one attempt may take, from connecting to the head of the answer."""


class Outcome(NamedTuple):
    """What became of an attempt: the answer's status if there was one, and in a few words what went wrong, if it did.

    `retry_after` is how many seconds the receiver wants to be left alone.
    """

    status: int | None
    error: str | None
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return self.error is None


def post(url: str, body: bytes, headers: Mapping[str, str], *, private_network: bool) -> Outcome:
    """Send a message; every failure is an outcome.

    Its words never quote the receiver or the address: the one could be of somebody's network, the other is a secret.
    """
    try:
        connection = CheckedConnection(url, private_network=private_network, patience=PATIENCE)
    except (ValueError, http.client.HTTPException):
        return Outcome(None, "the address is no address")
    deadline = threading.Timer(PATIENCE, connection.cut)
    deadline.daemon = True
    deadline.start()
    try:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        if connection.is_cut:  # a head that was cut in the middle counts as whole
            return Outcome(None, "took too long")
        if 200 <= answer.status < 300:
            return Outcome(answer.status, None)
        asked = answer.getheader("Retry-After") or ""
        seconds = float(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= 9 else None
        return Outcome(answer.status, f"answered {answer.status}", seconds)
    except PrivateAddress as error:
        return Outcome(None, str(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = connection.is_cut or isinstance(error, TimeoutError)
        return Outcome(None, "took too long" if late else f"no answer ({type(error).__name__})")
    finally:
        deadline.cancel()
        connection.close()
