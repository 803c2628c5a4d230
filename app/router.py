"""The table of routes: which function answers which path and method."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from app.description import endpoints
from app.routes import (
    about,
    account,
    accounts,
    actions,
    activity,
    admin,
    auth,
    boards,
    brand,
    decisions,
    embed,
    external,
    find,
    flags,
    freezes,
    health,
    history,
    issuers,
    join_codes,
    join_qr,
    keys,
    live,
    metrics,
    names,
    networks,
    pages,
    players,
    posts,
    ranks,
    resets,
    scores,
    stats,
    stream,
    trail,
    webhooks,
)

Endpoint = Callable[[Request], Awaitable[Response]]


class _Methods:
    """One path's endpoints by method, so that a 405 names them all."""

    def __init__(self, endpoints: dict[str, Endpoint]) -> None:
        self.endpoints = {**endpoints, "HEAD": endpoints["GET"]} if "GET" in endpoints else endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self.endpoints[scope["method"]](request)
        await response(scope, receive, send)


def route(path: str, **endpoints: Endpoint) -> Route:
    """Make a path's route, its endpoints named by their methods."""
    return Route(path, _Methods(endpoints), methods=list(endpoints))


ACTIONS = route("/users/{user_id}/actions", GET=actions.list_own, POST=posts.create)
ACTION = route("/users/{user_id}/actions/{action_id}", GET=actions.show, PUT=actions.end)

API: list[BaseRoute] = [
    # Before what begins alike: another system's id may be any words, and have a slash in it.
    route("/users/external/{external_id:path}", GET=external.show, PUT=external.put),
    ACTIONS,
    ACTION,
    route("/top-scores", GET=scores.top_scores),
    route("/top-scores/stream", GET=stream.stream),
    route("/boards", GET=boards.list_boards),
    route("/boards/{board}/periods", GET=boards.list_periods),
    route("/boards/{board}/history", GET=history.show_history),
    route("/boards/{board}/feed", GET=history.show_feed),
    route("/boards/{board}/players", GET=find.find_players),
    route("/boards/{board}/ranks", POST=ranks.find),
    route("/boards/{board}/ranks/{user_id}", GET=ranks.show),
    route("/boards/{board}/around/{user_id}", GET=ranks.around),
    route("/boards/{board}/standings", GET=ranks.standings),
    route("/users/{user_id}", GET=account.show, PATCH=names.change, DELETE=account.erase),
    route("/users/{user_id}/password", POST=account.change_password),
    route("/about", GET=about.show),
    route("/join-qr.svg", GET=join_qr.show),
    route("/action-types", GET=scores.action_types),
    route("/auth/register", POST=auth.register),
    route("/auth/login", POST=auth.login),
    route("/auth/reset", POST=resets.use),
    route("/auth/refresh", POST=auth.refresh),
    route("/auth/logout", POST=auth.logout),
    route("/auth/issuers", GET=issuers.list_sign_ins),
    route("/.well-known/jwks.json", GET=scores.jwks),
    route("/admin/actions", GET=admin.list_actions),
    route("/admin/actions/decisions", POST=decisions.decide),
    route("/admin/actions/{id}/hold", POST=decisions.hold),
    route("/admin/actions/{id}/release", POST=admin.release),
    route("/admin/actions/{id}/reverse", POST=admin.reverse),
    route("/admin/users", GET=admin.list_users, POST=accounts.create),
    route("/admin/users/import", POST=accounts.import_list),
    route("/admin/users/{id}/suspend", POST=admin.suspend),
    route("/admin/users/{id}/reinstate", POST=admin.reinstate),
    route("/admin/users/{id}/hide", POST=admin.hide),
    route("/admin/users/{id}/show", POST=admin.show),
    route("/admin/users/{id}/adjust", POST=admin.adjust),
    route("/admin/users/{id}/rename", POST=admin.rename),
    route("/admin/users/{id}/erase", POST=admin.erase),
    route("/admin/users/{id}/reset", POST=resets.create),
    route("/admin/players", GET=players.list_all),
    route("/admin/held-players", GET=decisions.list_held),
    route("/admin/activity", GET=activity.show),
    route("/admin/events", GET=trail.list_events),
    route("/admin/keys", GET=keys.list_keys, POST=keys.create),
    route("/admin/keys/{id}", DELETE=keys.revoke),
    route("/admin/join-codes", GET=join_codes.list_all, POST=join_codes.create),
    route("/admin/join-codes/{id}", DELETE=join_codes.delete),
    route("/admin/networks", GET=networks.list_all, POST=networks.create),
    route("/admin/networks/{id}", DELETE=networks.delete),
    route("/admin/webhooks", GET=webhooks.list_all, POST=webhooks.create),
    route("/admin/webhooks/{id}", PATCH=webhooks.set_some, DELETE=webhooks.delete),
    route("/admin/webhooks/{id}/secret", POST=webhooks.rotate),
    route("/admin/webhooks/{id}/test", POST=webhooks.send_test),
    route("/admin/webhooks/{id}/deliveries", GET=webhooks.list_deliveries),
    route("/admin/webhooks/{id}/deliveries/{delivery_id}/repeat", POST=webhooks.repeat),
    route("/admin/boards", GET=freezes.list_boards),
    route("/admin/boards/{board}/freeze", POST=freezes.freeze),
    route("/admin/boards/{board}/thaw", POST=freezes.thaw),
    route("/admin/boards/{board}/reveal", POST=freezes.reveal),
    route("/admin/flags", GET=flags.list_flags),
    route("/admin/flags/{name}", PUT=flags.set_flag),
    route("/admin/audit", GET=stats.show_audit),
    route("/admin/stats", GET=stats.show_stats),
    route("/healthz", GET=health.healthz),
    route("/readyz", GET=health.readyz),
    route("/metrics", GET=metrics.show),
    route("/openapi.json", GET=endpoints.openapi),
    route("/asyncapi.json", GET=endpoints.asyncapi),
]
"""What the description describes: `app/description/operations.py` has an entry for each."""

PAGES: list[BaseRoute] = [
    route("/docs", GET=endpoints.page),
    route("/", GET=pages.page),
    route("/wall", GET=pages.wall),
    route("/operator", GET=pages.operator_page),
    route("/scoreboard.js", GET=pages.client),
    route("/scoreboard.d.ts", GET=pages.client_types),
    route("/embed", GET=embed.page),
    route("/score-board.js", GET=embed.element),
    route("/score-board.css", GET=embed.element_styles),
    route("/brand.css", GET=brand.stylesheet),
    route("/brand-logo", GET=brand.logo),
    Mount("/static", pages.files),
]

ROUTES: list[BaseRoute] = [
    *API,
    WebSocketRoute("/ws", live.live),
    WebSocketRoute("/{path:path}", live.nowhere),
    *PAGES,
]
