"""What waits for an operator, player by player, and decisions on several actions at once."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.board import correct
from app.domain.actions import Action
from app.domain.errors import Conflict, Malformed, NotFound
from app.domain.ids import ActionId
from app.domain.measured import measured
from app.http.answers import JSON, read_json
from app.routes.admin import LONGEST_PAGE, PAGE, MayHaveReason, path_id
from app.routes.desk_shapes import Decided, HeldAction, HeldPlayer, HeldPlayers, Skipped
from app.routes.operators import OptionalReason, change, operator
from app.routes.paging import cursor_of, limit_of
from app.web import Web
from db import held

MOST = 50
"""Actions that are decided by one request."""

ID = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_DECISIONS: dict[str, Callable[..., Action]] = {
    "release": correct.release,
    "reverse": correct.reverse,
    "hold": correct.hold,
}


class DecisionBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A decision on some actions; reversing needs a reason."""

    decision: Literal["release", "reverse", "hold"]
    action_ids: Annotated[list[ID], msgspec.Meta(min_length=1, max_length=MOST)]
    reason: OptionalReason = None


async def hold(request: Request) -> Response:
    """POST /admin/actions/:id/hold"""
    web, who = await operator(request)
    body = await read_json(request, MayHaveReason, or_nothing=True)
    action_id = ActionId(path_id(request))
    action = await change(
        web,
        who,
        lambda conn: correct.hold(conn, web.board_rules, action_id, actor=who.actor, reason=body.reason),
    )
    await web.publish_boards()
    return JSON(action)


async def decide(request: Request) -> Response:
    """POST /admin/actions/decisions"""
    web, who = await operator(request)
    body = await read_json(request, DecisionBody)
    if body.decision == "reverse" and not body.reason:
        raise Malformed("reason: is needed to reverse.")
    work = _DECISIONS[body.decision]
    decided = Decided([], [])
    # Each in a transaction of its own, which holds up nobody for long. What is done stays done when the next one fails;
    # the same request again skips it.
    try:
        for action_id in map(ActionId, dict.fromkeys(body.action_ids)):
            one = partial(work, rules=web.board_rules, action_id=action_id, actor=who.actor, reason=body.reason)
            try:
                decided.items.append(await change(web, who, one))
            except (Conflict, NotFound) as error:
                decided.skipped.append(Skipped(action_id, error.code, error.detail))
    finally:
        await web.publish_boards()
    return JSON(decided)


async def list_held(request: Request) -> Response:
    """GET /admin/held-players"""
    web, _ = await operator(request)
    limit, before = limit_of(request, default=PAGE, longest=LONGEST_PAGE), cursor_of(request)
    players, after = await _read(web, before, limit)
    return JSON(HeldPlayers(players, after))


async def _read(web: Web, before: str | None, limit: int) -> tuple[list[HeldPlayer], str | None]:
    def read(conn: sa.Connection) -> tuple[list[HeldPlayer], str | None]:
        rows = held.players(conn, before=before, limit=limit + 1)
        shown = rows[:limit]
        actions: defaultdict[str, list[sa.Row[Any]]] = defaultdict(list)
        for row in held.actions_of(conn, [it.id for it in shown]):
            actions[row.user_id].append(row)
        # Who was decided upon between the two statements has none left.
        items = [_player(row, actions[row.id]) for row in shown if actions[row.id]]
        return items, shown[-1].id if len(rows) > limit else None

    return await web.transaction(read)


def _player(row: sa.Row[Any], actions: list[sa.Row[Any]]) -> HeldPlayer:
    user_id, username, display_name, count, points, usual_completions, usual_points = tuple(row)
    newest = next((it for it in actions if it.details is not None), actions[0])
    details = msgspec.json.decode(newest.details) if newest.details is not None else {}
    rule, facts = details.get("rule"), details.get("facts", {})
    scale = rule and measured(rule, facts, usual_completions=usual_completions, usual_points=usual_points)
    return HeldPlayer(
        user_id=user_id,
        username=username,
        display_name=display_name,
        held=count,
        points=points,
        actions=[HeldAction(it.id, it.type, it.score, it.end_at) for it in actions],
        rule=rule,
        reason=newest.reason,
        facts=facts,
        measure=scale.measure if scale else None,
        saw=scale.saw if scale else None,
        limit=scale.limit if scale else None,
        usual=scale.usual if scale else None,
        address=newest.host if rule == "shared_ip" else None,
    )
