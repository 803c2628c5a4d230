"""Which boards a socket follows: the one that it was opened for, and those that its client asks for by frames."""

import msgspec

from app.domain import messages
from app.domain.errors import NotFound
from app.domain.ids import BoardId, UserId
from app.live.boards import LiveBoards
from app.live.own_scores import Listener, OwnScores
from app.live.pusher import Followed, Pusher

MOST_BOARDS = 16
"""Boards that one socket may follow."""
TOO_MANY = "too-many-boards"


class Wish(msgspec.Struct):
    """A frame that a client sends: the ids of boards."""

    subscribe: list[str] = []
    unsubscribe: list[str] = []


_WISH = msgspec.json.Decoder(Wish)


class Following:
    """The boards that one socket follows.

    Args:
        own: where the own numbers of the socket's user are from, and the user; None when nobody has asked for them.
    """

    __slots__ = ("_boards", "_listeners", "_own", "_pusher")

    def __init__(self, boards: LiveBoards, pusher: Pusher, own: tuple[OwnScores, UserId] | None) -> None:
        self._boards = boards
        self._pusher = pusher
        self._own = own
        self._listeners: dict[BoardId, Listener] | None = None if own is None else {}

    def hear(self, frame: str) -> None:
        """Do what a frame asks for; one that asks for nothing is ignored."""
        try:
            wish = _WISH.decode(frame)
        except (msgspec.MsgspecError, UnicodeError):
            return
        for board_id in wish.unsubscribe:
            followed = self._pusher.find(BoardId(board_id))
            if followed is not None:
                self._end(followed)
        unknown: list[str] = []
        left_out: list[str] = []
        for name in dict.fromkeys(wish.subscribe):
            board_id = BoardId(name)
            if self._pusher.find(board_id) is not None:
                continue
            if board_id not in self._boards:
                unknown.append(name)
            elif len(self._pusher.followed) >= MOST_BOARDS:
                left_out.append(name)
            else:
                self.begin(board_id)
        for names, code in ((unknown, NotFound.code), (left_out, TOO_MANY)):
            if names:
                self._pusher.answer(messages.refused(names, code, self._boards.signer))

    def begin(self, board_id: BoardId) -> None:
        """Follow a board that there is."""
        board = self._boards[board_id]
        followed = self._pusher.follow(board)
        if self._own is not None and self._listeners is not None:
            scores, user_id = self._own
            self._listeners[board_id] = scores.listen(board, user_id, followed.tell)

    def end(self) -> None:
        """Follow nothing any more."""
        for followed in self._pusher.followed:
            self._end(followed)

    def _end(self, followed: Followed) -> None:
        board = followed.board
        self._pusher.unfollow(followed)
        if self._own is not None and self._listeners is not None:
            scores, user_id = self._own
            scores.forget(board, user_id, self._listeners.pop(board.board_id))
