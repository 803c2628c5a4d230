"""What a worker process works with, and what it does with a message: settle the actions that it names, and publish.

Messages may be lost, late or doubled; the database knows what is left to do, and the sweep does it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.board import settle
from app.board.publish import publish_all, publish_written
from app.board.top import Refreshed
from app.board.vetting import Vetting, suspend_of_these
from app.domain import fraud
from app.domain.board_rules import BoardRules
from app.domain.errors import DatabaseUnavailable, ScoreOutOfRange
from app.domain.ids import ActionId, BoardId
from app.domain.scoring import ScoringRules
from config import queues
from db.redis import Publisher
from db.transaction import in_transaction
from telemetry import logs, metrics, tracing

log = logging.getLogger("scoreboard.settle")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker process works with: the stores, the boards, the rules.

    It keeps addresses for `client_ip_days`, and `partition_months` of actions together.

    `preparing` is the engine that settles and publishes, if that is another one: its connections prepare statements.
    """

    engine: sa.Engine
    publisher: Publisher
    board_rules: BoardRules
    rules: ScoringRules
    vetting: Vetting
    client_ip_days: int = 30
    partition_months: int = 12
    preparing: sa.Engine | None = None

    @property
    def hot(self) -> sa.Engine:
        """The engine for what comes with every action."""
        return self.preparing or self.engine


def settle_and_publish(desk: Desk, action_ids: Sequence[ActionId]) -> None:
    """Settle actions that were just completed, then publish the boards, also when there was nothing to settle."""
    changed: dict[BoardId, Refreshed] = {}
    in_doubt = False
    for first in range(0, len(action_ids), queues.BATCH):
        batch = action_ids[first : first + queues.BATCH]
        try:
            refreshed = settle_batch(desk, batch)
            changed |= refreshed or {}
            in_doubt |= refreshed is None
        except DatabaseUnavailable as error:
            log.warning("%d actions are left to the sweep: %s", len(batch), error)
            return
        except Exception:
            log.exception("settling %d actions failed, they are left to the sweep", len(batch))
            in_doubt = True
    try:
        with tracing.step("publish"):
            if in_doubt or not _publish(desk, changed):
                publish_all(desk.hot, desk.publisher, desk.board_rules)
    except DatabaseUnavailable as error:
        log.warning("publishing is left to the sweep: %s", error)


def _publish(desk: Desk, changed: Mapping[BoardId, Refreshed]) -> bool:
    """Publish boards as they were written; False when they are to be read."""
    written = {row: it.board for row, it in changed.items() if it.board}
    return bool(written) and len(written) == len(changed) and publish_written(desk.publisher, desk.board_rules, written)


def settle_batch(desk: Desk, action_ids: Sequence[ActionId]) -> dict[BoardId, Refreshed] | None:
    """Settle actions in one transaction, then suspend the users who are due for it.

    When a score would leave its range, each of them is settled alone, and those with which one would are held.

    Returns:
        The rows of boards that it changed; None when others may have changed as well.
    """
    try:
        settled = in_transaction(desk.hot, lambda conn: settle.settle(conn, desk.board_rules, action_ids, desk.vetting))
    except ScoreOutOfRange:
        if len(action_ids) > 1:
            for action_id in action_ids:
                settle_batch(desk, [action_id])
            return None
        settled = in_transaction(
            desk.hot, lambda conn: settle.set_aside(conn, desk.board_rules, action_ids[0], fraud.OUT_OF_RANGE)
        )
    count(settled)
    if settled.cleared:
        logs.event(log, logs.SCORE_UPDATED, cleared=settled.cleared, held=settled.held)
    if not settled.held:
        return settled.boards
    try:
        suspend_of_these(desk.engine, desk.board_rules, desk.vetting, settled.held_of)
    except DatabaseUnavailable as error:
        log.warning("suspending is left to the sweep: %s", error)
    return None


def count(settled: settle.Settled) -> None:
    """Count what a transaction has settled, after its commit."""
    metrics.score_updated.inc(settled.cleared)
    metrics.fraud_verdicts.labels("cleared", "none").inc(settled.cleared)
    for rule in settled.held_by:
        metrics.fraud_verdicts.labels("held", rule).inc()
