"""What operators may do. Every change is recorded with actor and reason."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.board import correct
from app.board import erase as erasing
from app.board import rename as renaming
from app.domain.actions import Action, ActionVerdict, ModeratedAction
from app.domain.errors import Malformed, NotFound
from app.domain.ids import ActionId, UserId, is_id
from app.domain.users import InvalidUser, check_user
from app.http.answers import JSON, read_json
from app.routes.auth import Username
from app.routes.names import DisplayName, checked
from app.routes.operator_shapes import ModeratedActions, UserRecord, UserRecords
from app.routes.operators import Operator, OptionalReason, Reason, change, operator
from app.routes.paging import cursor_of, limit_of
from app.web import Web
from db import moderation
from telemetry import logs

PAGE = 50
LONGEST_PAGE = 200


class WithReason(msgspec.Struct, forbid_unknown_fields=True):
    """A change that needs a reason."""

    reason: Reason


class RenameBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The names to give a user: what is left out stays, and a display name of null is taken away."""

    username: Username | msgspec.UnsetType = msgspec.UNSET
    display_name: DisplayName | msgspec.UnsetType | None = msgspec.UNSET
    reason: Reason


class MayHaveReason(msgspec.Struct, forbid_unknown_fields=True):
    """A change that may have a reason."""

    reason: OptionalReason = None


class Adjustment(msgspec.Struct, forbid_unknown_fields=True):
    """Points to give, or to take when negative."""

    points: Annotated[int, msgspec.Meta(ge=-1_000_000_000, le=1_000_000_000, extra_json_schema={"not": {"const": 0}})]
    reason: Reason


async def list_actions(request: Request) -> Response:
    """GET /admin/actions"""
    web, _ = await operator(request)
    settlement = request.query_params.get("settlement", "held")
    if settlement not in ("held", "reversed", "cleared", "pending"):
        raise Malformed("settlement: must be held, reversed, cleared or pending.")
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), cursor_of(request)
    rows, after = await web.transaction(
        lambda conn: moderation.actions_by_settlement(conn, settlement, before=before, limit=limit)
    )
    return JSON(ModeratedActions([_moderated(row) for row in rows], after))


async def release(request: Request) -> Response:
    """POST /admin/actions/:id/release"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    action_id = path_id(request)
    return await _corrected(
        web,
        who,
        lambda conn: correct.release(conn, web.board_rules, ActionId(action_id), actor=who.actor, reason=body.reason),
    )


async def reverse(request: Request) -> Response:
    """POST /admin/actions/:id/reverse"""
    web, who = await operator(request)
    body = await read_json(request, WithReason)
    action_id = path_id(request)
    return await _corrected(
        web,
        who,
        lambda conn: correct.reverse(conn, web.board_rules, ActionId(action_id), actor=who.actor, reason=body.reason),
    )


async def list_users(request: Request) -> Response:
    """GET /admin/users"""
    web, _ = await operator(request)
    query, limit = query_of(request), limit_of(request, default=PAGE, longest=LONGEST_PAGE)
    rows = await web.transaction(lambda conn: moderation.find_users(conn, query, limit=limit))
    return JSON(UserRecords([user_record(row) for row in rows]))


async def suspend(request: Request) -> Response:
    """POST /admin/users/:id/suspend"""
    web, who = await operator(request)
    _another(request, who)
    body = await read_json(request, WithReason)
    return await _user_changed(
        request,
        web,
        who,
        lambda conn, user_id: correct.suspend(conn, web.board_rules, user_id, actor=who.actor, reason=body.reason),
    )


def _another(request: Request, who: Operator) -> None:
    """Refuse what nobody could undo: the last operator would be gone."""
    if path_id(request) == who.actor:
        raise correct.WrongState("Only another operator can do this to you.")


async def reinstate(request: Request) -> Response:
    """POST /admin/users/:id/reinstate"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    return await _user_changed(
        request,
        web,
        who,
        lambda conn, user_id: correct.reinstate(conn, web.board_rules, user_id, actor=who.actor, reason=body.reason),
    )


