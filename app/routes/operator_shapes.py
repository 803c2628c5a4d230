"""The answers under /admin that no type of the domain describes. Source: contract, section 8."""

from typing import Any, Literal

import msgspec

from app.domain.actions import ModeratedAction
from app.domain.moments import Moment
from app.domain.service_keys import KeyScope
from app.domain.trail import EventKind
from app.domain.undo import Undo
from app.domain.users import Role


class UserRecord(msgspec.Struct, rename="camel"):
    """A user as operators see one; who is erased has no name, and not everybody has an address."""

    user_id: str
    username: str | None
    display_name: str | None
    email: str | None
    role: Role
    status: Literal["active", "suspended", "erased"]
    hidden: bool
    total_score: int
    created_at: Moment


class UserRecords(msgspec.Struct, rename="camel"):
    """Users that were found."""

    items: list[UserRecord]


class CreatedUser(UserRecord, rename="camel"):
    """A new user; with the password if it was generated, which is shown this once."""

    password: str | msgspec.UnsetType = msgspec.UNSET


class ImportedUser(msgspec.Struct, rename="camel"):
    """A user who was made from a line of a list, or would be; with the password if it was generated, this once."""

    line: int
    user_id: str | None
    username: str
    display_name: str | None
    email: str | None
    password: str | msgspec.UnsetType = msgspec.UNSET


class SkippedUser(msgspec.Struct, rename="camel"):
    """A user of a list who was there already, and is left as before."""

    line: int
    username: str


class ImportedUsers(msgspec.Struct, rename="camel"):
    """Who was made from a list, and who was there already; or would be, in a dry run."""

    created: list[ImportedUser]
    skipped: list[SkippedUser]


class ResetLink(msgspec.Struct, rename="camel"):
    """A link for setting a new password, and when it expires; whoever has it gets into the account."""

    url: str
    expires_at: Moment


class ModeratedActions(msgspec.Struct, rename="camel"):
    """A page of actions, newest first, and the cursor of the next one."""

    items: list[ModeratedAction]
    next_cursor: str | None


class AuditEvent(msgspec.Struct, rename="camel"):
    """An entry of the audit trail: what was done to whom, by whom and why.

    `undo` is the request that undoes it, while nothing newer has changed the same; None when there is none.
    `actor` is a user's id, `key:` with a service key's name, "system" or "shell"; `actorName` the username, if it is a
    user's.
    """

    event_id: str
    kind: EventKind
    at: Moment
    user_id: str | None
    username: str | None
    action_id: str | None
    points: int | None
    reason: str | None
    actor: str
    actor_name: str | None
    details: dict[str, Any]
    undo: Undo | None


class AuditEvents(msgspec.Struct, rename="camel"):
    """A page of the audit trail, newest first, and the cursor of the next one."""

    items: list[AuditEvent]
    next_cursor: str | None


class KeyRecord(msgspec.Struct, rename="camel"):
    """A service key as operators see it; who made it is a user id or "shell"."""

    id: str
    name: str
    scopes: list[KeyScope]
    expires_at: Moment | None
    created_at: Moment
    created_by: str
    last_used_at: Moment | None


class NewKey(KeyRecord, rename="camel", kw_only=True):
    """A new service key with the key itself, which is never told again."""

    key: str


class KeyRecords(msgspec.Struct, rename="camel"):
    """A page of service keys, newest first, and the cursor of the next one."""

    items: list[KeyRecord]
    next_cursor: str | None


class JoinCodeRecord(msgspec.Struct, rename="camel"):
    """A join code as operators see it; the code itself is told once, when it is made."""

    id: str
    uses: int
    used: int
    expires_at: Moment | None
    note: str | None
    created_at: Moment
    created_by: str


class NewJoinCode(JoinCodeRecord, rename="camel"):
    """A join code that was just made, the address that fills it in, and that as a QR code (an SVG document)."""

    code: str
    url: str
    qr: str


class JoinCodeRecords(msgspec.Struct, rename="camel"):
    """A page of join codes, newest first, and the cursor of the next one."""

    items: list[JoinCodeRecord]
    next_cursor: str | None


class FlagState(msgspec.Struct, rename="camel"):
    """A flag, and who set it when."""

    name: str
    enabled: bool
    updated_at: Moment | None
    updated_by: str | None


class Flags(msgspec.Struct, rename="camel"):
    """All flags."""

    items: list[FlagState]


class BoardFreeze(msgspec.Struct, rename="camel"):
    """A board, or a period of it, and its freeze: in force, planned (`frozenFrom` lies ahead), or none.

    `revealed` and `places` are there while its places are revealed: how many are, the last first, and how many there
    are.
    """

    board: str
    title: str
    frozen: bool
    frozen_from: Moment | None
    thawed_at: Moment | None
    period: str | msgspec.UnsetType = msgspec.UNSET
    revealed: int | msgspec.UnsetType = msgspec.UNSET
    places: int | msgspec.UnsetType = msgspec.UNSET


class BoardFreezes(msgspec.Struct, rename="camel"):
    """The boards, and what is frozen of them besides."""

    items: list[BoardFreeze]


class InvariantCheck(msgspec.Struct, rename="camel"):
    """One invariant, and how many violations of it there are."""

    name: str
    violations: int


class AuditReport(msgspec.Struct, rename="camel"):
    """Whether everything is right; the age is 0 unless there was too much to check, and a worker's result is told."""

    ok: bool
    checks: list[InvariantCheck]
    age_seconds: int


class Stats(msgspec.Struct, rename="camel"):
    """Counters; the lag in seconds; the queue's length is null while it can't be asked.

    Completions are those of the last 60 s. `boardVersion` is that of all-time.
    """

    users: int
    suspended: int
    held: int
    started: int
    unsettled: int
    completions_per_minute: int
    settle_lag_seconds: float
    board_version: int
    queue_length: int | None
    connections: int
