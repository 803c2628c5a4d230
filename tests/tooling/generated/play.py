"""A round of play by the client that openapi-python-client has generated: `python play.py URL USERNAME`."""

import sys

from scoreboard_client import AuthenticatedClient, Client
from scoreboard_client.api.actions import end_action, read_action, start_action
from scoreboard_client.api.board import top_scores
from scoreboard_client.api.players import login, register
from scoreboard_client.models import (
    AccessToken,
    Action,
    EndBody,
    EndBodyStatus,
    EndedAction,
    LoginBody,
    PostBody,
    PostBodyMetadata,
    PostBodyStatus,
    Problem,
    RegisterBody,
    Registered,
)

URL, USERNAME = sys.argv[1:]
PASSWORD = "a password of this round"

visitor = Client(base_url=URL)
made = register.sync(client=visitor, body=RegisterBody(username=USERNAME, password=PASSWORD))
assert isinstance(made, Registered), made
again = register.sync(client=visitor, body=RegisterBody(username=USERNAME, password=PASSWORD))
assert isinstance(again, Problem), again
assert (again.status, again.code) == (409, "already-taken"), again

session = login.sync(client=visitor, body=LoginBody(username=USERNAME, password=PASSWORD))
assert isinstance(session, AccessToken), session
player = AuthenticatedClient(base_url=URL, token=session.access_token)

body = PostBody(status=PostBodyStatus.STARTED, metadata=PostBodyMetadata.from_dict({"level": 3, "by": ["left"]}))
started = start_action.sync(session.user_id, client=player, body=body)
assert isinstance(started, EndedAction), started
assert started.metadata.to_dict() == {"level": 3, "by": ["left"]}

ended = end_action.sync(session.user_id, started.action_id, client=player, body=EndBody(status=EndBodyStatus.COMPLETED))
assert isinstance(ended, EndedAction), ended
read = read_action.sync(session.user_id, started.action_id, client=player)
assert isinstance(read, Action), read
assert read.score == ended.awarded_points, read

board = top_scores.sync(client=player)
assert isinstance(board, list), board
print(ended.awarded_points, ended.total_score, len(board))
