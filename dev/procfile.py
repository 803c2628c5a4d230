"""Runs the processes of the Procfile on one machine: `python -m dev.procfile check|release|run`.

honcho's parser is used, its runner isn't: that one stops everything when one process exits.
"""

import argparse
import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from honcho.environ import parse_procfile

from dev.service import Console, Service, environment, shell

ROOT = Path(__file__).resolve().parent.parent
PORTS = {"PORT": 8000, "FLOWER_PORT": 5555, "WORKER_METRICS_PORT": 9091}
DEMO = "python -m app.cli demo"
SIMULATION = "python -m dev.simulation"


def read_procfile(path: Path) -> dict[str, str]:
    """Read the command lines by process name, in the file's order."""
    return dict(parse_procfile(path.read_text()).processes)


def port_of(variable: str) -> int:
    """Read a port from the environment.

    Raises: ValueError with one line for the user.
    """
    text = os.environ.get(variable) or str(PORTS[variable])
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"{variable}={text} is not a port")
    return int(text)


def port_problem(variable: str) -> str | None:
    """Say why a port can't be used, None if it can; port 0 stands for none."""
    try:
        port = port_of(variable)
    except ValueError as error:
        return str(error)
    twins = [other for other in PORTS if other < variable and port and os.environ.get(other) == str(port)]
    if twins:
        return f"{variable} and {twins[0]} are both {port}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is taken: stop what listens there, or set {variable} to another"
            return f"port {port} can't be used ({error.strerror}): set {variable} to another"
    return None


def check() -> int:
    """Look whether the ports are free, before anything is started."""
    problems = [problem for variable in PORTS if (problem := port_problem(variable))]
    for problem in problems:
        print(f"bin/dev: {problem}", file=sys.stderr)
    return 1 if problems else 0


def release(processes: Mapping[str, str], quiet: bool) -> int:
    """Run the release line, which migrates; when quiet, its output is shown only if it fails."""
    if "release" not in processes:
        return 0
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        shell(processes["release"]), env=environment(), stdout=output, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode and quiet:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode


async def healthy(port: int) -> bool:
    """Return whether web answers."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
            return b" 200 " in status
    except (OSError, TimeoutError):
        return False


async def announce(console: Console, demo: bool) -> None:
    """Say where everything is, once it is there."""
    web, flower = port_of("PORT"), port_of("FLOWER_PORT")
    service = f"http://localhost:{web}{os.environ.get('ROOT_PATH', '').strip()}"
    for _ in range(600):
        if await healthy(web):
            break
        await asyncio.sleep(0.2)
    else:
        console.say("web does not answer yet: see its lines above")
        return
    lines = [
        f"the board    {service}/",
        f"for a wall   {service}/?wall",
        f"operator     {service}/operator",
        f"API docs     {service}/docs",
        f"Flower       http://localhost:{flower}",
    ]
    if demo:
        lines.append("demo users   alice, bob, carol, and the admin operator (password: demo-password)")
    for line in [*lines, "Ctrl-C stops everything"]:
        console.say(line)


def stop_event() -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP set; under nohup SIGHUP stays ignored."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def run(processes: Mapping[str, str], demo: bool, simulate: bool, grace: float) -> int:
    """Run everything until a signal comes.

    Args:
        demo: make the demo players first.
        simulate: have players play as well.

    Returns: an exit code; 0 for an orderly stop.
    """
    stop = stop_event()
    before = {name: line for name, line in processes.items() if name == "release"}
    lasting = {name: line for name, line in processes.items() if name != "release"}
    if demo:
        before["demo"] = DEMO
    if simulate:
        lasting["players"] = SIMULATION
    console = Console(names=[*before, *lasting])
    for name, line in before.items():
        code = await Service(name, line, console, stop, grace).run()
        if stop.is_set():
            return 0
        if code:
            console.say(f"{name} failed ({code}): nothing else is started")
            return 1

    async with asyncio.TaskGroup() as group:
        for name, line in lasting.items():
            group.create_task(Service(name, line, console, stop, grace).keep_running())
        announcement = group.create_task(announce(console, demo)) if "web" in lasting else None
        await stop.wait()
        console.say(f"stopping (at most {grace:g} s)")
        if announcement:
            announcement.cancel()
    console.say("stopped")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the module's command line."""
    parser = argparse.ArgumentParser(prog="python -m dev.procfile", description=__doc__)
    parser.add_argument("--procfile", type=Path, default=ROOT / "Procfile")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="are the ports free?")
    commands.add_parser("release", help="migrate").add_argument("--quiet", action="store_true")
    runs = commands.add_parser("run", help="migrate, then run everything")
    runs.add_argument("--demo", action="store_true", help="create the demo players (never in production)")
    runs.add_argument("--simulate", action="store_true", help="have players play (never in production)")
    runs.add_argument("--grace", type=float, default=25.0, help="seconds until SIGKILL at a stop")
    args = parser.parse_args(argv)
    if args.command == "check":
        return check()
    processes = read_procfile(args.procfile)
    if args.command == "release":
        return release(processes, args.quiet)
    playground = os.environ.get("APP_ENV") != "production"
    return asyncio.run(run(processes, args.demo and playground, args.simulate and playground, args.grace))


if __name__ == "__main__":
    sys.exit(main())
