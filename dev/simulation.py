"""Players who play with a running service as people do: `python -m dev.simulation --help`.

They are made directly in the database, since registration is limited, and play over HTTP like everybody else.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
import sqlalchemy as sa

from app.access.tokens import Tokens
from app.domain.ids import UserId, new_id
from app.domain.scoring import DEFAULT_TYPE, ActionType, ScoringRules, parse
from config import rules, settings
from config.settings import Settings
from db import engine, users

MOST_PLAYERS = 5000
CONNECTIONS = 50
PATIENCE = 30.0
"""Seconds that the service is waited for at the start, and that one answer may take."""

PAUSE, PLAY = 10.0, 3.0
"""Seconds between two actions, and that one takes beyond its least duration: what half of the players stay under."""

FIRST = (
    "amber bold brisk calm clever cosmic daring eager gentle golden happy jolly keen lucky mellow nimble quick silver"
)
SECOND = "badger comet dolphin falcon fox heron ibex koala lark lynx marten otter panda puffin raven swift tiger wren"


def names() -> Iterator[str]:
    """Return the names of the players, always the same ones in the same order."""
    pairs = [f"{first}-{second}" for first, second in itertools.product(FIRST.split(), SECOND.split())]
    random.Random(10).shuffle(pairs)
    for number in itertools.count():
        yield from (f"{pair}-{number}" if number else pair for pair in pairs)


@dataclass(frozen=True)
class Player:
    """A simulated player; `haste` is how much shorter the pauses are than usual."""

    user_id: UserId
    token_version: int
    haste: float


def make_players(config: Settings, number: int) -> list[Player]:
    """Find or make the players in the database."""
    wanted = list(itertools.islice(names(), number))
    database = engine.connect(config.database_url, engine.OPERATOR, pool_size=1, name="simulation")
    try:
        with database.begin() as conn:
            for name in wanted:
                users.insert(
                    conn, UserId(new_id()), username=name, email=f"{name}@players.invalid", password_hash="none"
                )
            found = conn.execute(
                sa.text("SELECT username, id::text, token_version FROM users WHERE username = ANY(:names)"),
                {"names": wanted},
            ).all()
    finally:
        database.dispose()
    rows = {name: (UserId(user_id), version) for name, user_id, version in found}
    # A few play a lot, most of them a little.
    return [Player(*rows[name], haste=random.Random(name).lognormvariate(0, 0.6)) for name in wanted]


@dataclass
class Simulation:
    """What all players share: the service, the rules, and what has come of it so far."""

    http: httpx2.AsyncClient
    tokens: Tokens
    rules: ScoringRules
    pace: float
    counts: Counter[str] = field(default_factory=Counter)

    async def play(self, player: Player) -> None:
        """Play for ever."""
        await asyncio.sleep(random.uniform(0, PAUSE) / self.pace)
        while True:
            name = random.choices(list(self.rules), [3.0 if it == DEFAULT_TYPE else 1.0 for it in self.rules])[0]
            path = f"/users/{player.user_id}/actions"
            if action := await self.ask(player, "POST", path, {"status": "started", "type": name}, 201):
                await asyncio.sleep(self.duration(self.rules[name], player))
                status = "cancelled" if random.random() < 0.04 else "completed"
                await self.ask(player, "PUT", f"{path}/{action['actionId']}", {"status": status}, 200)
            await asyncio.sleep(random.lognormvariate(0, 0.7) * PAUSE / player.haste / self.pace)

    def duration(self, rule: ActionType, player: Player) -> float:
        """Choose how many seconds an action takes."""
        longest = (rule.max_seconds or 3600) * 0.9
        return min(rule.min_seconds + 0.1 + random.lognormvariate(0, 0.7) * PLAY / player.haste / self.pace, longest)

    async def ask(
        self, player: Player, method: str, path: str, body: dict[str, str], expected: int
    ) -> dict[str, str] | None:
        """Ask the service, count what came of it, and wait as long as it wants."""
        headers = {"Authorization": f"Bearer {self.tokens.issue(player.user_id, player.token_version)}"}
        try:
            answer = await self.http.request(method, path, json=body, headers=headers)
        except httpx2.HTTPError:
            self.counts["unanswered"] += 1
            await asyncio.sleep(1)
            return None
        if answer.status_code == expected:
            found: dict[str, str] = answer.json()
            self.counts[found["status"]] += 1
            return found
        self.counts[str(answer.status_code)] += 1
        await asyncio.sleep(min(60.0, float(answer.headers.get("retry-after", "1"))))
        return None


async def report(simulation: Simulation, players: int) -> None:
    """Print the progress: on a terminal in one line that is rewritten, else in a line every ten seconds."""
    began, before = time.monotonic(), 0
    terminal = sys.stdout.isatty()
    every = 1 if terminal else 10
    while True:
        await asyncio.sleep(every)
        counts = simulation.counts
        rate, before = (counts["completed"] - before) / every, counts["completed"]
        line = f"{time.monotonic() - began:.0f} s: {players} players, {rate:.1f} completed a second, {told(counts)}"
        print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", flush=True)


def told(counts: Counter[str]) -> str:
    """Write counts for people."""
    return ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())) or "nothing yet"


async def wait_for_service(http: httpx2.AsyncClient, within: float) -> bool:
    """Wait until the service answers; False when it doesn't within so many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.HTTPError):
            if (await http.get("/healthz")).status_code == 200:
                return True
        await asyncio.sleep(0.3)
    return False


