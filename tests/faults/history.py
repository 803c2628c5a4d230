"""Load that keeps a history: every operation as ok, failed or unknown, to be checked against the database."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx2
import sqlalchemy as sa

from app.board import audit
from app.domain.errors import DatabaseUnavailable
from app.domain.ids import DEFAULT_BOARD
from db.redis import Publisher
from db.transaction import in_transaction
from tests.support.board import BOARDS
from tests.support.clock import now
from tests.support.people import Player
from tests.support.service import Stores, eventually

Outcome = Literal["ok", "failed", "unknown"]

ASKED: set[str] = set()
"""The actions whose completion any test has asked for, whether it passed or failed."""


@dataclass(frozen=True)
class Operation:
    """One completion that was asked for: what the client learned of it, and how long that took in seconds.

    `status` is None when there was no answer. `repeated` says that a first request had been left open, and that this
    is what the second one learned.
    """

    action_id: str
    user_id: str
    outcome: Outcome
    status: int | None
    score: int | None
    began: float
    seconds: float
    repeated: bool = False


@dataclass
class Load:
    """Players who start and complete actions, each in a thread, until stopped.

    A client that gets no answer, or one from 500 up, doesn't know what became of its completion and says so in the
    history; `repeat_unknown` has it ask again.
    """

    urls: Sequence[str]
    players: Sequence[Player]
    pause: float = 0.05
    timeout: float = 10.0
    history: list[Operation] = field(default_factory=list)
    starts: "Counter[int | str]" = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stopping.clear()
        for number, player in enumerate(self.players):
            url = self.urls[number % len(self.urls)]
            thread = threading.Thread(target=self._play, args=(player, url), name=f"player-{number}")
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let the players end their last operation."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), thread.name
        self._threads.clear()

    def oks(self, since: float = 0.0) -> list[Operation]:
        """Return the acknowledged completions that began since a moment of now()."""
        return [it for it in list(self.history) if it.outcome == "ok" and it.began >= since]

    def statuses(self, since: float = 0.0) -> "Counter[int | None]":
        """Count the answers to completions that began since a moment; None for no answer."""
        return Counter(it.status for it in list(self.history) if it.began >= since)

    def most(self, since: float = 0.0) -> float:
        """Return the seconds within which nine of ten completions since a moment were answered, or failed."""
        return most(it.seconds for it in list(self.history) if it.began >= since)

    def flowing(self, *, within: float) -> float:
        """Wait until completions are acknowledged again, and give the seconds that took."""
        began = now()
        eventually(lambda: self.oks(began), within=within, what="a completion that is acknowledged")
        return now() - began

    def repeat_unknown(self) -> list[Operation]:
        """Let the stopped players repeat every completion whose outcome is open, and return what they learn."""
        players = {player.user_id: player for player in self.players}
        repeated = []
        for place, it in enumerate(self.history):
            if it.outcome == "unknown":
                self.history[place] = complete(players[it.user_id].http, it.user_id, it.action_id, repeated=True)
                repeated.append(self.history[place])
        return repeated

    def _play(self, player: Player, url: str) -> None:
        headers = {"authorization": f"Bearer {player.token}"}
        with httpx2.Client(base_url=url, timeout=self.timeout, headers=headers) as http:
            while not self._stopping.is_set():
                action_id = self._start(http, player)
                if action_id is not None:
                    self.history.append(complete(http, player.user_id, action_id))
                self._stopping.wait(self.pause)

    def _start(self, http: httpx2.Client, player: Player) -> str | None:
        try:
            answer = http.post(f"/users/{player.user_id}/actions", json={"status": "started"})
        except httpx2.TransportError as error:
            self.starts[type(error).__name__] += 1
            self._stopping.wait(0.05)
            return None
        self.starts[answer.status_code] += 1
        if answer.status_code != 201:
            self._stopping.wait(0.05)
            return None
        return str(answer.json()["actionId"])


def most(times: Iterable[float]) -> float:
    """Return what nine of ten stay within: a hitch of the machine's is no habit of the service's."""
    ordered = sorted(times)
    return ordered[int(len(ordered) * 0.9)]


def complete(http: httpx2.Client, user_id: str, action_id: str, *, repeated: bool = False) -> Operation:
    """Ask for a completion, and give what the client learns: when it repeats, also from the conflict."""
    ASKED.add(action_id)
    began = now()
    status = score = None
    try:
        answer = http.put(f"/users/{user_id}/actions/{action_id}", json={"status": "completed"})
        status = answer.status_code
        outcome: Outcome = "ok" if status == 200 else "unknown" if status >= 500 else "failed"
        if outcome == "ok":
            score = answer.json()["score"]
        elif repeated and status == 409 and answer.json()["action"]["status"] == "completed":
            outcome, score = "ok", answer.json()["action"]["score"]
    except httpx2.TransportError:
        outcome = "unknown"
    return Operation(action_id, user_id, outcome, status, score, began, now() - began, repeated)


def check(stores: Stores, history: Sequence[Operation]) -> None:
    """Hold a history against the database: every ok is there once, every unknown at most once, nothing unasked."""
    with stores.engine.connect() as conn:
        rows = conn.execute(sa.text("SELECT id::text, user_id::text, status, score FROM actions")).all()
        totals = {user_id: total for user_id, total in conn.execute(sa.text("SELECT id::text, total_score FROM users"))}
    found = {action_id: (user_id, status, score) for action_id, user_id, status, score in rows}
    lost = [it for it in history if it.outcome == "ok" and found.get(it.action_id) != _as_acknowledged(it)]
    assert not lost, f"{len(lost)} acknowledged completions are not in the database, the first: {lost[0]}"
    completed = {action_id for action_id, (_, status, _) in found.items() if status == "completed"}
    failed = [it for it in history if it.outcome == "failed" and it.action_id in completed]
    assert not failed, f"refused, and yet completed: {failed[0]}"
    unasked = completed - ASKED - {it.action_id for it in history}
    assert not unasked, f"{len(unasked)} completed, though nobody asked: {min(unasked)}"
    sums: defaultdict[str, int] = defaultdict(int)
    for action_id in completed:
        user_id, _, score = found[action_id]
        sums[user_id] += score
    wrong = {user_id: (total, sums[user_id]) for user_id, total in totals.items() if total != sums[user_id]}
    assert not wrong, f"users with another total than what their actions scored: {wrong}"


def _as_acknowledged(operation: Operation) -> tuple[str, str, int | None]:
    return operation.user_id, "completed", operation.score


_WAITING = "SELECT count(*) FROM actions WHERE status = 'completed' AND settled_at IS NULL"


def settled(stores: Stores, *, within: float = 10.0) -> float:
    """Wait until no completed action waits to be settled, and give the seconds that took."""
    began = now()
    eventually(lambda: stores.value(_WAITING) == 0, within=within, what="that every action is settled")
    return now() - began


def invariants_hold(stores: Stores, *, within: float = 10.0) -> None:
    """Wait until every invariant holds, and the key says what the board says."""
    publisher = Publisher.on(stores.redis)

    seen: list[audit.Check] = []

    def kept() -> bool:
        try:
            published = audit.published(stores.engine, publisher, BOARDS) or [audit.Check("redis-is-away", 1)]
            checks = in_transaction(stores.engine, lambda conn: audit.audit(conn, BOARDS)) + published
        except DatabaseUnavailable:
            checks = [audit.Check("database-is-away", 1)]
        seen[:] = [check for check in checks if check.violations]
        return not seen

    try:
        eventually(kept, within=within)
    except AssertionError:
        raise AssertionError(f"violated after {within} s: {seen}") from None


_PRESENT = """
    SELECT user_id::text, score FROM top_scores WHERE board_id = (
        SELECT id FROM boards WHERE board = :board AND (starts_at IS NULL OR starts_at <= clock_timestamp())
        ORDER BY starts_at DESC NULLS LAST LIMIT 1
    ) ORDER BY rank
"""


def board(stores: Stores, board_id: str = DEFAULT_BOARD) -> list[tuple[str, int]]:
    """Return a board of the database, in its present period: user ids and scores."""
    return [(user_id, score) for user_id, score in stores.rows(_PRESENT, board=board_id)]
