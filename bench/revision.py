"""An older revision beside this one: its code with an environment, a database and a Redis of its own."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa

from bench.load import Caller
from bench.report import ROOT
from bench.row import say
from bench.stack import SECRET_KEY, programs_of
from db import engine
from dev.embedded.redis import Redis

DATABASE = "against"

# Its own code adds the players and issues their tokens, since only that knows its tables and its claims.
_PLAYERS = """
import sys
import msgspec
from bench import population, stack
population.SECRET_KEY = sys.argv[1]
callers = population.make_players(stack.database(), int(sys.argv[2]), sys.argv[3])
sys.stdout.buffer.write(msgspec.json.encode(callers))
"""


class RevisionError(Exception):
    """Says in one line why a revision can't be measured."""


@dataclass(frozen=True)
class Revision:
    """Code in a folder, with the stores that it works on."""

    name: str
    root: Path
    env: dict[str, str]
    db: sa.Engine

    def make_players(self, number: int, prefix: str) -> list[Caller]:
        """Add players, each with a token and an address; their names begin with the prefix."""
        return msgspec.json.decode(self._run("-c", _PLAYERS, SECRET_KEY, str(number), prefix), type=list[Caller])

    def migrate(self) -> None:
        """Make the tables, by its own migrations."""
        self._run("-m", "db.migrate")

    def _run(self, *arguments: str) -> bytes:
        env = {**os.environ, **programs_of(self.root), **self.env}
        python = sys.executable if self.root == ROOT else str(self.root / ".venv" / "bin" / "python")
        done = subprocess.run([python, *arguments], cwd=self.root, env=env, capture_output=True, check=False)
        if done.returncode:
            raise RevisionError(f"{self.name}: {_last_line(done.stderr)}")
        return done.stdout


def here(db: sa.Engine) -> Revision:
    """Return this revision, on the stores of the environment."""
    return Revision("this", ROOT, {}, db)


def resolve(name: str) -> str:
    """Return the commit of a name that git knows.

    Raises:
        RevisionError: when there is none.
    """
    return _git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", problem=f"there is no {name}"
    )


@contextlib.contextmanager
def older(name: str, db: sa.Engine) -> Iterator[Revision]:
    """Unpack a revision into a temporary folder, install what it names, and make its database beside `db`'s.

    Raises:
        RevisionError: when a step of it fails.
    """
    commit = resolve(name)
    with tempfile.TemporaryDirectory(prefix="scoreboard-against-") as directory:
        root = Path(directory).resolve() / "code"
        root.mkdir()
        say(f"unpacking and setting up {name} ({commit[:10]})")
        archive = Path(directory) / "code.tar"
        _git("archive", "--format=tar", "-o", str(archive), commit, problem=f"{name} can't be read")
        subprocess.run(["tar", "-xf", str(archive), "-C", str(root)], check=True)
        _set_up(root)
        url = _database(db)
        with Redis(Path(directory) / "redis") as redis:
            env = {"DATABASE_URL": url, "REDIS_URL": redis.url, "CELERY_BROKER_URL": redis.url}
            beside = engine.connect(url, engine.OPERATOR, pool_size=4, name="bench")
            try:
                made = Revision(name, root, env, beside)
                made.migrate()
                yield made
            finally:
                beside.dispose()


def _set_up(root: Path) -> None:
    # By the Python that runs us: another build would be what is measured.
    env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    env["PYTHON"] = os.path.realpath(sys.executable)
    done = subprocess.run(["bin/setup"], cwd=root, env=env, capture_output=True, check=False)
    if done.returncode:
        raise RevisionError(_last_line(done.stderr))


def _database(db: sa.Engine) -> str:
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE}"))
        conn.execute(sa.text(f"CREATE DATABASE {DATABASE}"))
    return db.url.set(database=DATABASE).render_as_string(hide_password=False)


def _git(*arguments: str, problem: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        raise RevisionError("--against needs git") from None
    if done.returncode:
        raise RevisionError(f"{problem} in this repository: {_last_line(done.stderr)}".rstrip(": "))
    return done.stdout.decode().strip()


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith(("(Background", "[SQL"))), "")
