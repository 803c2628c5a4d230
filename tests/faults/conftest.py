"""Fixtures for faults: a service that takes any load for honest, and a record of how long everything took to heal."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.faults.aftermath import Aftermath
from tests.faults.history import Operation
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores, eventually, free_port

_healed: defaultdict[str, list[float]] = defaultdict(list)


class TrustingService(Service):
    """Holds nothing back: the load of these tests is what a cheat would do."""

    def start(self, name: str, command: list[str], env: Mapping[str, str], port: int = 0) -> Process:
        rules = self.logs / "fraud.toml"
        rules.touch()
        return super().start(name, command, {"FRAUD_FILE": str(rules), **env}, port)

    def deadly_worker(self) -> Process:
        """Start a worker that some players' actions can hang or kill."""
        command = ["celery", "-A", "tests.faults.deadly_worker", "worker", "--concurrency", "1"]
        command += ["--without-gossip", "--without-mingle", "-n", f"deadly{len(self.processes)}@%h"]
        port = free_port()
        env = self.stores.environment(WORKER_METRICS_PORT=str(port))
        process = self.start("deadly-worker", command, env, port)
        eventually(lambda: "ready." in process.output(), within=20, what=f"a ready worker ({process.log})")
        return process


@pytest.fixture(scope="module")
def service(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrustingService]:
    """Starts processes on this module's stores, without rules against fraud; all of them are stopped at its end."""
    service = TrustingService(stores, tmp_path_factory.mktemp("logs"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def past() -> list[Operation]:
    """Every completion that this module's tests have asked for."""
    return []


@pytest.fixture(autouse=True)
def connections(stores: Stores) -> Iterator[None]:
    """Leave none of a test's own connections to the next: a fault may have cut them."""
    yield
    stores.engine.dispose()


@pytest.fixture
def aftermath(service: Service, past: list[Operation]) -> Iterator[Aftermath]:
    """What is looked at after the fault; to be asked for after the processes that the fault hits."""
    aftermath = Aftermath(service, past)
    yield aftermath
    aftermath.clear_away()


@pytest.fixture
def players(web: Process) -> Iterator[list[Player]]:
    """Six players."""
    players = [Player(web.url, unique(f"player{number}")) for number in range(6)]
    yield players
    for player in players:
        player.close()


@pytest.fixture(scope="module")
def regulars(web: Process) -> Iterator[list[Player]]:
    """Six players who play in every test of a module, so that what they do is always seen on the board."""
    players = [Player(web.url, unique(f"regular{number}")) for number in range(6)]
    yield players
    for player in players:
        player.close()


@pytest.fixture
def healed() -> Callable[[str, float], None]:
    """Note how many seconds a fault took to heal, for the summary at the end and the table in docs/failures.md."""
    return lambda fault, seconds: _healed[fault].append(seconds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long everything took to heal."""
    if _healed:
        terminalreporter.section("time to heal")
    for fault, times in _healed.items():
        often = f" at most, of {len(times)} times" if len(times) > 1 else ""
        terminalreporter.write_line(f"fault: {fault}: healed in {max(times):.1f} s{often}")
