"""What PostgreSQL alone can take: pgbench, with one transaction per action and nothing else, on the same tables."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dev.embedded.postgres import binaries

PLAYERS = 10_000

_ID = "(lpad(to_hex({n}), 8, '0') || '-0000-7000-8000-000000000000')::uuid"

_INSERT = f"""
\\set user random(1, {PLAYERS})
INSERT INTO actions (id, user_id, type, client_ip)
VALUES (uuidv7(), {_ID.format(n=":user::int")}, 'default', '10.0.0.1');
"""

# Each client completes actions of its own, one after the other.
_COMPLETE = f"""
\\set turn :turn + 1
\\set number :base + :turn * :clients + :client_id
\\set user 1 + :number % {PLAYERS}
BEGIN;
SELECT status, token_version FROM users WHERE id = {_ID.format(n=":user::int")} FOR NO KEY UPDATE;
UPDATE actions SET status = 'completed', end_at = now(), score = 10, settlement = 'pending'
WHERE id = {_ID.format(n=":number::int")} AND status = 'started';
UPDATE users SET total_score = total_score + 10, updated_at = now() WHERE id = {_ID.format(n=":user::int")};
COMMIT;
"""


@dataclass
class Reference:
    """A database of its own beside the service's, with the same tables and so many players."""

    db: sa.Engine
    name: str = "reference"
    prepared: int = 0
    used: int = 0

    @property
    def url(self) -> sa.URL:
        return self.db.url.set(database=self.name)

    def make(self) -> None:
        """Make the database, its tables and its players."""
        with self.db.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(sa.text(f"DROP DATABASE IF EXISTS {self.name}"))
            conn.execute(sa.text(f"CREATE DATABASE {self.name}"))
        env = {**os.environ, "DATABASE_URL": self.url.render_as_string(hide_password=False)}
        subprocess.run([sys.executable, "-m", "db.migrate"], env=env, check=True, capture_output=True)
        self._sql(f"""
            INSERT INTO users (id, username, username_key, email, password_hash)
            SELECT {_ID.format(n="n")}, 'player-' || n, 'player-' || n, n || '@example.org', 'none'
            FROM generate_series(1, {PLAYERS}) AS n
        """)

    def pairs(self, clients: int, seconds: int) -> tuple[float, float]:
        """Return the inserts and the completing transactions in a second."""
        inserts, _ = self._run(_INSERT, clients, seconds)
        self._prepare(clients, seconds * 12_000)
        puts, done = self._run(_COMPLETE, clients, seconds, turn=-1, base=self.used + 1, clients=clients)
        self.used += done + clients * 2
        if self.used > self.prepared:
            raise RuntimeError("the reference ran out of prepared actions")
        return inserts, puts

    def _prepare(self, clients: int, enough: int) -> None:
        wanted = self.used + enough + clients * 4
        if wanted > self.prepared:
            self._sql(f"""
                INSERT INTO actions (id, user_id, type, client_ip)
                SELECT {_ID.format(n="n")}, {_ID.format(n=f"1 + mod(n, {PLAYERS})")}, 'default', '10.0.0.1'
                FROM generate_series({self.prepared + 1}, {wanted}) AS n
            """)
            self.prepared = wanted
            self._sql("VACUUM ANALYZE actions")

    def _sql(self, statement: str) -> None:
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.exec_driver_sql(statement)
        engine.dispose()

    def _run(self, script: str, connections: int, seconds: int, **variables: int) -> tuple[float, int]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "script.sql"
            path.write_text(script)
            url = self.url
            where = {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.username, "PGPASSWORD": url.password}
            defined = [part for name, value in variables.items() for part in ("-D", f"{name}={value}")]
            command = [str(binaries() / "pgbench"), "-n", "-M", "prepared", "-f", str(path), "-T", str(seconds)]
            done = subprocess.run(
                [*command, "-c", str(connections), "-j", "2", *defined, self.name],
                env={**os.environ, **{key: str(value) for key, value in where.items()}},
                capture_output=True,
                text=True,
                check=True,
                timeout=seconds + 60,
            )
        tps = re.search(r"tps = ([\d.]+)", done.stdout)
        number = re.search(r"actually processed: (\d+)", done.stdout)
        assert tps, done.stdout
        assert number, done.stdout
        return float(tps[1]), int(number[1])


def combined(inserts: float, puts: float) -> float:
    """Return the pairs in a second when each is an insert and a completing transaction."""
    return 1 / (1 / inserts + 1 / puts)
