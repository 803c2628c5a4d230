"""What goes wrong: one exception that says what the service has answered."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


class ScoreboardError(Exception):
    """A refusal by the service, or why nothing comes of asking it.

    Attributes:
        status: the HTTP status, or the close code of a WebSocket (4401, 4403); None where nothing was answered.
        code: the service's stable word (`unauthorized`, `rate-limited`, …), `http-<status>` for an answer that isn't
            the service's, or of here: `unreachable`; `token`, a mistake in a function that gives tokens; and
            `unreadable`, `unsigned`, `unknown-key`, `wrong-signature` for messages that were dropped.
        retry_after: seconds for which the service wants to be left alone; None where it hasn't said.
        problem: the whole answer where it was problem+json, with `detail`, `requestId` and what else it says.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        retry_after: float | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.problem = dict(problem or {})


def refusal_in(status: int, headers: Mapping[str, str], body: bytes) -> ScoreboardError:
    """Return what an answer that isn't the wanted one says: problem+json, or what a proxy in between makes of it."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    problem = said if isinstance(said, dict) else {}
    code = problem.get("code")
    return ScoreboardError(
        str(problem.get("detail") or problem.get("title") or f"The service answered {status}."),
        code=code if isinstance(code, str) else f"http-{status}",
        status=status,
        retry_after=_seconds(headers.get("retry-after")),
        problem=problem,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a `Retry-After` means, as a number or a date; None for anything else."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
