"""POST on a player's actions: starting one and, with a service key, reporting one that is completed."""

import logging
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from app.access.admission import Admission
from app.domain import values
from app.domain.actions import Action, CompletedAction, Start, digits_written_out
from app.domain.errors import Malformed, ScoreboardError, ServiceKeyRequired, UnknownType, WrongEnd, WrongValue
from app.domain.idempotency import Idempotency, body_hash, check_key
from app.domain.ids import ActionId, new_id
from app.domain.posts import Post
from app.domain.scoring import DEFAULT_TYPE, ScoringRules
from app.http.answers import JSON, read_json
from app.http.strict_json import convert
from app.routes.actions import address, completed, too_many
from app.routes.guards import Caller, own_path
from app.web import web_of
from telemetry import logs, metrics

log = logging.getLogger("scoreboard.actions")

LARGEST_METADATA = 4096


class PostBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body that starts an action or, with a service key, reports one that is completed.

    `value` and `endAt` come with a completed one.
    """

    status: Literal["started", "completed"]
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = DEFAULT_TYPE
    metadata: dict[str, Any] = {}
    value: int | UnsetType = UNSET
    end_at: Annotated[datetime, msgspec.Meta(tz=True)] | UnsetType = UNSET


async def create(request: Request) -> Response:
    """POST /users/:userId/actions"""
    web = web_of(request)
    if refusal := too_many(web, request.method):
        raise refusal
    caller = await own_path(request, Admission.create, "actions")
    body = await _read_body(request, caller)
    keys = request.headers.getlist("idempotency-key")
    # Without a key the rules can refuse it at once; with one it may be a replay of what they allowed.
    refused = _refusal(body, web.rules)
    if refused and not keys:
        raise refused
    if body.status == "completed" or keys:
        return await _recorded(request, caller, body, keys, refused)
    start = Start(
        ActionId(new_id()), caller.user_id, caller.token_version, body.type, address(caller, request), _text(body)
    )
    action = await web.starts.submit(start)
    _created(request, caller, action)
    return _answer(action, 201)


async def _read_body(request: Request, caller: Caller) -> PostBody:
    fields = await read_json(request, dict[str, Any])
    if caller.key is None and fields.get("status") == "completed":
        raise ServiceKeyRequired("Only a service key reports what is completed: start an action, and then PUT its end.")
    body = convert(fields, PostBody)
    if len(msgspec.json.encode(body.metadata)) + digits_written_out(body.metadata) > LARGEST_METADATA:
        raise Malformed(f"The metadata is larger than {LARGEST_METADATA} bytes.")
    if body.status == "started" and (body.value, body.end_at) != (UNSET, UNSET):
        raise Malformed("value and endAt come with a completed action alone.")
    if body.end_at is UNSET:
        return body
    try:
        return msgspec.structs.replace(body, end_at=body.end_at.astimezone(UTC))
    except OverflowError:
        raise WrongEnd("endAt: is no moment of the last hour.") from None


async def _recorded(
    request: Request, caller: Caller, body: PostBody, keys: list[str], refusal: ScoreboardError | None
) -> Response:
    """Answer with the action that is recorded for a request, now or before."""
    idempotency = None
    if keys:
        owner_id = caller.key.key_id if caller.key else caller.user_id
        idempotency = Idempotency(owner_id, check_key(keys), body_hash(caller.user_id, body))
    post = Post(
        ActionId(new_id()),
        caller.user_id,
        caller.token_version,
        body.status,
        body.type,
        address(caller, request),
        _text(body),
        value=None if body.value is UNSET else body.value,
        end_at=None if body.end_at is UNSET else body.end_at,
        reported_by=caller.key.key_id if caller.key and body.status == "completed" else None,
        idempotency=idempotency,
        refusal=refusal,
    )
    result = await caller.web.posts.submit(post)
    if result.replayed:
        return _answer(result.action, 200, {"Idempotency-Replayed": "true"})
    _created(request, caller, result.action)
    if isinstance(result.action, CompletedAction):
        completed(request, caller, result.action)
    return _answer(result.action, 201)


def _refusal(body: PostBody, rules: ScoringRules) -> ScoreboardError | None:
    """Return why the rules in force don't take a body, or None."""
    rule = rules.get(body.type)
    if rule is None:
        return UnknownType(f"There is no action type {body.type!r}.")
    if body.status == "started":
        return None
    wrong = values.problem(body.type, rule.value, None if body.value is UNSET else body.value)
    return WrongValue(wrong) if wrong else None


def _text(body: PostBody) -> str:
    return msgspec.json.encode(body.metadata).decode()


def _answer(action: Action, status: int, headers: dict[str, str] | None = None) -> Response:
    location = f"/users/{action.user_id}/actions/{action.action_id}"
    return JSON(action, status, {"Location": location, **(headers or {})})


def _created(request: Request, caller: Caller, action: Action) -> None:
    metrics.action_created.inc()
    logs.event(
        log,
        logs.ACTION_CREATED,
        requestId=request.scope["request_id"],
        actionId=action.action_id,
        userId=action.user_id,
        type=action.type,
        **caller.logged,
    )
