"""How long to wait for what, in seconds."""

import base64
import json
import random
import time

FIRST_DELAY = 0.5
LONGEST_DELAY = 20.0
RENEW_AFTER = 5 / 6  # of what is left of a token's life
SOONEST_RENEWAL = 1.0

ANSWER = 10.0
SILENCE = 60.0  # more than two heartbeats
POLL = 5.0
DOUBT = 2.0
FIRST_ASCENT = 3.0
LONGEST_ASCENT = 300.0


def backoff(attempt: int) -> float:
    """Pick the seconds before an attempt, counted from 1: full jitter, so that a restarted service isn't met by all
    clients at once."""
    return random.uniform(0, min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt - 1, 10)))


def renewal_delay(token: str | None) -> float | None:
    """Return the seconds after which a token should be replaced; None when it doesn't tell, or is over already.

    By our own clock: where that is wrong, the service's 4401 has the last word.
    """
    try:
        part = str(token).split(".")[1]
        left = float(json.loads(base64.urlsafe_b64decode(part + "=="))["exp"]) - time.time()
    except (IndexError, KeyError, TypeError, ValueError):
        return None  # no JWT
    return max(left * RENEW_AFTER, SOONEST_RENEWAL) if left > 0 else None
