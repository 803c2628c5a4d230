"""What is posted and decided in a transaction: a report by a service key, or anything that may be sent twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.actions import Action
from app.domain.errors import ScoreboardError
from app.domain.idempotency import Idempotency
from app.domain.ids import ActionId, UserId


@dataclass(frozen=True, slots=True)
class Post:
    """A request to record an action: a "started" one, or a "completed" one that a service key reports.

    Args:
        token_version: of the user's token; None when a service key asks.
        metadata: JSON text.
        value: what was measured of it.
        end_at: when it was completed (UTC); None for now.
        reported_by: the service key's id, for what is completed.
        refusal: the answer, unless the request was answered with an action before. Its body was judged by rules that
            may have changed since then.
    """

    action_id: ActionId
    user_id: UserId
    token_version: int | None
    status: Literal["started", "completed"]
    type: str
    client_ip: str | None
    metadata: str
    value: int | None = None
    end_at: datetime | None = None
    reported_by: str | None = None
    idempotency: Idempotency | None = None
    refusal: ScoreboardError | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The action that was recorded for a request; `replayed` when an earlier request with its key did that."""

    action: Action
    replayed: bool = False
