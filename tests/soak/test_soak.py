"""An hour of play before a thousand listeners and a wall: nobody is lost, nothing grows, nothing gets slower.

Only by name: `bin/test tests/soak`; `SOAK_MINUTES` for another length. A run of an hour or more writes its curves into
docs/performance.md, a shorter one into `.local`.
"""

import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.load import percentile
from bench.plot import plot
from bench.report import PERFORMANCE, insert
from tests.soak.audience import Audience
from tests.soak.wall import wall
from tests.support.people import Player, unique
from tests.support.service import ROOT, Process, Service, Stores, eventually

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
SAMPLES = max(8, min(60, int(MINUTES * 6)))
SOCKETS, STREAMS = 500, 500
EVERY = 0.5
"""Seconds from one completion to the next: not so many that players of one address are taken for cheats."""

GROWTH = 10.0
"""Megabytes by which a process may be larger in the last quarter than in the second one."""

LATE = 1.0
"""Seconds within which 99 of 100 boards have to be with each listener in half of all samples at least."""

FIGURE = "performance-soak.svg"
SHORT = ROOT / ".local" / FIGURE

pytestmark = pytest.mark.timeout(MINUTES * 60 + 300)


def megabytes(process: Process) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1000


@contextmanager
def playing(players: list[Player]) -> Iterator[list[BaseException]]:
    """Let players start and complete actions in turns; what goes wrong is in the list."""
    over, faults = threading.Event(), list[BaseException]()

    def play() -> None:
        number = 0
        while not over.wait(EVERY):
            try:
                players[number % len(players)].score()
            except BaseException as error:
                faults.append(error)
            number += 1

    thread = threading.Thread(target=play, name="players")
    thread.start()
    try:
        yield faults
    finally:
        over.set()
        thread.join(30)


def grown(values: list[float]) -> float:
    """Return by how much the last quarter is above the second one, at the median."""
    quarter = len(values) // 4
    return statistics.median(values[-quarter:]) - statistics.median(values[quarter : 2 * quarter])


def test_hour_of_play_before_a_thousand_listeners_and_a_wall(service: Service, stores: Stores) -> None:
    web = service.web(WS_MAX_PER_IP="5000", WS_MAX_PER_USER="5000", ACCESS_TOKEN_TTL="86400")
    worker = service.worker()
    service.beat()
    players = [Player(web.url, unique("player")) for _ in range(10)]
    for player in players:
        player.score()
    memory: list[float] = []
    workers: list[float] = []
    walls: list[float] = []
    late: list[float] = []
    audience = Audience(web.port, players[0].token, SOCKETS, STREAMS)
    try:
        eventually(lambda: len(audience.last) == SOCKETS + STREAMS or audience.faults, within=60, what="the audience")
        with wall(web.url) as shown, playing(players) as faults:
            if shown is not None:
                eventually(lambda: shown.shows(players[0]), within=30, what="the wall")
            audience.late()
            began = time.monotonic()
            for sample in range(1, SAMPLES + 1):
                time.sleep(max(0.0, began + sample * MINUTES * 60 / SAMPLES - time.monotonic()))
                memory.append(megabytes(web))
                workers.append(megabytes(worker))
                if shown is not None:
                    walls.append(shown.megabytes())
                heard = audience.late()
                assert heard, "the board stands still"
                late.append(percentile(heard, 0.99))
                assert audience.faults == []
                assert faults == []
            if shown is not None:
                assert all(shown.shows(it) for it in players)
                assert shown.complaints == []
        eventually(lambda: len(set(audience.last.values())) == 1, within=10, what="the same board for everybody")
        held = stores.rows("SELECT epoch::text, version FROM boards WHERE id = 'all-time'")
        assert {(epoch, version) for epoch, version in held} == set(audience.last.values())
    finally:
        audience.close()
        for player in players:
            player.close()
        write(memory, walls, late)
    assert grown(memory) < GROWTH, memory
    assert grown(workers) < GROWTH, workers
    assert not walls or grown(walls) < GROWTH, walls
    assert statistics.median(late) < LATE, late
    audited = stores.run("bin/manage", "audit")
    assert audited.returncode == 0, audited.stdout


def write(memory: list[float], walls: list[float], late: list[float]) -> None:
    """Draw the curves, and say what they show in one paragraph."""
    if len(memory) < SAMPLES:
        return
    steps = [f"{MINUTES * number / SAMPLES:.3g}" for number in range(1, SAMPLES + 1)]
    panels = [("memory of web, MB", memory), ("p99 from the commit to a listener, ms", [it * 1000 for it in late])]
    panels += [("heap of the wall, MB", walls)] if walls else []
    title = f"{SOCKETS} sockets and {STREAMS} streams, {1 / EVERY:g} boards a second"
    drawn = plot(title, "minutes", steps, panels, every=max(1, SAMPLES // 6))
    text = (
        f"{MINUTES:g} minutes, {SOCKETS} sockets and {STREAMS} streams, {1 / EVERY:g} completions a second: web took "
        f"{memory[0]:.0f} MB at first and {memory[-1]:.0f} MB at the end; 99 of 100 boards were with their listeners "
        f"within {statistics.median(late) * 1000:.0f} ms of the commit at the median of the samples, "
        f"{max(late) * 1000:.0f} ms in the worst"
        + (f"; the wall's heap went from {walls[0]:.1f} to {walls[-1]:.1f} MB." if walls else ".")
    )
    if MINUTES < 60:
        SHORT.parent.mkdir(exist_ok=True)
        SHORT.write_text(drawn)
        print(f"\n{SHORT}: {text}")
        return
    (ROOT / "docs" / FIGURE).write_text(drawn)
    insert(PERFORMANCE, "soak", f"![Memory and latency over time]({FIGURE})\n\n{text}", "bin/test tests/soak")
