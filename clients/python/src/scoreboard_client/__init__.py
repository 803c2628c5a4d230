"""Play on a Scoreboard service, report to it, and follow its boards, live."""

from importlib.metadata import version

from scoreboard_client.errors import ScoreboardError
from scoreboard_client.following import Following
from scoreboard_client.scoreboard import Scoreboard
from scoreboard_client.shapes import Account, Action, Board, ExternalUser, Retry, Row, State, Way
from scoreboard_client.signatures import verify

__version__ = version("scoreboard-client")
__all__ = [
    "Account",
    "Action",
    "Board",
    "ExternalUser",
    "Following",
    "Retry",
    "Row",
    "Scoreboard",
    "ScoreboardError",
    "State",
    "Way",
    "verify",
]
