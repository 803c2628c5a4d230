"""Every expected failure: its HTTP status, its stable code, and a sentence for people."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple


class ScoreboardError(Exception):
    """An expected failure, rendered as problem+json in one place (`app.http.answers`).

    Args:
        detail: what happened, in a sentence for a person.
        retry_after: whole seconds after which trying again makes sense.
        extra: further members of the problem document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal server error"

    def __init__(self, detail: str, *, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = extra


class Malformed(ScoreboardError):
    status, code, title = 400, "malformed-request", "Malformed request"


class BlockedName(Malformed):
    code, title = "blocked-name", "Blocked name"


class UnknownType(Malformed):
    code = "unknown-type"


class ListProblem(NamedTuple):
    """What is wrong on a line of a list, in a sentence."""

    line: int
    detail: str


class InvalidList(Malformed):
    """A list with mistakes, all of which are answered; nothing of it was done."""

    code = "invalid-list"

    def __init__(self, problems: Sequence[ListProblem]) -> None:
        # The detail goes into the log, where no name and no address belongs.
        detail = f"{len(problems)} mistakes, the first on line {problems[0].line}; nothing was done."
        super().__init__(detail, errors=[it._asdict() for it in problems])
        self.problems = problems


class WrongValue(Malformed):
    code, title = "wrong-value", "Wrong value"


class WrongEnd(Malformed):
    code, title = "wrong-end", "End out of bounds"


class Unauthorized(ScoreboardError):
    status, code, title = 401, "unauthorized", "Missing or invalid token"


class WrongCredentials(Unauthorized):
    code, title = "wrong-credentials", "Wrong username or password"


class Forbidden(ScoreboardError):
    status, code, title = 403, "forbidden", "Not yours"


class MissingScope(Forbidden):
    code, title = "scope", "The key lacks a scope"


class ServiceKeyRequired(Forbidden):
    code, title = "service-key-required", "For service keys"


class WrongPassword(Forbidden):
    code, title = "wrong-password", "Wrong password"


class InvalidLink(Forbidden):
    code, title = "reset-link", "The link is not valid"


class RegistrationClosed(Forbidden):
    code, title = "registration-closed", "Registration is closed"


class WrongJoinCode(Forbidden):
    code, title = "join-code", "No such join code"


class PasswordLoginOff(Forbidden):
    code, title = "password-login-off", "No passwords here"


class SignInAgain(Forbidden):
    code, title = "sign-in-again", "Sign in again"


class ForeignToken(Forbidden):
    code, title = "foreign-token", "Another issuer's token"


class ForeignOrigin(Forbidden):
    code, title = "foreign-origin", "Origin not allowed"


class Suspended(Forbidden):
    code, title = "user-suspended", "Suspended"


class FraudRule(Forbidden):
    code, title = "fraud-rule", "Refused by a fraud rule"


class NotFound(ScoreboardError):
    status, code, title = 404, "not-found", "Not found"


class Conflict(ScoreboardError):
    status, code, title = 409, "conflict", "Conflict"


class NameTaken(Conflict):
    """Another user has this name; `field` is the name of the member that holds it, and is answered too."""

    code, title = "already-taken", "Already taken"

    def __init__(self, detail: str, *, field: str) -> None:
        super().__init__(detail, field=field)
        self.field = field


class ActionCompleted(Conflict):
    code, title = "action-completed", "Action already completed"


class ActionCancelled(Conflict):
    code, title = "action-cancelled", "Action already cancelled"


class ActionExpired(Conflict):
    code, title = "action-expired", "Action expired"


class TooManyOpenActions(Conflict):
    code, title = "too-many-open-actions", "Too many open actions"


class ScoreOutOfRange(Conflict):
    """A total, or a score on a board, would leave the range in which every reader of JSON keeps whole numbers."""

    code, title = "score-out-of-range", "The score would be too large"

    def __init__(self, detail: str = "A score would be beyond 2^53 - 1, up to which JSON carries it exactly.") -> None:
        super().__init__(detail)


class IdempotencyMismatch(ScoreboardError):
    status, code, title = 422, "idempotency-mismatch", "Idempotency key used for another request"


class Archived(ScoreboardError):
    status, code, title = 410, "archived", "Archived"


class WrongCursor(ScoreboardError):
    status, code, title = 422, "wrong-cursor", "No cursor of this list"


class WrongTime(ScoreboardError):
    """A time in a query that is none, or that makes no sense there; the detail begins with the parameter's name."""

    status, code, title = 422, "wrong-time", "Wrong time"


class TooMuchToRead(ScoreboardError):
    """What is asked for can't be told without reading more than one answer may cost."""

    status, code, title = 422, "too-much-to-read", "Too much to read"


class BoardFrozen(Conflict):
    code, title = "board-frozen", "The board is frozen"


class TooLarge(ScoreboardError):
    status, code, title = 413, "body-too-large", "Body too large"


class UnsupportedMediaType(ScoreboardError):
    status, code, title = 415, "unsupported-media-type", "Unsupported media type"


class RateLimited(ScoreboardError):
    status, code, title = 429, "rate-limited", "Too many requests"


class TooManyConnections(RateLimited):
    code, title = "too-many-connections", "Too many connections"


class Unavailable(ScoreboardError):
    """A store is unavailable or the process overloaded; whether a write was done may be unknown."""

    status, code, title = 503, "unavailable", "Try again shortly"

    def __init__(self, detail: str, *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **extra)


class DatabaseUnavailable(Unavailable):
    code = "database-unavailable"


class Overloaded(Unavailable):
    code = "overloaded"
