"""One process of the Procfile: started, prefixed, started again when it dies, stopped in order."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dev.backoff import Backoff
from dev.embedded.child import child_argv

LONGEST_LINE = 65536
COLORS = (36, 32, 33, 35, 34, 31)


def environment() -> dict[str, str]:
    """Return the user's environment, with the virtual environment's programs first."""
    programs = Path(sys.prefix) / "bin"
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # Lines have to arrive when they are written, also through a pipe.
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": sys.prefix, "PYTHONUNBUFFERED": "1"}


def shell(line: str) -> list[str]:
    """Return the arguments that run a line of the Procfile; it ends when the one who starts it does."""
    return child_argv(["/bin/sh", "-c", f"exec {line}"], signal.SIGTERM)


class Console:
    """Writes whole lines, each behind the name of the process it comes from."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, [*names, "dev"]))
        self._color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colors = {name: COLORS[place % len(COLORS)] for place, name in enumerate(names)}

    def write(self, name: str, line: bytes) -> None:
        """Write one line, byte for byte."""
        prefix = f"{name:<{self._width}} | "
        if self._color:
            prefix = f"\033[{self._colors.get(name, 1)}m{prefix}\033[0m"
        try:
            sys.stdout.buffer.write(prefix.encode() + line + b"\n")
            sys.stdout.buffer.flush()
        except OSError:  # the reader has gone: stop as for Ctrl-C, in silence
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            os.kill(os.getpid(), signal.SIGTERM)

    def say(self, text: str) -> None:
        """Write a line of our own."""
        self.write("dev", text.encode())


class Lines(asyncio.Protocol):
    """Cuts what a process writes into lines."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console, self._rest = name, console, b""
        self.complete = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Write the lines that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._console.write(self._name, line.rstrip(b"\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Write what came without an end of line."""
        if self._rest:
            self._console.write(self._name, self._rest)
        self.complete.set()


class Service:
    """A process in a session of its own, so that Ctrl-C in the terminal reaches only us."""

    def __init__(self, name: str, line: str, console: Console, stop: asyncio.Event, grace: float) -> None:
        self.name = name
        self._line = line
        self._console = console
        self._stop = stop
        self._grace = grace

    async def keep_running(self) -> None:
        """Run the process, again whenever it ends, until `stop` is set."""
        backoff = Backoff()
        while not self._stop.is_set():
            began = time.monotonic()
            code = await self.run()
            if self._stop.is_set():
                return
            delay = backoff.after(time.monotonic() - began)
            self._console.say(f"{self.name} ended ({code}), starting it again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)

    async def run(self) -> int:
        """Run the process until it ends, or has to because `stop` is set.

        Returns: its exit code; -n when signal n ended it.
        """
        process, lines = await self._start()
        ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(self._stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            await self._end(process, ended)
        kill_group(process.pid)  # or children of a killed process would run beside those of the next one
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lines.complete.wait(), 1.0)
        return await ended

    async def _start(self) -> tuple[asyncio.subprocess.Process, Lines]:
        # A pipe of our own: asyncio's would keep `wait()` waiting for grandchildren that hold the other end.
        reading, writing = os.pipe()
        _, lines = await asyncio.get_running_loop().connect_read_pipe(
            lambda: Lines(self.name, self._console), os.fdopen(reading, "rb")
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *shell(self._line),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=environment(),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        return process, lines

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        """Ask the process to end, and after the grace end all of its group.

        The signal goes to the parent only: celery then drains its children, which a signal to the group would hit too.
        """
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        done, _ = await asyncio.wait({ended}, timeout=self._grace)
        if not done:
            self._console.say(f"{self.name} did not end within {self._grace:g} s: killed")
            kill_group(process.pid)


def kill_group(leader: int) -> None:
    """End all that is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
