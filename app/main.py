"""The web application: its lifetime, and the wiring of what its routes need."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app import clock, replica
from app.access.admission import Admission
from app.access.identities import Identities
from app.access.keys import Keys
from app.access.networks import TrustedNetworks
from app.access.revocation import Sessions
from app.access.token_bucket import TokenBucketRateLimiter
from app.access.tokens import Tokens
from app.actions import run_ends, run_starts
from app.board.publish import signer_of
from app.concurrency.batching import Batcher
from app.concurrency.reads import Reads
from app.concurrency.single_flight import SingleFlight, SingleFlights
from app.concurrency.threads import Threads
from app.domain import board_rules, issuers, names, scoring
from app.domain.board_rules import BoardRules
from app.edge import Edge
from app.enqueue import Enqueuer
from app.http.answers import EXCEPTION_HANDLERS
from app.http.root_path import BelowPath
from app.live.boards import LiveBoards
from app.live.connections import Connections
from app.live.own_scores import OwnScores
from app.live.past import PastPeriods
from app.live.push_latency import PushLatency
from app.live.relay import SupervisedRedis
from app.posts import run_posts
from app.ranks import run_crowd_ranks, run_crowd_stretches, run_ranks, run_stretches
from app.router import ROUTES
from app.serving.draining import Draining
from app.web import Web
from config import rules
from config.settings import Settings
from db import engine, redis
from db.redis import Publisher
from db.replica import Replica, connect
from db.transaction import on_loop
from telemetry import metrics, tracing


def create_app(settings: Settings) -> ASGIApp:
    """Make the application.

    Raises:
        RulesError, ValueError: when a rule file is malformed.
    """
    scoring_rules = scoring.parse(rules.read(settings.scoring_file))
    boards = board_rules.parse(rules.read(settings.boards_file), scoring_rules)
    blocked_names = names.parse_blocked(rules.read_text(settings.blocked_names_file))
    known_issuers = issuers.parse(rules.read(settings.issuers_file), production=settings.production)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        web = app.state.web = wire(settings, boards, scoring_rules, blocked_names, known_issuers)
        web.draining.watch()
        tasks = [
            asyncio.create_task(web.boards.run()),
            asyncio.create_task(web.own_scores.run()),
            asyncio.create_task(web.sessions.poll_for_ever(web.connections.users)),
            asyncio.create_task(web.keys.poll_for_ever()),
            asyncio.create_task(web.networks.poll_for_ever()),
            asyncio.create_task(web.identities.run()),
            asyncio.create_task(clock.watch_for_ever(web.engine, web.upkeep)),
            asyncio.create_task(replica.watch_for_ever(web.replica, web.replica_watch)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await close(web)
            await asyncio.to_thread(tracing.shut_down)

    app = Starlette(routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS, lifespan=lifespan)
    app.router.redirect_slashes = False  # it would redirect to a host that the client names, and drop the answer's form
    edge = Edge(app, settings)
    return BelowPath(edge, settings.root_path) if settings.root_path else edge


def wire(
    settings: Settings,
    known_boards: BoardRules,
    scoring_rules: scoring.ScoringRules,
    blocked_names: names.BlockedNames,
    known_issuers: Sequence[issuers.Issuer],
) -> Web:
    """Make a web process's resources. Needs a running event loop; connects to nothing yet."""
    # As many connections as lanes and threads: nobody waits for one, the event loop above all.
    lanes_to_replica = 2 if settings.database_replica_url else 0  # which come here while it can't be read
    database = engine.connect(settings.database_url, engine.WEB, pool_size=11 + lanes_to_replica, name="web")
    hot = engine.connect(settings.database_url, engine.WEB, pool_size=5, name="web", prepares=True)
    copy = _replica(settings, database)
    # Two checks of the boards at once, as at the start, would leave a second one open for ever.
    cache = redis.connect(settings.redis_url, timeout=0.5, connections=1)
    threads = Threads("database", 3, depth=200)
    # Of its own: what keeps sessions and board fresh must not wait behind requests.
    upkeep = Threads("upkeep", 2, depth=20)
    cache_on_loop = redis.connect_on_loop(settings.redis_url, timeout=0.5)
    relay = SupervisedRedis(settings.pubsub_url)
    publisher = Publisher.on(cache, signer_of(settings), redis.connect_channels(settings, timeout=0.5))
    boards = LiveBoards(known_boards, database, publisher, relay, upkeep)
    connections = Connections(settings)
    sessions = Sessions(database, upkeep, connections.user_changed)
    admission = Admission(settings, Batcher("limits", TokenBucketRateLimiter(cache_on_loop).hit_many, lanes=1))
    ranks = crowd_ranks = Batcher("ranks", partial(on_loop, database, run_ranks), lanes=1)
    # Few at once: each is a statement of its own.
    stretches = crowd_stretches = Batcher("stretches", partial(on_loop, database, run_stretches), **_FEW)
    if copy.engine is not None:
        crowd_ranks = Batcher("crowd-ranks", partial(on_loop, database, run_crowd_ranks, copy), lanes=1)
        crowd_stretches = Batcher("crowd-stretches", partial(on_loop, database, run_crowd_stretches, copy), **_FEW)
    return Web(
        settings=settings,
        rules=scoring_rules,
        board_rules=known_boards,
        blocked_names=blocked_names,
        engine=database,
        hot=hot,
        replica=copy,
        redis=cache_on_loop,
        publisher=publisher,
        relay=relay,
        tokens=Tokens(settings.secret_key, settings.secret_keys_retired, settings.access_token_ttl),
        sessions=sessions,
        identities=Identities(
            known_issuers, database, threads, sessions, blocked_names, production=settings.production
        ),
        keys=Keys(database, upkeep, connections.keys_ended),
        networks=TrustedNetworks(database, upkeep, admission.trust),
        admission=admission,
        starts=Batcher("starts", partial(on_loop, hot, run_starts, scoring_rules), lanes=1),
        ends=Batcher("ends", partial(on_loop, hot, run_ends, scoring_rules)),
        posts=Batcher("posts", partial(on_loop, hot, run_posts, scoring_rules)),
        ranks=ranks,
        stretches=stretches,
        crowd_ranks=crowd_ranks,
        crowd_stretches=crowd_stretches,
        enqueuer=Enqueuer(settings.broker_url),
        boards=boards,
        past=PastPeriods(database, publisher.signer, threads),
        own_scores=OwnScores(database, publisher.signer, upkeep),
        push_latency=PushLatency(),
        connections=connections,
        database=threads,
        reads=Reads(Threads("reads", 2, depth=200)),
        upkeep=upkeep,
        replica_watch=Threads("replica", 1, depth=1),
        passwords=Threads("passwords", 1, depth=64),
        draining=Draining(),
        readiness=SingleFlight(),
        lag=SingleFlight(),
        board_states=SingleFlight(),
        past_reads=SingleFlights(),
    )


_FEW = {"lanes": 1, "limit": 20, "depth": 500}


def _replica(settings: Settings, primary: sa.Engine) -> Replica:
    if settings.database_replica_url is None:
        return Replica(primary)
    # As many as threads and lanes that read, and one that looks.
    engine_ = connect(settings.database_replica_url, engine.WEB, pool_size=10, name="web-replica")
    metrics.begin_replica_at_zero()
    return Replica(primary, engine_, settings.replica_max_lag)


async def close(web: Web) -> None:
    """Let go of a web process's resources."""
    for part in (
        *(web.admission, web.starts, web.ends, web.posts, web.ranks, web.stretches),
        *(web.crowd_ranks, web.crowd_stretches, web.identities, web.sessions, web.keys),
    ):
        part.close()
    for threads in (web.database, web.reads, web.upkeep, web.replica_watch, web.passwords):
        threads.close()
    web.engine.dispose()
    web.hot.dispose()
    if web.replica.engine is not None:
        web.replica.engine.dispose()
    web.publisher.close()
    await web.enqueuer.close()
    await web.redis.aclose()
