"""Pushing boards to one socket, or one stream."""

import asyncio

from app.domain.ids import BoardId
from app.domain.messages import Update
from app.live.board import LiveBoard
from app.live.close_codes import GONE, CloseCode, Ending
from app.live.outlet import Gone, Outlet
from app.live.push_latency import PushLatency

HEARTBEAT_EVERY = 25.0
SEND_WITHIN = 10.0
"""Seconds that a peer may take to read one message."""
MOST_ANSWERS = 16
"""Answers that wait for a slow peer; beyond them the oldest are dropped."""


class Followed:
    """A board that a socket or stream follows, and what it was last sent of it: the version, and the board's state."""

    __slots__ = ("_later", "_pusher", "_told", "board", "next_push", "own_scores", "seen")

    def __init__(self, board: LiveBoard, pusher: "Pusher", seen: Update | None) -> None:
        self.board = board
        self.seen = seen
        self.next_push = 0.0
        self.own_scores: str | None = None
        self._pusher = pusher
        self._later: asyncio.TimerHandle | None = None
        self._told: tuple[bool, bool] | None = None

    @property
    def untold(self) -> bool:
        """Whether the board's state is to be told at once, after the first board."""
        return self._pusher.tells_states and self._told != self.board.state and self.seen is not None

    def newest(self) -> Update | None:
        """Return what is to be sent, None when there is nothing new."""
        return self.board.newer_than(self.seen)

    def changed(self) -> None:
        """Send the newest board once the interval allows; leave it to the task if sending has to wait."""
        pusher = self._pusher
        if pusher.busy:
            return  # the task is sending, and looks for a newer board afterwards
        update = self.board.newer_than(self.seen)
        if update is None:
            if self.untold:
                pusher.wake()
            return
        early = self.next_push - pusher.loop.time()
        if early > 0:
            self._later = self._later or pusher.loop.call_later(early, self._due)  # the newest of then is sent
        elif pusher.send_ready(update.text):
            pusher.count()
            self.sent(update)
        else:
            pusher.wake()

    def sent(self, update: Update) -> None:
        """Note that an update was sent."""
        pusher = self._pusher
        pusher.push_latency.sent(update, first=self.seen is None)
        self.seen, self.next_push = update, pusher.loop.time() + pusher.interval
        if self.own_scores is not None or self.untold:
            pusher.wake()

    def heartbeat(self) -> str | None:
        """Return the heartbeat that is to be sent now; None before the first board."""
        if self.seen is None:
            return None
        self._told = self.board.state
        return self.board.heartbeat(self.seen)

    def tell(self, own_scores: str) -> None:
        """Send the player's own numbers, after the first board; a slow peer gets the newest."""
        self.own_scores = own_scores
        self._pusher.wake()

    def rest(self) -> None:
        """Send no more."""
        self.board.forget(self.changed)
        if self._later is not None:
            self._later.cancel()

    def _due(self) -> None:
        self._later = None
        self.changed()


