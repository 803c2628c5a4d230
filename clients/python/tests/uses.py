"""What users write, for mypy: nothing of it runs. What is ignored has to be wrong."""

from collections.abc import Awaitable
from datetime import UTC, datetime

from scoreboard_client import Action, Board, Scoreboard, ScoreboardError, State, Way, verify


async def player() -> None:
    async with Scoreboard("https://scores.example") as scores:
        user_id: str = await scores.sign_in("ada", "secret")
        done: Action = await scores.complete(await scores.start("lap"), value=1)
        points: int | None = done.awarded_points
        print(user_id, points, done.metadata["level"])
        await scores.complete(1)  # type: ignore[arg-type]
        await scores.report(end_at=datetime.now(UTC))  # type: ignore[call-arg]


def later() -> Awaitable[str | None]: ...  # type: ignore[empty-body]


async def audience() -> None:
    for token in (None, "token", lambda: "token", later):
        following = Scoreboard("https://scores.example", token).follow("weekly", after="e-1", keys={"keys": []})
        async for board in following:
            names: list[str] = [row.name for row in board.rows]
            print(names, board.frozen_since and board.frozen_since.tzinfo)
        async for now, state in following.changes():
            value: Board | None = now
            told: State = state
            via: Way | None = following.via
            print(value, told, via)
        following.state = "live"  # type: ignore[misc]
    Scoreboard("https://scores.example").follow(keys=1.5)  # type: ignore[arg-type]


def relay(message: dict[str, object]) -> bool:
    try:
        return verify(message, jwks={"keys": []})
    except ScoreboardError as error:
        wait: float = error.retry_after or 0
        raise SystemExit(f"{error.status} {error.code} {wait}") from error
