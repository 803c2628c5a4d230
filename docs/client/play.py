"""Plays one action, then shows the board whenever it changes. Needs Python 3.11 and `pip install websockets`.

SCOREBOARD_URL, SCOREBOARD_USER and SCOREBOARD_PASSWORD say where, and who.
"""

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

URL = os.environ.get("SCOREBOARD_URL", "http://localhost:8000")
USER = os.environ.get("SCOREBOARD_USER", "alice")
PASSWORD = os.environ.get("SCOREBOARD_PASSWORD", "demo-password")

TOKEN_OVER, SUSPENDED = 4401, 4403
ATTEMPTS = 10


def pause(attempt: int) -> float:
    """Pick the seconds before the next attempt, at random, so that not all clients come back at once."""
    return random.uniform(0, min(20, 0.5 * 2**attempt))


def ask(method: str, path: str, body: Any, token: str = "") -> tuple[int, dict[str, Any]]:
    """Send a request until it is answered: once more after a lost answer, a 429 or a 503."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers, method=method)
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                return error.code, json.load(error)
            time.sleep(float(error.headers.get("Retry-After", 1)))
        except (OSError, http.client.HTTPException):
            time.sleep(pause(attempt))
    raise SystemExit(f"{URL} does not answer")


def login() -> tuple[str, str]:
    """Return the player's id and a token."""
    status, answer = ask("POST", "/auth/login", {"username": USER, "password": PASSWORD})
    if status != 200:
        raise SystemExit(answer["detail"])
    return answer["userId"], answer["accessToken"]


def play(user_id: str, token: str) -> int:
    """Start an action, complete it, and give the points it brought."""
    actions = f"/users/{user_id}/actions"
    status, action = ask("POST", actions, {"status": "started"}, token)
    if status != 201:
        raise SystemExit(action["detail"])
    status, answer = ask("PUT", f"{actions}/{action['actionId']}", {"status": "completed"}, token)
    if status == 409 and answer["code"] == "action-completed":
        return int(answer["action"]["score"])  # an attempt before has counted, and its answer was lost
    if status != 200:
        raise SystemExit(answer["detail"])
    return int(answer["awardedPoints"])


def watch(token: str) -> None:
    """Show each new board, for ever."""
    address = URL.replace("http", "ws", 1) + "/ws"
    seen: tuple[str, int] | None = None
    attempt = 0
    while True:
        wait = 0.0
        try:
            with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
                while True:
                    message = json.loads(socket.recv(timeout=60))  # a heartbeat comes every 25 s
                    attempt = 0
                    version = (message["epoch"], message["version"])
                    if seen and version[0] == seen[0] and version[1] <= seen[1]:
                        continue  # nothing new
                    if message["type"] == "heartbeat":
                        break  # it names a board that never arrived
                    seen = version
                    print(json.dumps(message["payload"]), flush=True)
        except InvalidStatus as refused:
            wait = float(refused.response.headers.get("Retry-After", 0))
            if refused.response.status_code == 401:
                _, token = login()
            elif refused.response.status_code not in (429, 503):
                raise SystemExit(f"refused with {refused.response.status_code}") from None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            if code == SUSPENDED:
                raise SystemExit("suspended") from None
            if code == TOKEN_OVER:
                _, token = login()
        except (OSError, WebSocketException):
            pass  # away, or silent for too long
        time.sleep(wait + pause(attempt))
        attempt += 1


if __name__ == "__main__":
    user_id, token = login()
    print(f"{play(user_id, token)} points", flush=True)
    try:
        watch(token)
    except KeyboardInterrupt:
        pass
