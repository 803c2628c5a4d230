"""The shapes of answers, for those that no other type gives. Source: contract, section 4."""

from datetime import datetime
from typing import Literal

import msgspec

from app.domain.actions import Action, ModeratedAction


class Registered(msgspec.Struct):
    """A new account."""

    userId: str
    username: str


class AccessToken(msgspec.Struct):
    """A token, its life in seconds, and whose it is."""

    accessToken: str
    expiresIn: int
    tokenType: Literal["Bearer"]
    userId: str


class OwnUser(msgspec.Struct):
    """A player's own view: the total of all actions, and what of it stands on the board."""

    userId: str
    username: str
    email: str
    role: Literal["player", "admin"]
    totalScore: int
    score: int
    rank: int | None


class TypeRule(msgspec.Struct):
    """What an action of a type is worth, and within which bounds."""

    type: str
    points: int
    minSeconds: int
    maxSeconds: int | None
    perDay: int | None


class ActionTypes(msgspec.Struct):
    """The scoring rules in force."""

    types: list[TypeRule]


class Health(msgspec.Struct):
    """The process lives."""

    status: Literal["ok"]


Word = Literal["ok", "read-only", "down"]


class Checks(msgspec.Struct):
    """What the process needs, and whether it is there."""

    database: Word
    redis: Word
    relay: Word
    worker: Word


class Readiness(msgspec.Struct):
    """Whether the process should be sent requests."""

    status: Literal["ok", "degraded", "down"]
    checks: Checks
    detail: str | msgspec.UnsetType = msgspec.UNSET


class UserRecord(msgspec.Struct):
    """A user as operators see one; who is erased has neither name nor address."""

    userId: str
    username: str | None
    email: str | None
    role: Literal["player", "admin"]
    status: Literal["active", "suspended", "erased"]
    totalScore: int
    createdAt: datetime


class UserRecords(msgspec.Struct):
    """Users that were found."""

    items: list[UserRecord]


class OwnActions(msgspec.Struct):
    """A page of a player's own actions, newest first, and the cursor of the next one."""

    items: list[Action]
    nextCursor: str | None


class ModeratedActions(msgspec.Struct):
    """A page of actions, newest first, and the cursor of the next one."""

    items: list[ModeratedAction]
    nextCursor: str | None


class FlagState(msgspec.Struct):
    """A flag, and who set it when."""

    name: str
    enabled: bool
    updatedAt: datetime | None
    updatedBy: str | None


class Flags(msgspec.Struct):
    """All flags."""

    items: list[FlagState]


class InvariantCheck(msgspec.Struct):
    """One invariant, and how many violations of it there are."""

    name: str
    violations: int


class AuditReport(msgspec.Struct, rename="camel"):
    """Whether everything is right; the age is 0 unless there was too much to check, and a worker's result is told."""

    ok: bool
    checks: list[InvariantCheck]
    age_seconds: int


class Stats(msgspec.Struct):
    """Counters; the lag in seconds; the queue's length is null while it can't be asked.

    Completions are those of the last 60 s.
    """

    users: int
    suspended: int
    held: int
    started: int
    unsettled: int
    completionsPerMinute: int
    settleLagSeconds: float
    boardVersion: int
    queueLength: int | None
    connections: int


class Problem(msgspec.Struct):
    """Why a request failed (RFC 9457); `code` is stable, `action` is there when it has ended before."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    requestId: str
