"""The networks that operators trust at run time, as a worker knows them; `[shared_ip]` counts none of them."""

import math
import time

import sqlalchemy as sa

from config.values import Network
from db import networks

READ_EVERY = 2.0
"""Seconds after which they are read again."""


class NetworksAtRunTime:
    """What operators trust at run time, read in a transaction that needs it and seconds old at most."""

    def __init__(self) -> None:
        self._until: dict[Network, float] = {}
        self._read_at = -math.inf

    def read(self, conn: sa.Connection) -> tuple[Network, ...]:
        """Return the networks that are in force."""
        now = time.monotonic()
        if now - self._read_at > READ_EVERY:
            self._until = networks.until(networks.live(conn), now)
            self._read_at = now
        return networks.in_force(self._until, now)
