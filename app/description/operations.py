"""Every REST operation in words: what it is for, who may call it, what it takes and what it answers."""

from typing import Any

from app.description.board_operations import BOARD_OPERATIONS
from app.description.desk_operations import DESK_OPERATIONS
from app.description.freeze_operations import FREEZE_OPERATIONS
from app.description.operation import Operation, Query
from app.description.operator_operations import OPERATOR_OPERATIONS
from app.description.player_operations import PLAYER_OPERATIONS
from app.description.rank_operations import RANK_OPERATIONS
from app.description.webhook_operations import WEBHOOK_OPERATIONS
from app.routes import shapes

PROMETHEUS = "text/plain; version=0.0.4"

OPERATIONS: dict[tuple[str, str], Operation] = {
    **BOARD_OPERATIONS,
    **PLAYER_OPERATIONS,
    **RANK_OPERATIONS,
    **OPERATOR_OPERATIONS,
    **FREEZE_OPERATIONS,
    **DESK_OPERATIONS,
    **WEBHOOK_OPERATIONS,
    ("/about", "GET"): Operation(
        "readAbout",
        "What this service is, and which ways in there are",
        "Operation",
        "anyone",
        {200: shapes.About},
        about="`registration`: whether everybody (`open`), who has a join code (`code`) or nobody can register.",
    ),
    ("/join-qr.svg", "GET"): Operation(
        "drawJoinQr",
        "The page's address as a QR code, for a screen",
        "Operation",
        "anyone",
        {200: "image/svg+xml"},
        errors=(400,),
        query={"code": Query({"type": "string"}, "A join code that the address has filled in; it is not looked up.")},
        about="The address is `PUBLIC_URL`, or else where this request was sent.",
    ),
    ("/healthz", "GET"): Operation("checkHealth", "The process lives", "Operation", "anyone", {200: shapes.Health}),
    ("/readyz", "GET"): Operation(
        "checkReadiness",
        "The process should be sent requests",
        "Operation",
        "anyone",
        {200: shapes.Readiness, 503: shapes.Readiness},
        about="503 when the database is away or the process is stopping.",
    ),
    ("/metrics", "GET"): Operation(
        "readMetrics",
        "Metrics for Prometheus",
        "Operation",
        "anyone",
        {200: PROMETHEUS},
        errors=(401, 403),
        about="With `METRICS_TOKEN` set only for who sends it as `Authorization: Bearer`.",
    ),
    ("/openapi.json", "GET"): Operation(
        "readOpenapi", "This description", "Operation", "anyone", {200: dict[str, Any]}
    ),
    ("/asyncapi.json", "GET"): Operation(
        "readAsyncapi", "The WebSocket's description", "Operation", "anyone", {200: dict[str, Any]}
    ),
}
