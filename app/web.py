"""What a web process works with: made once by `app.main`, read by the routes."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from app.access.admission import Admission
from app.access.identities import Identities
from app.access.keys import Keys
from app.access.networks import TrustedNetworks
from app.access.revocation import Sessions
from app.access.tokens import Tokens
from app.board.publish import publish_all
from app.board.states import BoardStates
from app.concurrency.batching import Batcher
from app.concurrency.reads import Reads
from app.concurrency.single_flight import SingleFlight, SingleFlights
from app.concurrency.threads import Threads
from app.domain.actions import Action, End, Start
from app.domain.board_rules import BoardRules
from app.domain.errors import ScoreboardError
from app.domain.ids import DEFAULT_BOARD, UserId
from app.domain.names import BlockedNames
from app.domain.posts import Post, Recorded
from app.domain.scoring import ScoringRules
from app.enqueue import Enqueuer
from app.live.board import LiveBoard
from app.live.boards import LiveBoards
from app.live.connections import Connections
from app.live.own_scores import OwnScores
from app.live.past import PastPeriods
from app.live.push_latency import PushLatency
from app.live.relay import SupervisedRedis
from app.ranks import Asked, Places, Rows, Stretch
from app.readiness import Checks
from app.serving.draining import Draining
from config.settings import Settings
from db.redis import AsyncRedis, Publisher
from db.replica import Replica
from db.transaction import in_statement, in_transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Web:
    """The resources of one web process.

    `hot` is the engine of what comes with every action: its connections prepare statements, those of `engine` don't.
    """

    settings: Settings
    rules: ScoringRules
    board_rules: BoardRules
    blocked_names: BlockedNames
    engine: sa.Engine
    hot: sa.Engine
    replica: Replica
    redis: AsyncRedis
    publisher: Publisher
    relay: SupervisedRedis
    tokens: Tokens
    sessions: Sessions
    identities: Identities
    keys: Keys
    networks: TrustedNetworks
    admission: Admission
    starts: Batcher[Start, Action]
    ends: Batcher[End, Action]
    posts: Batcher[Post, Recorded]
    ranks: Batcher[Asked, Places]
    stretches: Batcher[Stretch, Rows]
    crowd_ranks: Batcher[Asked, Places]
    crowd_stretches: Batcher[Stretch, Rows]
    enqueuer: Enqueuer
    boards: LiveBoards
    past: PastPeriods
    own_scores: OwnScores
    push_latency: PushLatency
    connections: Connections
    database: Threads
    reads: Reads
    upkeep: Threads
    replica_watch: Threads
    passwords: Threads
    draining: Draining
    readiness: SingleFlight[Checks]
    lag: SingleFlight[float | None]
    board_states: SingleFlight[BoardStates]
    past_reads: SingleFlights[Any]

    @property
    def board(self) -> LiveBoard:
        """The default board."""
        return self.boards[DEFAULT_BOARD]

    @property
    def under_way(self) -> int:
        """Requests that wait for their token to be looked at, to be admitted, or to start or end an action."""
        waiting = self.sessions.unanswered + self.keys.unanswered + self.admission.unanswered
        return waiting + self.starts.unanswered + self.ends.unanswered + self.posts.unanswered

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a transaction, in a thread; raises like db.transaction.in_transaction."""
        return await self.database.run(in_transaction, self.engine, work)

    async def statement(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`, which is one statement, in a thread; raises like db.transaction.in_statement."""
        return await self.database.run(in_statement, self.engine, work)

    async def own_statement(self, user_id: UserId, work: Callable[[sa.Connection], T]) -> T:
        """Run a player's own read, which is one statement, in threads of their own, one of a player at a time."""
        return await self.reads.run(user_id, in_statement, self.engine, work)

    async def tokens_changed(self, user_id: UserId) -> None:
        """Look a user up again whose tokens a committed change may have ended, and close the sockets that end by it."""
        with contextlib.suppress(ScoreboardError):  # it is done; the next poll finds it as well
            await self.sessions.refresh([user_id])

    async def networks_changed(self) -> None:
        """Trust in this process what a committed change says, without waiting for the next poll."""
        with contextlib.suppress(ScoreboardError):  # it is done; the next poll finds it as well
            await self.networks.refresh()

    async def publish_boards(self) -> None:
        """Publish the boards that a committed change may have touched."""
        with contextlib.suppress(ScoreboardError):  # it is done; the sweep publishes as well
            await self.database.run(publish_all, self.engine, self.publisher, self.board_rules)


def web_of(connection: HTTPConnection) -> Web:
    """Return the resources of the process that serves this request or socket."""
    return cast(Web, connection.app.state.web)
