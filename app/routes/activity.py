"""How much is played: the last minutes, for operators."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from app.http.answers import JSON
from app.routes.desk_shapes import Activity, Minute
from app.routes.operators import operator
from app.routes.paging import limit_of
from app.web import Web
from db import activity
from telemetry import metrics

MINUTES = 60
LONGEST = 180


async def show(request: Request) -> Response:
    """GET /admin/activity"""
    web, _ = await operator(request)
    minutes = limit_of(request, name="minutes", default=MINUTES, longest=LONGEST)
    # Who opens the page at the same moment reads once.
    return JSON(await web.past_reads.run(f"activity {minutes}", lambda: _read(web, minutes)))


async def _read(web: Web, minutes: int) -> Activity:
    *rows, total = await web.statement(lambda conn: activity.minutes(conn, minutes))
    listeners = await web.database.run(metrics.listeners)
    return Activity(
        since=rows[0].at,
        until=rows[-1].at + timedelta(minutes=1),
        players=total.players,
        completions=total.completions,
        points=total.points,
        listeners=listeners,
        minutes=[
            Minute(it.at, it.players, it.completions, it.points, more=it.completions > activity.MOST) for it in rows
        ],
    )
