"""Players' own actions: completing, cancelling and reading them. What is posted is in `app.routes.posts`."""

import logging
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.access.admission import Admission
from app.domain.actions import STATUSES, CompletedAction, End
from app.domain.errors import Forbidden, FraudRule, Malformed, NotFound, Overloaded
from app.domain.ids import ActionId, is_id
from app.http.answers import JSON, read_json
from app.routes.guards import Caller, own_path
from app.routes.paging import cursor_of, limit_of
from app.routes.shapes import OwnActions
from app.web import Web, web_of
from db import actions
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.actions")

PAGE = 20
LONGEST_PAGE = 100

MOST_UNDER_WAY = {"POST": 1000, "PUT": 1500}
"""Requests under way in a process, up to which it takes on another: with more of them all would only wait longer.

What was begun goes before what is new."""


class EndBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body that ends an action. `{"started": "completed"}` is an older way to say `{"status": "completed"}`.

    `value` comes with a completion, where the action's type has one.
    """

    status: Literal["completed", "cancelled"] | msgspec.UnsetType = msgspec.UNSET
    started: Literal["completed"] | msgspec.UnsetType = msgspec.UNSET
    value: int | msgspec.UnsetType = msgspec.UNSET

    def wanted(self) -> Literal["completed", "cancelled"]:
        """Return what the action is to become."""
        if self.status == "cancelled" and self.value is not msgspec.UNSET:
            raise Malformed("value: comes with a completion alone.")
        if self.status is not msgspec.UNSET and self.started is msgspec.UNSET:
            return self.status
        if self.started is not msgspec.UNSET and self.status is msgspec.UNSET:
            return self.started
        raise Malformed('The body must be {"status": "completed"} or {"status": "cancelled"}.')


def too_many(web: Web, method: str) -> Overloaded | None:
    """Return why a start (POST) or an end (PUT) has to be turned away, or None."""
    return Overloaded("Too many requests are under way.") if web.under_way >= MOST_UNDER_WAY[method] else None


async def list_own(request: Request) -> Response:
    """GET /users/:userId/actions"""
    web, user_id, *_ = await own_path(request, Admission.read, "actions")
    status = request.query_params.get("status")
    if status not in (None, *STATUSES):
        raise Malformed("status: must be started, completed or cancelled.")
    statuses = STATUSES if status is None else (status,)
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), cursor_of(request)
    items, more = await web.own_statement(
        user_id, lambda conn: actions.of_user(conn, user_id, statuses=statuses, before=before, limit=limit)
    )
    return JSON(OwnActions(items, items[-1].action_id if more else None))


async def show(request: Request) -> Response:
    """GET /users/:userId/actions/:actionId"""
    web, user_id, *_ = await own_path(request, Admission.read, "actions")
    action_id = _path_action(request)
    action = await web.own_statement(user_id, lambda conn: actions.get(conn, action_id))
    if action is None:
        raise NotFound("There is no such action.")
    if action.user_id != user_id:
        raise Forbidden("This is another player's action.")
    return JSON(action)


async def end(request: Request) -> Response:
    """PUT /users/:userId/actions/:actionId"""
    web = web_of(request)
    if refusal := too_many(web, request.method):
        raise refusal
    caller = await own_path(request, Admission.complete, "actions")
    user_id = caller.user_id
    body = await read_json(request, EndBody)
    wanted = body.wanted()
    action_id = _path_action(request)
    value, trusted = (None if body.value is msgspec.UNSET else body.value), caller.key is not None
    ending = End(action_id, user_id, caller.token_version, wanted, address(caller, request), value, trusted)
    try:
        action = await web.ends.submit(ending)
    except FraudRule as error:
        logs.event(
            logs.security,
            logs.FRAUD_REFUSED,
            logging.WARNING,
            requestId=request.scope["request_id"],
            actionId=action_id,
            userId=user_id,
            **caller.logged,
            **error.extra,
        )
        raise
    if isinstance(action, CompletedAction):
        completed(request, caller, action)
    return JSON(action)


def address(caller: Caller, request: Request) -> str | None:
    """Return the address that goes on record with an action, if any does; that of a team's server is no player's."""
    web = caller.web
    return web.admission.address(request.scope) if web.settings.client_ip_days and caller.key is None else None


def _path_action(request: Request) -> ActionId:
    action_id = request.path_params["action_id"]
    if not is_id(action_id):
        raise NotFound("There is no such action.")
    return ActionId(action_id)


def completed(request: Request, caller: Caller, action: CompletedAction) -> None:
    """Send an action that was just completed on to the workers, and count and log it."""
    caller.web.enqueuer.completed(action.action_id, request.scope["request_id"])
    caller.web.push_latency.completed(caller.user_id)
    metrics.action_completed.inc()
    logs.event(
        log,
        logs.ACTION_COMPLETED,
        requestId=request.scope["request_id"],
        actionId=action.action_id,
        userId=action.user_id,
        type=action.type,
        score=action.score,
        **caller.logged,
    )
