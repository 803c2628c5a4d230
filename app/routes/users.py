"""A player's own account."""

from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import Unauthorized
from app.domain.ids import DEFAULT_BOARD
from app.http.answers import JSON
from app.web import path_user, reader, web_of
from db import users
from db.transaction import in_transaction


async def show(request: Request) -> Response:
    """GET /users/:userId"""
    web = web_of(request)
    claims, _ = await reader(request)
    user_id = path_user(request, claims)
    await web.admission.read(request.scope, claims)
    profile = await web.reads.run(
        user_id, in_transaction, web.engine, lambda conn: users.profile(conn, user_id, DEFAULT_BOARD)
    )
    if profile is None:
        raise Unauthorized("The token is no longer valid.")
    return JSON(
        {
            "userId": user_id,
            "username": profile.username,
            "email": profile.email,
            "role": profile.role,
            "totalScore": profile.total_score,
            "score": profile.score,
            "rank": profile.rank,
        }
    )
