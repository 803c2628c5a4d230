"""Prepared statements: PostgreSQL reads and plans what comes with every action once for a connection, not each time.

Planning such a statement costs PostgreSQL as much as running it. Its plan is made for any values (`force_generic_plan`)
and for tables that grow (`enable_seqscan = off`): one made on empty tables by what is known of them then would read
them all when they are large. Both are set on the connections of the engines that prepare, and on no others. Which index
is best shows only with the size: a session plans anew each time that it has sent twice as much.

psycopg2 prepares nothing by itself: PREPARE is sent ahead of a statement's first EXECUTE, in the same round trip.
Behind a pooler a session may be another one in each transaction; there nothing is prepared.

The EXECUTE of a SELECT has its snapshot before it waits for the lock of a table; any other statement takes it after
that. What a restoration puts into the table meanwhile it doesn't see: who would say to somebody that a row is missing
looks once more.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import sqlalchemy as sa

log = logging.getLogger("scoreboard.database")

# jit: what can only be read as a whole counts as expensive without sequential scans, and would be compiled each time.
SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "jit": "off",
}
"""Parameters of a session that prepares."""

_OPTION = "prepared"
_UNKNOWN, _KNOWN_ALREADY = "26000", "42P05"
"""The SQLSTATEs of a statement that was not prepared, or that was already."""
_UNSUPPORTED, _REVALIDATE = "0A000", "RevalidateCachedQuery"
"""The SQLSTATE of a result whose type the schema has changed, which others have too, and where it comes from."""


KNOWN: dict[str, sa.TextClause] = {}
"""All statements that are prepared, by their names."""


def prepared(name: str, sql: str) -> sa.TextClause:
    """Return a statement that is prepared by each connection of an engine that prepares.

    What a parameter is must be clear from its place or from a cast, and the same everywhere in the statement.

    Args:
        name: of this statement alone; operators see it in pg_stat_activity.
    """
    if name in KNOWN:
        raise ValueError(f"there is a statement {name} already")
    KNOWN[name] = sa.text(sql).execution_options(**{_OPTION: name})
    return KNOWN[name]


def is_stale(error: sa.exc.DBAPIError) -> bool:
    """Return whether a statement failed only by how it was prepared: it was rolled back and may be sent again."""
    return _is_lost(error.orig) or _has_another_type(error.orig)


def _is_lost(error: Any) -> bool:
    return getattr(error, "pgcode", None) in (_UNKNOWN, _KNOWN_ALREADY)


def _has_another_type(error: Any) -> bool:
    # Not by its words: they are in the server's language.
    return getattr(error, "pgcode", None) == _UNSUPPORTED and error.diag.source_function == _REVALIDATE


class Preparing:
    """Whether an engine's sessions prepare statements.

    `generation` rises when the schema has changed the type of a result: every session then prepares anew.
    """

    def __init__(self) -> None:
        self.is_on = True
        self.generation = 0
        self._lock = Lock()

    def stop(self) -> None:
        """Prepare nothing from now on: others use the same sessions."""
        with self._lock:
            if self.is_on:
                log.info("statements are not prepared: a pooler lends the database's sessions to others too")
            self.is_on = False

    def note(self, context: sa.engine.ExceptionContext) -> None:
        """Learn from an error; for SQLAlchemy's event `handle_error`."""
        error = context.original_exception
        if _is_lost(error):
            self.stop()
        elif _has_another_type(error):
            self.generation += 1


class Statement(NamedTuple):
    """A statement as psycopg2 takes it, and its name if it is to be prepared.

    `suffix` sets its parameters' names apart from those of the others that are sent with it.
    """

    text: str
    name: str | None
    suffix: str = ""

    @property
    def plain(self) -> str:
        """The statement as it is sent when it isn't prepared."""
        return _renamed(self.text, self.suffix) if self.suffix else self.text


def name_of(options: Mapping[str, Any]) -> str | None:
    """Return the name in a statement's execution options, None when it is not to be prepared."""
    return options.get(_OPTION)


class Plans:
    """The statements that one session has prepared.

    After an error nobody knows which of those that were sent with it are there; then all are prepared anew. After some
    were sent 8, 16, 32 times and so on, all are planned anew: the tables may have grown as much.
    """

    def __init__(self, preparing: Preparing) -> None:
        self._preparing = preparing
        self._names: set[str] = set()
        self._generation = preparing.generation
        self._certain = True
        self._under_way = False
        self._times = 0
        self._anew_at = 8

    def sent(self, statements: Sequence[Statement]) -> list[str]:
        """Return what is sent for statements in one round trip."""
        self._under_way = self._preparing.is_on and any(it.name for it in statements)
        if not self._under_way:
            # Nothing is sent ahead of others: some statements, like DROP DATABASE, must be sent alone.
            return [it.plain for it in statements]
        sent = []
        if not self._certain or self._generation != self._preparing.generation:
            self._names.clear()
            self._generation = self._preparing.generation
            sent.append("DEALLOCATE ALL")
        self._times += 1
        if self._times >= self._anew_at:
            self._anew_at *= 2
            sent.append("DISCARD PLANS")  # those within triggers too
        self._certain = False
        for it in statements:
            if it.name is None:
                sent.append(it.plain)
                continue
            if it.name not in self._names:
                self._names.add(it.name)
                sent.append(_prepare(it.text, it.name))
            sent.append(_execute(it.text, it.name, it.suffix))
        return sent

    def answered(self) -> None:
        """Note that what was sent last has succeeded."""
        if self._under_way:
            self._certain = True


_PARAMETER = re.compile(r"%\((\w+)\)s")


@lru_cache(maxsize=1000)
def _renamed(text: str, suffix: str) -> str:
    return _PARAMETER.sub(rf"%(\1{suffix})s", text)


@lru_cache(maxsize=1000)
def _prepare(text: str, name: str) -> str:
    names = _parameters(text)
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text)
    return f"PREPARE {name} AS {numbered}"


@lru_cache(maxsize=1000)
def _execute(text: str, name: str, suffix: str) -> str:
    values = ", ".join(f"%({it}{suffix})s" for it in _parameters(text))
    return f"EXECUTE {name}({values})" if values else f"EXECUTE {name}"


def _parameters(text: str) -> list[str]:
    return list(dict.fromkeys(_PARAMETER.findall(text)))
