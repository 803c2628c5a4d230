"""Becomes another program: with signals at their defaults, tied to the life of its parent, and without root's rights.

It runs as a script of its own because `preexec_fn` of subprocess is not safe in a process that has threads.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def child_argv(command: Sequence[str | Path], death_signal: signal.Signals, flags: Sequence[str] = ()) -> list[str]:
    """Return the arguments that start `command` through this script.

    Args:
        command: program and arguments; the program is looked up on PATH.
        death_signal: what it gets when the thread that starts it ends, be it by SIGKILL (Linux only).
        flags: `--user-namespace`, or `--user UID GID`: for programs that refuse to run as root.
    """
    tie = ["--parent", str(os.getpid()), "--death-signal", str(int(death_signal))]
    return [sys.executable, "-I", "-S", __file__, *tie, *flags, "--", *map(str, command)]


def enter_user_namespace() -> None:
    """Be root outside, an ordinary user inside: needs no system user and changes no file's owner."""
    uid, gid = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        Path("/proc/self", name).write_text(line)


def become(uid: int, gid: int) -> None:
    """Drop root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Ask the kernel for a signal at the parent's end; it forgets the request at every change of user."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), death_signal)


def default_signals() -> None:
    """Undo what a parent blocks or ignores, and what Python itself ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def main(argv: list[str]) -> None:
    """Run as a script."""
    split = argv.index("--")
    command = argv[split + 1 :]
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--user-namespace", action="store_true")
    parser.add_argument("--user", type=int, nargs=2)
    args = parser.parse_args(argv[:split])
    try:
        if args.user_namespace:
            enter_user_namespace()
        if args.user:
            become(*args.user)
        if args.user_namespace or args.user:
            os.listdir(os.getcwd())  # by its whole path: one out of this user's reach is found here, not by the program
        die_with_parent(args.parent, args.death_signal)
        default_signals()
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror or error}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