async def run(config: Settings, url: str, number: int, minutes: float | None, pace: float, within: float) -> int:
    """Play until the time is over or a signal comes; give the exit code."""
    stop = asyncio.Event()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
    limits = httpx2.Limits(max_connections=CONNECTIONS)
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as http:
        if not await wait_for_service(http, within):
            print(f"simulate: {url} does not answer", file=sys.stderr)
            return 1
        players = make_players(config, number)
        tokens = Tokens(config.secret_key, (), config.access_token_ttl)
        simulation = Simulation(http, tokens, parse(rules.read(config.scoring_file)), pace)
        tasks = [asyncio.create_task(simulation.play(player)) for player in players]
        tasks.append(asyncio.create_task(report(simulation, number)))
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait(
            [*tasks, stopped],
            timeout=minutes * 60 if minutes is not None else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in [*tasks, stopped]:
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        for task in done - {stopped}:
            task.result()  # a player or the report failed: no other ends by itself
    print(f"\n{told(simulation.counts)}")
    if simulation.counts["401"]:
        print("simulate: tokens were refused: SECRET_KEY is not the service's", file=sys.stderr)
    return 0


def main() -> int:
    """Run the module's command line."""
    parser = argparse.ArgumentParser(prog="bin/simulate", description=__doc__)
    parser.add_argument("--url", help="the service; the one of bin/dev unless given")
    parser.add_argument("--players", type=int, default=60, help=f"1 to {MOST_PLAYERS}; 60 unless given")
    parser.add_argument("--minutes", type=float, help="for how long; until Ctrl-C unless given")
    parser.add_argument("--pace", type=float, default=1.0, help="2 halves the pauses")
    parser.add_argument("--within", type=float, default=PATIENCE, help="seconds to wait for the service at the start")
    args = parser.parse_args()
    if not 1 <= args.players <= MOST_PLAYERS or args.pace <= 0 or (args.minutes is not None and args.minutes <= 0):
        parser.error(f"--players must be 1 to {MOST_PLAYERS}, --pace and --minutes more than 0")
    config = settings.load_or_exit()
    if config.production:
        settings.exit_with(["APP_ENV: production has players of its own"])
    url = args.url or f"http://127.0.0.1:{config.port}"
    return asyncio.run(run(config, url, args.players, args.minutes, args.pace, args.within))


if __name__ == "__main__":
    sys.exit(main())
