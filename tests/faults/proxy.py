"""A proxy in front of PostgreSQL that counts what is asked, and can lose a connection within its COMMIT."""

import re
from collections.abc import Callable

from sqlalchemy import make_url

from tests.support.network import Cut, Proxy

_COMMIT = b"COMMIT\0"
"""How a query ends that commits: with that alone, or after the transaction's last write."""
_WRITES_ACTIONS = re.compile(rb"EXECUTE (finish_actions|mark_settled)\(")
"""What web and worker write to `actions` with, prepared; what is prepared itself is sent once for a connection."""


class PostgresProxy(Proxy):
    """Notes in `queries` everything that was asked through it, and cuts connections within a commit.

    `cut_next(...)` loses the next connection that commits a write to `actions`: before the COMMIT has reached the
    server, or after that, when its answer does not reach the client.
    """

    def __init__(self, database_url: str) -> None:
        self._server = make_url(database_url)
        assert self._server.port
        super().__init__(self._server.port, self._ask)
        self.queries: list[bytes] = []
        self._next: Cut | None = None
        self._writing: set[int] = set()

    @property
    def url(self) -> str:
        return self._server.set(port=self.port).render_as_string(hide_password=False)

    def cut_next(self, where: Cut, then: Callable[[], object] = lambda: None) -> None:
        """Lose the next commit; `then` is called at once."""
        self.then = then
        self._next = where

    @property
    def has_cut(self) -> bool:
        """Whether that has happened."""
        return self._next is None

    def asked(self, pattern: str, since: int = 0) -> int:
        """Count the queries that match, leaving out the first `since`."""
        return sum(1 for query in self.queries[since:] if re.search(pattern.encode(), query))

    def _ask(self, connection: int, data: bytes) -> Cut | None:
        if data[:1] == b"Q":
            self.queries.append(data)
            if _WRITES_ACTIONS.search(data):
                self._writing.add(connection)
        if not data.endswith(_COMMIT) or connection not in self._writing:
            return None
        self._writing.discard(connection)
        cut, self._next = self._next, None
        return cut
