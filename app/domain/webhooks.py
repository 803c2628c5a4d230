"""The rules for webhooks: which events there are, where they may be sent, and when a failed one is tried again."""

import re
from datetime import timedelta
from typing import Literal, NewType, get_args
from urllib.parse import urlsplit

from app.domain.errors import Conflict, Malformed

WebhookId = NewType("WebhookId", str)

WebhookEvent = Literal["top10.changed", "period.closed", "action.held", "user.suspended"]
"""What other systems can be told of. Source: contract, section 8, "Webhooks"."""

EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
TOP10_CHANGED, PERIOD_CLOSED, ACTION_HELD, USER_SUSPENDED = EVENTS
TEST = "webhook.test"
"""The event that an operator sends to see whether it arrives."""

Template = Literal["discord", "slack"]
TEMPLATES: tuple[Template, ...] = get_args(Template)

DeliveryStatus = Literal["pending", "delivered", "dead"]
STATUSES: tuple[DeliveryStatus, ...] = get_args(DeliveryStatus)

MOST = 20
"""Webhooks that there may be: a worker has a thread for each, so that none waits for another's receiver."""
LONGEST_URL = 2000

GIVE_UP_AFTER = timedelta(hours=24)
"""So long a delivery is tried again; then it is dead until an operator repeats it."""

OLD_SECRET_SIGNS = timedelta(hours=24)
"""So long the secret before signs as well as the new one."""

LONGEST_DELAY = 3600.0
_DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0)
_URL = re.compile(r"https?://[!-~]+")


class TooManyWebhooks(Conflict):
    code, title = "too-many-webhooks", "Too many webhooks"


def delay(failures: int, *, asked: float | None = None) -> float:
    """Return the seconds until the next attempt after so many that failed in a row.

    Args:
        asked: those that the receiver wants, by Retry-After.
    """
    own = _DELAYS[failures - 1] if failures <= len(_DELAYS) else LONGEST_DELAY
    return min(max(own, asked or 0.0), LONGEST_DELAY)


def check_url(url: str, *, private_addresses: bool) -> None:
    """Check the address of a webhook; whether it is a private one is checked at each connection.

    Args:
        private_addresses: whether these are allowed, and http:// with them.

    Raises:
        Malformed: naming what is wrong, but not the address, which may hold a secret.
    """
    parts = None
    if len(url) <= LONGEST_URL and _URL.fullmatch(url):
        try:
            parts = urlsplit(url)
            if not parts.hostname or parts.port == 0:
                parts = None
        except ValueError:
            parts = None
    if parts is None:
        raise Malformed("url: must be an address such as https://example.com/hooks/scores.")
    if "@" in parts.netloc or parts.fragment:
        raise Malformed("url: may have neither a username nor a fragment.")
    if parts.scheme != "https" and not private_addresses:
        raise Malformed("url: must begin with https://.")


def host_of(url: str) -> str:
    """Return what may be logged of an address: the host. Paths of Discord and Slack are secrets."""
    return urlsplit(url).hostname or ""
