"""What a task works with, opened once in each worker process."""

from collections.abc import Callable

from app.board import audit
from app.board.publish import signer_of
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import fraud
from app.domain.board_rules import BoardRules
from app.domain.fraud import FraudRules
from app.domain.scoring import DEFAULT_TYPE, ScoringRules
from app.domain.webhooks import EVENTS
from config.settings import Settings
from db import engine, redis
from db.redis import Publisher
from telemetry import metrics

_open: Callable[[], Desk] | None = None
_desk: Desk | None = None


def configure(
    settings: Settings, board_rules: BoardRules, scoring_rules: ScoringRules, fraud_rules: FraudRules
) -> None:
    """Set what this process, and those forked from it, work with; nothing is opened yet."""
    global _open
    metrics.begin_at_zero(rules=fraud.RULES, invariants=audit.NAMES, webhook_events=EVENTS)

    def open_desk() -> Desk:
        return Desk(
            engine=engine.connect(settings.database_url, engine.WORKER, pool_size=1, name="worker"),
            publisher=Publisher.on(
                redis.connect(settings.redis_url, timeout=1),
                signer_of(settings),
                redis.connect_channels(settings, timeout=1),
            ),
            board_rules=board_rules,
            rules=scoring_rules,
            vetting=Vetting(fraud_rules, scoring_rules[DEFAULT_TYPE].most_points, settings.trusted_networks),
            client_ip_days=settings.client_ip_days,
            partition_months=settings.partition_months,
            preparing=engine.connect(settings.database_url, engine.WORKER, pool_size=1, name="worker", prepares=True),
        )

    _open = open_desk


def desk() -> Desk:
    """Return this process's resources, opened by its first task: connections must not be shared by a fork."""
    global _desk
    if _desk is None:
        if _open is None:
            raise RuntimeError("tasks.resources.configure has not been called")
        _desk = _open()
    return _desk


def close() -> None:
    """Let go of this process's resources."""
    global _desk
    if _desk is not None:
        _desk.engine.dispose()
        _desk.hot.dispose()
    _desk = None
