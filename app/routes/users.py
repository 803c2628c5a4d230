"""A player's own account."""

from starlette.requests import Request
from starlette.responses import Response

from app.access.admission import Admission
from app.domain.errors import Unauthorized
from app.domain.ids import DEFAULT_BOARD
from app.http.answers import JSON
from app.routes.guards import own_path
from app.routes.shapes import OwnUser
from db import users


async def show(request: Request) -> Response:
    """GET /users/:userId"""
    web, user_id, _ = await own_path(request, Admission.read)
    profile = await web.own_statement(user_id, lambda conn: users.profile(conn, user_id, DEFAULT_BOARD))
    if profile is None:
        raise Unauthorized("The token is no longer valid.")
    return JSON(
        OwnUser(
            user_id=user_id,
            username=profile.username,
            email=profile.email,
            role=profile.role,
            total_score=profile.total_score,
            score=profile.score,
            rank=profile.rank,
        )
    )
