"""What a web process works with: made once by `app.main`, read by the routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from app import actions
from app.access.admission import Admission
from app.access.revocation import Sessions
from app.access.tokens import Claims, Tokens
from app.concurrency.batching import Batcher
from app.concurrency.reads import Reads
from app.concurrency.single_flight import SingleFlight
from app.concurrency.threads import Threads
from app.domain.actions import Action, End, Start
from app.domain.errors import Forbidden, Unauthorized
from app.domain.ids import UserId
from app.domain.scoring import ScoringRules
from app.enqueue import Enqueuer
from app.live.board import LiveBoard
from app.live.connections import Connections
from app.live.own_scores import OwnScores
from app.live.relay import SupervisedRedis
from app.serving.draining import Draining
from config.settings import Settings
from db.redis import AsyncRedis, Publisher, Redis
from db.transaction import TimedOut, in_statement, in_transaction
from db.users import UserState

T = TypeVar("T")

FIRST_SIGHT = 0.5
"""Seconds that a write waits to learn whether its token was revoked, before its own transaction finds out."""


@dataclass(frozen=True, slots=True)
class Web:
    """The resources of one web process."""

    settings: Settings
    rules: ScoringRules
    engine: sa.Engine
    redis: Redis
    buckets: AsyncRedis
    publisher: Publisher
    relay: SupervisedRedis
    tokens: Tokens
    sessions: Sessions
    admission: Admission
    starts: Batcher[Start, Action]
    ends: Batcher[End, Action]
    enqueuer: Enqueuer
    board: LiveBoard
    own_scores: OwnScores
    connections: Connections
    database: Threads
    reads: Reads
    upkeep: Threads
    passwords: Threads
    draining: Draining
    readiness: SingleFlight[dict[str, str]]
    lag: SingleFlight[float | None]

    @property
    def under_way(self) -> int:
        """Requests that wait for their token to be looked at, to be admitted, or to start or end an action."""
        return self.sessions.unanswered + self.admission.unanswered + self.starts.unanswered + self.ends.unanswered


def web_of(connection: HTTPConnection) -> Web:
    """Return the resources of the process that serves this request or socket."""
    return cast(Web, connection.app.state.web)


def bearer(connection: HTTPConnection) -> str | None:
    """Return the token of the Authorization header, if there is one.

    Raises:
        Unauthorized: when the header is something else.
    """
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("The Authorization header must be: Bearer <token>.")
    return token.strip()


async def writer(connection: HTTPConnection) -> Claims:
    """Return the claims of a write's token.

    What is known here may be seconds old; the write's own transaction looks again.

    Raises:
        Unauthorized: when there is no token, or it is invalid, expired or revoked.
    """
    web = web_of(connection)
    claims = _claims(web, connection)
    await web.sessions.check_or_trust(claims, patience=FIRST_SIGHT)
    return claims


async def reader(connection: HTTPConnection) -> tuple[Claims, UserState]:
    """Return the claims of a read's token, and the state of its user.

    Raises:
        Unauthorized: when there is no token, or it is invalid, expired or revoked.
        Unavailable: when the database is away and the user was not seen before.
    """
    web = web_of(connection)
    claims = _claims(web, connection)
    return claims, await web.sessions.check(claims)


def _claims(web: Web, connection: HTTPConnection) -> Claims:
    token = bearer(connection)
    if token is None:
        raise Unauthorized("A token is needed: Authorization: Bearer <token>.")
    return web.tokens.verify(token)


def path_user(connection: HTTPConnection, claims: Claims) -> UserId:
    """Return the user whose path this is, who must be the one whose token it is.

    Raises:
        Forbidden: without looking anything up.
    """
    user_id = connection.path_params["user_id"]
    if user_id != claims.sub:
        raise Forbidden("This is another player's path.")
    return UserId(user_id)


def run_starts(engine: sa.Engine, rules: ScoringRules, wishes: Sequence[Start]) -> Sequence[Action | BaseException]:
    """Start many actions in one statement: what the batcher of starts runs."""
    return in_statement(engine, lambda conn: actions.start(conn, wishes, max_open=rules.max_open_actions))


def run_ends(engine: sa.Engine, rules: ScoringRules, wishes: Sequence[End]) -> Sequence[Action | BaseException]:
    """Complete and cancel many actions in one transaction: what the batcher of ends runs.

    When somebody holds a lock for too long, those that are not locked are done, and the others told to come again.
    """
    try:
        return in_transaction(engine, lambda conn: actions.end(conn, wishes, rules))
    except TimedOut:
        return in_transaction(engine, lambda conn: actions.end(conn, wishes, rules, skip_locked=True))
