"""What is known of the board that is followed, and whether it may be shown."""

import asyncio
from collections.abc import Callable

from scoreboard_client.shapes import Board, Position, State, board_of
from scoreboard_client.timing import DOUBT
from scoreboard_client.ways import Message


def is_newer(seen: Position | None, following: Position) -> bool:
    """Return whether `following` replaces `seen`: a greater version, or any version of another epoch."""
    return seen is None or following.epoch != seen.epoch or following.version > seen.version


class Store:
    """Holds the newest board, and the state.

    While the operator has paused, a screen that comes back shows no more than one that stayed: a connection begins with
    the board as it is, paused or not, so that one waits for the heartbeat behind it, which says whether it may be seen.

    Args:
        after: where the board stood when it was last seen, by an earlier process perhaps.
        changed: called after each change of board or state.
    """

    def __init__(self, after: Position | None, changed: Callable[[], None]) -> None:
        self.value: Board | None = None
        self.position = after
        self._changed = changed
        self._line: State = "connecting"
        self._told: State = "connecting"
        self._paused = self._frozen = False
        self._held: Board | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> State:
        if self._line != "live":
            return self._line
        return "paused" if self._paused else "frozen" if self._frozen else "live"

    def update(self, message: Message, first: bool) -> None:
        """Take a board; `first` is whether its connection begins with it."""
        board = board_of(message)
        if not is_newer(self.position, board.position):
            self._turn("live")
        elif self.position is None or not first:
            self._show(board, playing=not first)
        else:
            self._held = board
            self._turn("live")
            self._cancel()
            self._timer = asyncio.get_running_loop().call_later(DOUBT, self._release)  # an older service says no more

    def heartbeat(self, message: Message) -> bool:
        """Take what a heartbeat says; return False when it names a version that has never arrived."""
        newest = self._held.position if self._held else self.position
        if is_newer(newest, Position(message["epoch"], message["version"])):
            return False
        self._paused, self._frozen = message.get("broadcasting") is False, message.get("frozen") is True
        self._release()
        self._turn("live")
        return True

    def lose(self) -> None:
        """Note that the line is lost, or that the first attempt has failed."""
        self._turn("reconnecting")

    def end(self) -> None:
        """Note that nothing comes any more."""
        self._cancel()
        self._turn("ended")

    def _release(self) -> None:
        """Show what was held back, if nothing is paused."""
        held = self._held
        if held is None or self._paused:
            return
        if is_newer(self.position, held.position):
            self._show(held, playing=True)
        else:
            self._held = None

    def _show(self, board: Board, *, playing: bool) -> None:
        self._cancel()
        self._held = None
        self.value, self.position = board, board.position
        self._paused = self._paused and not playing
        self._frozen = board.frozen
        self._line = "live"
        self._told = self.state
        self._changed()

    def _turn(self, line: State) -> None:
        if self._line != "ended":
            self._line = line
        if self.state != self._told:
            self._told = self.state
            self._changed()

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
