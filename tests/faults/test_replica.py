"""A replica that lags, hangs, is killed, cancels what is read, or is none: nobody is told an error."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from db.replica import Replica
from db.transaction import in_transaction
from dev import embedded
from tests.faults.standby import caught_up, connected, log_of, say, streaming
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually

Pair = tuple[embedded.Postgres, embedded.Postgres]
PAUSE, RESUME = "SELECT pg_wal_replay_pause()::text", "SELECT pg_wal_replay_resume()::text"
COUNT = sa.text("SELECT count(*) FROM audit_events")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with streaming(tmp_path_factory.mktemp("pair")) as pair:
        yield pair


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as ends:
        yield ends


@pytest.fixture(scope="module")
def service(stores: Stores, pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(replace(stores, database_url=pair[0].url), tmp_path_factory.mktemp("logs"))
    service.worker()
    service.beat()
    yield service
    service.stop()


def start(service: Service, pair: Pair, **env: str) -> Process:
    web = service.web(DATABASE_REPLICA_URL=pair[1].url, **env)  # type: ignore[arg-type]
    eventually(lambda: checks(web)["replica"] == "ok", what="the replica in use")
    return web


def newcomer(web: Process, ends: ExitStack) -> Player:
    player = Player(web.url, unique("player"))
    ends.callback(player.close)
    return player


def look(web: Process, player: Player, ends: ExitStack, *, token: bool = False) -> "Look":
    headers = player.http.headers if token else {}
    return Look(player, ends.enter_context(httpx2.Client(base_url=web.url, headers=headers, timeout=10)))


def checks(web: Process) -> dict[str, str]:
    found: dict[str, str] = httpx2.get(f"{web.url}/readyz", timeout=10).json()["checks"]
    return found


def seen(replica: Replica) -> tuple[str, float]:
    replica.look()
    return replica.word, replica.lag


def metric(web: Process, name: str) -> float:
    text = httpx2.get(f"{web.url}/metrics", timeout=10).text
    return float(re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[0])


@dataclass
class Look:
    """What one reader is told about a player on the board all-time, by each read that may be answered by a replica."""

    player: Player
    http: httpx2.Client

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def scores(self) -> dict[str, int]:
        user = self.player.user_id
        board = "/boards/all-time"
        rows = {
            "standings": self.get(f"{board}/standings")["items"],
            "around": self.get(f"{board}/around/{user}")["items"],
            "players": self.get(f"{board}/players?name={self.player.username}")["items"],
            "ranks": self.http.post(f"{board}/ranks", json={"userIds": [user]}).json()["items"],
            "rank": [self.get(f"{board}/ranks/{user}")],
        }
        scores = {name: sum(row["score"] for row in found if row["userId"] == user) for name, found in rows.items()}
        (line,) = self.get(f"{board}/history?users={user}&points=2")["items"]
        feed = self.get(f"{board}/feed")["items"]
        return {
            **scores,
            "history": line["points"][-1]["score"],
            "feed": sum(it["points"] for it in feed if it["userId"] == user),
        }

    def all_are(self, score: int) -> bool:
        return set(self.scores().values()) == {score}

    def stood(self) -> int:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return sum(it["score"] for it in self.get(f"/top-scores?asOf={now}") if it["userId"] == self.player.user_id)


def test_crowd_may_be_told_what_is_old_and_who_shows_a_token_never_is(
    service: Service, pair: Pair, ends: ExitStack, tmp_path: Path
) -> None:
    web = start(service, pair, REPLICA_MAX_LAG="300")
    (tmp_path / "boards.toml").write_text("[boards.all-time]\nfreeze_at = 2099-01-01T00:00:00Z\n")
    freezing = start(service, pair, REPLICA_MAX_LAG="300", BOARDS_FILE=str(tmp_path / "boards.toml"))
    player = newcomer(web, ends)
    player.score()
    crowd, own = look(web, player, ends), look(web, player, ends, token=True)
    eventually(lambda: player.http.get("/top-scores").json(), what="the first points")
    eventually(lambda: caught_up(*pair), what="the replica")
    say(pair[1], PAUSE)
    try:
        player.score()
        eventually(lambda: crowd.get("/top-scores")[0]["score"] == 20, what="the next points")
        before = metric(web, 'replica_reads_total{outcome="replica"}')
        assert crowd.all_are(10), "the replica has not heard of the next points"
        assert metric(web, 'replica_reads_total{outcome="replica"}') == before + 7
        assert own.all_are(20), "who plays is never behind"
        assert crowd.stood() == own.stood() == 20, "the record is exact"
        assert look(freezing, player, ends).all_are(20), "a freeze begins by one clock alone"
        eventually(lambda: metric(web, "replica_lag_seconds") > 0, what="the lag")
    finally:
        say(pair[1], RESUME)
    eventually(lambda: crowd.all_are(20), what="the replica")
    eventually(lambda: metric(web, "replica_lag_seconds") == 0, what="no lag where nothing is written")


def test_replica_beyond_the_bound_is_passed_over_and_taken_up_again(
    service: Service, pair: Pair, ends: ExitStack
) -> None:
    web = start(service, pair, REPLICA_MAX_LAG="1")
    player = newcomer(web, ends)
    crowd = look(web, player, ends)
    say(pair[1], PAUSE)
    try:
        player.score()
        eventually(lambda: crowd.get("/boards/all-time/standings")["items"] and crowd.all_are(10), what="the primary")
        eventually(lambda: checks(web)["replica"] == "behind", what="what readyz says")
        assert httpx2.get(f"{web.url}/readyz", timeout=10).json()["status"] == "degraded"
        eventually(lambda: "replica.unused" in web.output(), what="the event")
        assert "reason=behind" in web.output()
        done = service.stores.run(
            "python", "-m", "app.cli", "export", DATABASE_REPLICA_URL=pair[1].url, REPLICA_MAX_LAG="1"
        )
        assert "reading from DATABASE_URL: the replica is more than 1 s behind" in done.stderr
        assert player.user_id in done.stdout
    finally:
        say(pair[1], RESUME)
    eventually(lambda: checks(web)["replica"] == "ok", what="the replica in use again")
    assert "replica.used" in web.output()
    assert "scoreboard-manage-replica" in log_of(pair[1])
    done = service.stores.run("python", "-m", "app.cli", "export", DATABASE_REPLICA_URL=pair[1].url)
    assert (done.returncode, "DATABASE_URL" in done.stderr) == (0, False)
    assert player.user_id in done.stdout


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_replica_that_is_away_is_no_error(service: Service, pair: Pair, ends: ExitStack, how: str) -> None:
    web = start(service, pair)
    player = newcomer(web, ends)
    player.score()
    crowd = look(web, player, ends)
    eventually(lambda: crowd.get("/boards/all-time/standings")["items"] and crowd.all_are(10), what="the points")
    (pair[1].kill if how == "killed" else pair[1].pause)()
    try:
        assert crowd.all_are(10)
        eventually(lambda: checks(web)["replica"] != "ok", what="what readyz says")
        assert crowd.all_are(10)
        assert metric(web, 'replica_reads_total{outcome="down"}') + metric(web, 'replica_reads_total{outcome="behind"}')
        assert "Traceback" not in web.output()
    finally:
        (pair[1].start if how == "killed" else pair[1].resume)()
    eventually(lambda: checks(web)["replica"] == "ok", within=30, what="the replica in use again")


def test_read_that_replay_cancels_is_repeated_on_the_primary(pair: Pair) -> None:
    primary, copy = pair
    with connected(primary) as writer, connected(copy) as engine:
        replica = Replica(writer, engine, 300)
        eventually(lambda: seen(replica) == ("ok", 0.0), what="no lag where nothing is written")
        asked: list[bool] = []

        def conflict(conn: sa.Connection) -> int:
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            asked.append(conn.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one())
            found = conn.execute(COUNT).scalar_one()
            if asked == [True]:
                with writer.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                    other.exec_driver_sql(
                        "INSERT INTO audit_events (actor, kind, details) VALUES ('x', 'flag_changed', '{}')"
                    )
                    other.exec_driver_sql("DELETE FROM audit_events WHERE actor = 'x'")
                    other.exec_driver_sql("VACUUM audit_events")
                eventually(lambda: caught_up(primary, copy), what="the replay of what was cleaned up")
                conn.execute(COUNT)
            return int(found)

        in_transaction(writer, lambda conn: conn.execute(COUNT))
        assert replica.read(conflict) == int(str(say(primary, "SELECT count(*)::text FROM audit_events")))
        assert asked == [True, False]
        # Between two statements the replica ends the connection as well, so that it counts as down until the next look.
        replica.look()

        def slow(conn: sa.Connection) -> bool:
            if conn.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
                conn.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
                conn.exec_driver_sql("SELECT pg_sleep(5)")
            return True

        assert replica.read(slow)
        assert replica.word == "ok", "one statement says nothing about the others"


def test_server_that_is_no_replica_of_this_database_is_not_read_from(
    pair: Pair, own_postgres: embedded.Postgres
) -> None:
    primary, copy = pair
    with connected(primary) as writer, connected(own_postgres) as other:
        for engine, reason in ((writer, "not-a-replica"), (other, "another-database")):
            replica = Replica(writer, engine, 300)
            replica.look()
            assert (replica.reason, replica.word) == (reason, "down")
            assert replica.read(lambda conn: conn.engine) is writer
    with connected(primary) as writer, connected(copy) as engine:
        replica = Replica(writer, engine, 300)
        eventually(lambda: seen(replica)[0] == "ok", what="a replica that follows")
        assert replica.read(lambda conn: conn.engine) is engine
        eventually(lambda: caught_up(primary, copy), what="the replica")
        assert replica.read(lambda conn: conn.engine, newest=True) is engine