async def hide(request: Request) -> Response:
    """POST /admin/users/:id/hide"""
    return await _hidden(request, correct.hide)


async def show(request: Request) -> Response:
    """POST /admin/users/:id/show"""
    return await _hidden(request, correct.show)


async def _hidden(request: Request, work: Callable[..., None]) -> Response:
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    return await _user_changed(
        request,
        web,
        who,
        lambda conn, user_id: work(conn, web.board_rules, user_id, actor=who.actor, reason=body.reason),
    )


async def adjust(request: Request) -> Response:
    """POST /admin/users/:id/adjust"""
    web, who = await operator(request)
    body = await read_json(request, Adjustment)
    if body.points == 0:
        raise Malformed("points: must not be 0.")
    return await _user_changed(
        request,
        web,
        who,
        lambda conn, user_id: correct.adjust(
            conn, web.board_rules, user_id, body.points, actor=who.actor, reason=body.reason
        ),
    )


async def erase(request: Request) -> Response:
    """POST /admin/users/:id/erase"""
    web, who = await operator(request)
    _another(request, who)
    body = await read_json(request, WithReason)

    def work(conn: sa.Connection, user_id: UserId) -> None:
        erasing.erase(conn, web.board_rules, user_id, actor=who.actor, reason=body.reason)

    answer = await _user_changed(request, web, who, work)
    logs.event(logs.security, logs.USER_ERASED, userId=path_id(request))
    return answer


async def rename(request: Request) -> Response:
    """POST /admin/users/:id/rename"""
    web, who = await operator(request)
    body = await read_json(request, RenameBody)
    username = None if body.username is msgspec.UNSET else body.username
    display_name = body.display_name if body.display_name is msgspec.UNSET else checked(body.display_name)
    if username is None and display_name is msgspec.UNSET:
        raise Malformed("username or displayName: one of them is needed.")
    try:
        if username is not None:
            check_user(username=username)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    return await _user_changed(
        request,
        web,
        who,
        lambda conn, user_id: renaming.rename(
            conn,
            web.board_rules,
            user_id,
            username=username,
            display_name=display_name,
            actor=who.actor,
            reason=body.reason,
        ),
    )


async def _corrected(web: Web, who: Operator, work: Callable[[sa.Connection], Action]) -> Response:
    action = await change(web, who, work)
    await web.publish_boards()
    return JSON(action)


async def _user_changed(
    request: Request, web: Web, who: Operator, work: Callable[[sa.Connection, UserId], object]
) -> Response:
    user_id = UserId(path_id(request))

    def apply(conn: sa.Connection) -> Any:
        work(conn, user_id)
        return moderation.user(conn, user_id)

    row = await change(web, who, apply)
    await web.publish_boards()
    await web.tokens_changed(user_id)
    return JSON(user_record(row))


def query_of(request: Request) -> str:
    """Return what users are looked for by; raises Malformed when nobody can be found by it."""
    query = request.query_params.get("query", "")
    if len(query) > 256:
        raise Malformed("query: is too long.")
    if "\0" in query:
        raise Malformed("query: must not contain NUL.")
    return query


def path_id(request: Request) -> str:
    """Return the id in the path; raises NotFound when it is none."""
    found: str = request.path_params["id"]
    if not is_id(found):
        raise NotFound("Nothing has this id.")
    return found


def _moderated(row: sa.Row[Any]) -> ModeratedAction:
    action = Action.of(*tuple(row)[:10])
    verdict = None
    if row.details is not None:
        verdict = ActionVerdict(row.details["rule"], row.reason or "", row.details.get("facts", {}))
    return ModeratedAction(**_fields(action), username=row.username, display_name=row.display_name, verdict=verdict)


def _fields(action: Action) -> dict[str, Any]:
    return {name: getattr(action, name) for name in Action.__struct_fields__}


def user_record(row: sa.Row[Any]) -> UserRecord:
    """Return a user as operators see one."""
    return UserRecord(
        user_id=row.id,
        username=row.username,
        display_name=row.display_name,
        email=row.email,
        role=row.role,
        status=row.status,
        hidden=row.hidden,
        total_score=row.total_score,
        created_at=row.created_at,
    )
