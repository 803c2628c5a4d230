"""The board over HTTP, and the rules of scoring."""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from app.board import visible
from app.domain import messages
from app.domain.messages import Update
from app.domain.scoring import ActionType
from app.domain.values import PointsByValue
from app.http.answers import JSON
from app.routes import history
from app.routes.etags import matches
from app.routes.readers import reader
from app.routes.shapes import ActionTypes, TypeRule, ValueBounds
from app.routes.which_board import Which, which_board
from app.web import Web, web_of


async def top_scores(request: Request) -> Response:
    """GET /top-scores"""
    if history.asks_for_past(request):
        return await history.board_as_of(request)
    web, _, live, *_ = await reader(request)
    rule, period = which = which_board(request, web.board_rules)
    if live:
        return await _live(web, which)
    board = web.boards[rule.id]
    past = period if period is not None and not board.shows(period) else None
    update = await (board.now() if past is None else web.past.read(rule, past))
    broadcasting = board.broadcasting or past is not None
    if matches(request.headers.getlist("if-none-match"), update.etag):
        return unchanged(update, broadcasting=broadcasting)
    return answer(update, broadcasting=broadcasting)


async def _live(web: Web, which: Which) -> Response:
    """Return a board as the standings have it, for who may see through a freeze: no version that anybody was shown."""
    rows, since = await web.transaction(lambda conn: visible.live(conn, which.rule, which.period(conn).id))
    frozen = {"Board-Frozen": messages.rfc3339(since)} if since is not None else {}
    return JSON(rows, headers={"Cache-Control": "no-store", **frozen})


def answer(update: Update, *, broadcasting: bool = True) -> Response:
    """Return a board as the answer to who has none or an older one.

    Args:
        broadcasting: false while no screen is to show anything newer.
    """
    return Response(update.payload, media_type="application/json", headers=_headers(update, broadcasting=broadcasting))


def unchanged(update: Update, *, broadcasting: bool = True) -> Response:
    """Return the answer to who has this board already."""
    return Response(status_code=304, headers=_headers(update, broadcasting=broadcasting))


def _headers(update: Update, *, broadcasting: bool) -> dict[str, str]:
    headers = {"ETag": update.etag, "Last-Modified": update.last_modified, "Cache-Control": "no-cache"}
    if update.frozen_since is not None:
        headers["Board-Frozen"] = update.frozen_since
    if update.revealed is not None:
        headers["Board-Revealed"] = update.revealed
    if not broadcasting:
        headers["Broadcasting"] = "false"
    return headers


async def jwks(request: Request) -> Response:
    """GET /.well-known/jwks.json: the keys that board messages can be verified with."""
    keys = web_of(request).publisher.signer.jwks()
    return JSON(keys, headers={"Cache-Control": "max-age=300"}, media_type="application/jwk-set+json")


async def action_types(request: Request) -> Response:
    """GET /action-types"""
    return JSON(ActionTypes([_type_rule(name, rule) for name, rule in web_of(request).rules.items()]))


def _type_rule(name: str, rule: ActionType) -> TypeRule:
    return TypeRule(
        type=name,
        title=rule.title or UNSET,
        points=rule.most_points,
        min_seconds=rule.min_seconds,
        max_seconds=rule.max_seconds,
        per_day=rule.per_day,
        points_per_value=rule.points.per_value if isinstance(rule.points, PointsByValue) else UNSET,
        value=ValueBounds(rule.value.min, rule.value.max, rule.value.unit or UNSET) if rule.value else UNSET,
        trust_players=rule.trust_players if rule.value else UNSET,
    )
