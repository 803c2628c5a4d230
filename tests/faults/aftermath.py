"""What must be so after every fault, whatever it was."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence

from tests.faults.audience import Audience
from tests.faults.history import Operation, check, invariants_hold, settled
from tests.support.clock import now
from tests.support.service import Process, Service

_BAD = re.compile(r"Exception in ASGI|never retrieved|never awaited|Deadlock|deadlock")
# Celery puts a second traceback, in quotes, into the last line of the first.
_LAST_LINE = re.compile(
    r'^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*(?:\n"""[\s\S]*?\n"""$)?)', re.MULTILINE
)


class Aftermath:
    """Compares the processes of a test after its fault with those before it."""

    def __init__(self, service: Service, past: list[Operation]) -> None:
        self._service = service
        self._past = past
        self._read = {process.log: len(process.output()) for process in service.processes}
        self._begun = {process.popen.pid for process in service.processes}
        self._ended = {process.popen.pid for process in service.processes if process.popen.poll() is not None}
        self._deliberate: list[str] = []

    def clear_away(self) -> None:
        """Kill every process that was started since: what a failed test has left running would play in the next."""
        for process in self._service.processes:
            if process.popen.pid not in self._begun:
                process.kill()

    def kill(self, process: Process) -> None:
        """Kill a process, with its group, at once."""
        self._ended.add(process.popen.pid)
        process.kill()

    def expect_end(self, process: Process) -> None:
        """Say that a process is going to end."""
        self._ended.add(process.popen.pid)

    def stop(self, process: Process, *, group: bool = False) -> float:
        """Ask a process to stop, which it has to do in order within 25 s, and give the seconds that took.

        Args:
            group: ask each process of its group, as some platforms do.
        """
        self._ended.add(process.popen.pid)
        began = now()
        if group:
            os.killpg(process.popen.pid, signal.SIGTERM)
        elif process.popen.poll() is None:
            process.signal(signal.SIGTERM)
        try:
            code = process.popen.wait(25)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{process.name} did not stop: {process.output()[-2000:]}") from None
        assert code == 0, process.output()[-2000:]
        return now() - began

    def deliberate(self, *errors: str) -> None:
        """Say which errors the fault consists of: a line, or a traceback's last line, that has one is no complaint."""
        self._deliberate += errors

    def holds(self, history: Sequence[Operation], audience: Audience | None = None, *, within: float = 10.0) -> None:
        """Wait until everything is settled and every invariant holds, then check history, sockets, processes, logs."""
        stores = self._service.stores
        settled(stores, within=within)
        invariants_hold(stores, within=within)
        self._past += history
        check(stores, self._past)
        if audience is not None:
            audience.see(stores)
        self.quiet()

    def quiet(self) -> None:
        """Check that every process that was not ended lives, and that no log has a traceback."""
        for process in self._service.processes:
            if process.popen.pid not in self._ended:
                assert process.popen.poll() is None, f"{process.name} ended by itself: {process.output()[-2000:]}"
            written = process.output()[self._read.get(process.log, 0) :]
            bad = [line for line in written.splitlines() if _BAD.search(line)] + _LAST_LINE.findall(written)
            bad = [error for error in bad if not self._is_deliberate(error)]
            assert not bad, f"{process.log.stem}: {bad}"

    def _is_deliberate(self, error: str) -> bool:
        return any(word in error for word in self._deliberate)