class Pusher:
    """Sends a socket or stream each new version of the boards that it follows, at most one of a board in an interval.

    There may be thousands of these: most boards are sent from the callback that announces them, without waking the
    task; and one timer is set for each heartbeat, not for each board.
    """

    __slots__ = (
        *("_answers", "_followed", "_heartbeat_due", "_idle", "_outlet"),
        *("count", "interval", "loop", "push_latency", "send_ready", "tells_states"),
    )

    def __init__(self, outlet: Outlet, interval: float, push_latency: PushLatency, *, tells_states: bool) -> None:
        """Push to an outlet.

        Args:
            interval: seconds.
            tells_states: whether a heartbeat is sent after the first board of each, and whenever its state changes.
        """
        self._outlet = outlet
        self.send_ready = outlet.send_ready
        self.count = outlet.messages.inc
        self.tells_states = tells_states
        self.interval = interval
        self.push_latency = push_latency
        self.loop = asyncio.get_running_loop()
        # Not a dict: it has one member, or a few, and there are thousands of sockets.
        self._followed: tuple[Followed, ...] = ()
        self._answers: tuple[str, ...] = ()
        self._idle: asyncio.Future[None] | None = None
        self._heartbeat_due = False

    @property
    def busy(self) -> bool:
        """Whether the task is sending, not waiting for something to send."""
        return self._idle is None or self._idle.done()

    @property
    def followed(self) -> tuple[Followed, ...]:
        return self._followed

    def find(self, board_id: BoardId) -> Followed | None:
        """Return a board that is followed."""
        return next((it for it in self._followed if it.board.board_id == board_id), None)

    def follow(self, board: LiveBoard, seen: Update | None = None) -> Followed:
        """Send a board, at first as it is, unless that was `seen` before."""
        followed = Followed(board, self, seen)
        self._followed += (followed,)
        board.listen(followed.changed)
        followed.changed()
        return followed

    def unfollow(self, followed: Followed) -> None:
        """Send no more of a board."""
        self._followed = tuple(it for it in self._followed if it is not followed)
        followed.rest()

    def answer(self, text: str) -> None:
        """Send an answer to what the client has asked for."""
        self._answers = (*self._answers, text)[-MOST_ANSWERS:]
        self.wake()

    def wake(self) -> None:
        """Let the task look for what is to be sent."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def run(self) -> Ending:
        """Push until that fails, and return how the socket or stream is to end."""
        heartbeat = self.loop.call_later(HEARTBEAT_EVERY, self._ring)
        try:
            while True:
                if self._heartbeat_due:
                    self._heartbeat_due = False
                    heartbeat = self.loop.call_later(HEARTBEAT_EVERY, self._ring)
                    ending = await self._send_heartbeats()
                elif self._answers:
                    text, *rest = self._answers
                    self._answers = tuple(rest)
                    ending = await self._send(text)
                elif (due := self._next()) is not None:
                    ending = await self._send_board(due)
                elif (due := self._next_untold()) is not None:
                    ending = await self._send_heartbeat(due)
                elif (due := self._next_to_tell()) is not None:
                    ending = await self._send_own_scores(due)
                else:
                    self._idle = self.loop.create_future()
                    for followed in self._followed:
                        followed.changed()
                    await self._idle
                    ending = None
                if ending is not None:
                    return ending
        finally:
            heartbeat.cancel()
            for followed in self._followed:
                followed.rest()

    def _next(self) -> Followed | None:
        """Return the board to be sent, of several the one that has waited the longest."""
        now = self.loop.time()
        due = [it for it in self._followed if it.next_push <= now and it.newest() is not None]
        return min(due, key=lambda it: it.next_push) if due else None

    def _next_to_tell(self) -> Followed | None:
        """Return a board of which the player's own numbers are to be sent."""
        return next((it for it in self._followed if it.own_scores is not None and it.seen is not None), None)

    def _next_untold(self) -> Followed | None:
        """Return a board whose state is to be told at once."""
        return next((it for it in self._followed if it.untold), None) if self.tells_states else None

    async def _send_heartbeats(self) -> Ending | None:
        for it in self._followed:
            if ending := await self._send_heartbeat(it):
                return ending
        return None

    async def _send_heartbeat(self, followed: Followed) -> Ending | None:
        text = followed.heartbeat()
        return await self._send(text) if text is not None else None

    async def _send_board(self, followed: Followed) -> Ending | None:
        update = followed.newest()
        if update is None:
            return None
        if ending := await self._send(update.text):
            return ending
        followed.sent(update)
        return None

    async def _send_own_scores(self, followed: Followed) -> Ending | None:
        text, followed.own_scores = followed.own_scores, None
        return await self._send(text) if text is not None else None

    def _ring(self) -> None:
        self._heartbeat_due = True
        self.wake()

    async def _send(self, text: str) -> Ending | None:
        """Hand a message over, and return how it is to end when that failed."""
        if not self.send_ready(text):
            try:
                async with asyncio.timeout(SEND_WITHIN):
                    await self._outlet.send(text)
            except TimeoutError:
                return Ending(CloseCode.SLOW)
            except Gone:  # who listens to it is told with which code
                return Ending(GONE, closed=True)
        self.count()
        return None
