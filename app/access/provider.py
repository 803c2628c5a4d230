"""Asks a token issuer for a document: one GET, bounded in time and size, that follows no redirect.

It blocks, so it runs in a thread.
"""

import http.client
import threading
from typing import Any
from urllib.parse import urlsplit

import msgspec

from app.outgoing.checked import CheckedConnection, PrivateAddress

PATIENCE = 5.0
"""Seconds that one document may take, from the connection to its last byte."""
LARGEST = 1024 * 1024


class ProviderAway(Exception):
    """The document could not be had; the message is one line that says why."""


def get_json(url: str, *, private_network: bool) -> Any:
    """Return the JSON document at a URL.

    Args:
        private_network: whether its address may be one that is not of the public internet.

    Raises:
        ProviderAway: for whatever reason.
    """
    parts = urlsplit(url)
    connection = CheckedConnection(url, private_network=private_network, patience=PATIENCE)
    # Each read has a time-out of its own, and a server that sends byte by byte would have one after the other.
    deadline = threading.Timer(PATIENCE, connection.cut)
    deadline.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ProviderAway(f"{url} answered {answer.status}")
        body = answer.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ProviderAway(f"{url} is larger than {LARGEST} bytes")
        return msgspec.json.decode(body)
    except PrivateAddress as error:
        raise ProviderAway(f"{url}: {error}, which private_network = true would allow") from None
    except (OSError, http.client.HTTPException) as error:
        raise ProviderAway(f"{url}: {str(error) or type(error).__name__}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise ProviderAway(f"{url} is no JSON") from None
    finally:
        deadline.cancel()
        connection.close()
