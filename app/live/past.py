"""Periods that are over, for GET /top-scores: read from PostgreSQL, where corrections alone still change them."""

import time
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from cachetools import LRUCache

from app.board import freeze
from app.concurrency.single_flight import SingleFlight
from app.concurrency.threads import Threads
from app.domain import messages
from app.domain.board_rules import BoardRule
from app.domain.errors import DatabaseUnavailable, NotFound, Overloaded
from app.domain.ids import BoardId
from app.domain.messages import Update
from app.domain.periods import Period
from app.domain.signing import Signer
from db import published
from db.transaction import in_statement, in_transaction

REMEMBERED = 100
"""Periods that are kept, each of a hundred rows at most."""

TRUSTED = 1.0
"""Seconds for which PostgreSQL isn't asked again whether a period has another version."""

NOTHING = ("00000000-0000-0000-0000-000000000000", 0)
"""The version of a period in which nothing was ever counted, and which has no row."""


@dataclass(slots=True)
class _Kept:
    update: Update
    asked: float


class PastPeriods:
    """Reads periods, and keeps those that were asked for lately: of each the version alone is asked for again."""

    def __init__(self, engine: sa.Engine, signer: Signer, threads: Threads) -> None:
        self._engine = engine
        self._signer = signer
        self._threads = threads
        self._kept: LRUCache[BoardId, _Kept] = LRUCache(REMEMBERED)
        self._flights: dict[BoardId, SingleFlight[Update]] = {}

    async def read(self, rule: BoardRule, period: Period) -> Update:
        """Return a period's board; while PostgreSQL is away, as it was read last.

        Raises:
            NotFound: when the period hasn't begun yet, by PostgreSQL's clock.
            DatabaseUnavailable, Overloaded: when it can't be read, and isn't kept.
        """
        kept = self._kept.get(period.id)
        if kept is not None and time.monotonic() - kept.asked < TRUSTED:
            return kept.update
        flight = self._flights.setdefault(period.id, SingleFlight())
        try:
            return await flight.run(partial(self._ask, rule, period, kept))
        except (DatabaseUnavailable, Overloaded):
            if kept is None:
                raise
            kept.asked = time.monotonic()
            return kept.update
        finally:
            if not flight.running:
                self._flights.pop(period.id, None)

    async def _ask(self, rule: BoardRule, period: Period, kept: _Kept | None) -> Update:
        asked = time.monotonic()
        known = kept.update if kept is not None else None
        update = await self._threads.run(_read, self._engine, rule, period, known, self._signer)
        self._kept[period.id] = _Kept(update, asked)
        return update


def _read(engine: sa.Engine, rule: BoardRule, period: Period, known: Update | None, signer: Signer) -> Update:
    """Read a period; the update that is known when it is still at that version."""
    stamp = known.stamp if known else None
    moment, now = in_statement(engine, lambda conn: published.read_unless(conn, period.id, stamp))
    if period.starts is not None and period.starts > moment:
        raise NotFound("This period has not begun yet.")
    if now is None:
        return messages.update(rule.id, NOTHING, [], period.starts or moment, signer, period.label)
    if now.freezes_at is not None and now.freezes_at <= moment:
        in_transaction(engine, freeze.begin_due)
        return _read(engine, rule, period, known, signer)
    if known is not None and known.stamp == (now.epoch, now.version):
        return known
    version = (now.epoch, now.version)
    return messages.update(rule.id, version, now.rows, now.updated_at, signer, period.label, now.freeze)
