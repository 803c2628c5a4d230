"""Plays over a bad network, as a player and as a game server: `play.py URL USERNAME PASSWORD SERVICE_KEY`."""

import asyncio
import json
import sys
import uuid

from scoreboard_client import Scoreboard, ScoreboardError

URL, USERNAME, PASSWORD, KEY = sys.argv[1:]


async def main() -> None:
    async with Scoreboard(URL) as scores:
        user_id = await scores.sign_in(USERNAME, PASSWORD)
        action = await scores.start(metadata={"level": 3})
        done = await scores.complete(action)
        again = await scores.complete(action.action_id)
        given_up = await scores.cancel(await scores.start())
        account = await scores.account()
        try:
            await scores.complete(given_up)
            refused = ""
        except ScoreboardError as error:
            refused = f"{error.status} {error.code}"
        try:
            await Scoreboard(URL, "wrong").start()
        except ScoreboardError as error:
            refused += f", {error.status} {error.code}"
    async with Scoreboard(URL, KEY) as server:
        ada = await server.external_user(f"ada@{uuid.uuid4().hex[:8]}/é", display_name="Ada 🦊")
        lap = await server.report(ada.user_id, idempotency_key=f"lap-{ada.user_id}")
        same = await server.report(ada.user_id, idempotency_key=f"lap-{ada.user_id}")
        started = await server.start(user=ada.user_id)
        await server.complete(started)
        theirs = await server.account(ada.user_id)
        board = await server.top_scores()
    print(
        json.dumps(
            {
                "user": action.user_id == user_id,
                "metadata": action.metadata,
                "completed": [done.status, done.score],
                "again": [again.replayed, again.score],
                "given up": given_up.status,
                "total": account.total_score,
                "refused": refused,
                "name": theirs.display_name,
                "one lap": lap.action_id == same.action_id and same.replayed,
                "their total": theirs.total_score,
                "board": len(board.rows) <= 10 and board.version >= 0,
            }
        )
    )


asyncio.run(main())
