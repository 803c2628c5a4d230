"""An action, as the outside sees it, and what is asked of one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from app.domain.ids import ActionId, UserId
from app.domain.moments import Moment

STATUSES = ("started", "completed", "cancelled")


class Action(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An action; `score` in points, `settlement` only once it is completed, `value` only where its type has one.

    Source: contract, section 4.
    """

    action_id: ActionId
    user_id: UserId
    type: str
    status: Literal["started", "completed", "cancelled"]
    start_at: Moment
    end_at: Moment | None = None
    score: int | None = None
    metadata: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
    settlement: Literal["pending", "cleared", "held", "reversed"] | msgspec.UnsetType = msgspec.UNSET
    value: int | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(
        cls,
        action_id: ActionId,
        user_id: UserId,
        type: str,
        status: Literal["started", "completed", "cancelled"],
        start_at: datetime,
        end_at: datetime | None,
        score: int | None,
        metadata: str,
        settlement: Literal["pending", "cleared", "held", "reversed"] | None,
        value: int | None = None,
    ) -> "Action":
        """Build an action from a row; `metadata` is JSON text."""
        return cls(
            action_id=action_id,
            user_id=user_id,
            type=type,
            status=status,
            start_at=start_at.astimezone(UTC),
            end_at=end_at and end_at.astimezone(UTC),
            score=score,
            metadata=msgspec.Raw(metadata.encode()),
            settlement=settlement or msgspec.UNSET,
            value=msgspec.UNSET if value is None else value,
        )


class CompletedAction(Action, frozen=True, rename="camel", kw_only=True):
    """The answer to a completion: the action, its award, and the user's total, both in points."""

    awarded_points: int
    total_score: int


class ActionVerdict(msgspec.Struct, frozen=True):
    """Why an action was held back: the rule, words for people, and the numbers that the rule saw."""

    rule: str
    reason: str
    facts: dict[str, Any]


class ModeratedAction(Action, frozen=True, rename="camel", kw_only=True):
    """An action as operators see it; `verdict` is the newest, None when it was never held, `username` when erased."""

    username: str | None
    display_name: str | None
    verdict: ActionVerdict | None


def digits_written_out(value: Any) -> int:
    """Return by how many bytes a JSON value grows in PostgreSQL, which writes 1e308 with all of its zeros."""
    if isinstance(value, float):
        short = repr(value)
        return max(0, len(format(Decimal(short), "f")) - len(short)) if "e" in short else 0
    if isinstance(value, dict):
        return sum(map(digits_written_out, value.values()))
    if isinstance(value, list):
        return sum(map(digits_written_out, value))
    return 0


@dataclass(frozen=True, slots=True)
class Start:
    """A request to start an action; `metadata` is JSON text.

    `token_version` is None for a service key's: it is not compared with the user's.
    """

    action_id: ActionId
    user_id: UserId
    token_version: int | None
    type: str
    client_ip: str | None
    metadata: str


@dataclass(frozen=True, slots=True)
class End:
    """A request to complete or cancel an action; `token_version` as in Start.

    `value` is what was measured of it, and `trusted` says that a service key reports that.
    """

    action_id: ActionId
    user_id: UserId
    token_version: int | None
    status: Literal["completed", "cancelled"]
    client_ip: str | None
    value: int | None = None
    trusted: bool = False
