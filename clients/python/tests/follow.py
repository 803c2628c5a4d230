"""Follows a board and prints each change as a line of JSON: `follow.py URL [token=…] [after=…] [keys=…] [board=…]`."""

import asyncio
import json
import sys

from scoreboard_client import Scoreboard, ScoreboardError

URL, *words = sys.argv[1:]
given = dict(word.split("=", 1) for word in words)


async def main() -> None:
    keys = {"": False, "service": True}.get(given.get("keys", ""), given.get("keys", ""))

    def complain(error: ScoreboardError) -> None:
        print(json.dumps({"error": error.code}), flush=True)

    async with Scoreboard(URL, given.get("token")) as scores:
        following = scores.follow(
            given.get("board", "all-time"), after=given.get("after"), keys=keys, on_error=complain
        )
        try:
            async for board, state in following.changes():
                rows = {row.username: row.score for row in board.rows} if board else None
                said = {"state": state, "via": following.via, "id": board.id if board else None, "rows": rows}
                print(json.dumps(said), flush=True)
        except ScoreboardError as error:
            print(json.dumps({"status": error.status, "code": error.code}), flush=True)


asyncio.run(main())
