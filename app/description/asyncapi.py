"""AsyncAPI 3 of the WebSocket and of the stream. Source: contract, section 6."""

from typing import Any

import msgspec

from app.domain import messages
from app.domain.ids import DEFAULT_BOARD
from app.live.close_codes import CloseCode, StreamEnd
from app.live.following import Wish

_REF = "#/components/schemas/{name}"

_EXAMPLES: dict[str, dict[str, Any]] = {
    "top_scores_update": {
        "type": "top_scores_update",
        "board": DEFAULT_BOARD,
        "epoch": "01976a3e-0000-7000-8000-000000000000",
        "version": 42,
        "payload": [
            {"userId": "01976a3e-1111-7000-8000-000000000000", "username": "alice", "score": 1240, "rank": 1},
            {"userId": "01976a3e-2222-7000-8000-000000000000", "username": "bob", "score": 990, "rank": 2},
        ],
        "timestamp": "2026-11-24T12:00:00.000Z",
    },
    "heartbeat": {
        "type": "heartbeat",
        "board": DEFAULT_BOARD,
        "epoch": "01976a3e-0000-7000-8000-000000000000",
        "version": 42,
        "timestamp": "2026-11-24T12:00:25.000Z",
        "broadcasting": True,
    },
    "own_scores": {
        "type": "own_scores",
        "board": DEFAULT_BOARD,
        "userId": "01976a3e-3333-7000-8000-000000000000",
        "totalScore": 480,
        "score": 470,
        "rank": 31,
        "timestamp": "2026-11-24T12:00:01.000Z",
    },
    "refused": {"type": "refused", "boards": ["yearly"], "code": "not-found"},
    "end": {"code": int(CloseCode.STOPPING), "reason": CloseCode.STOPPING.reason},
    "follow": {"subscribe": ["daily", "weekly"], "unsubscribe": [DEFAULT_BOARD]},
}
_ABOUT = {
    "top_scores_update": "A board that is followed. The first one comes at once; versions rise strictly within one "
    "epoch. `period` is there for boards that begin anew each day, week or month.",
    "own_scores": "With `?me=1` alone: one's own numbers, at first and whenever they have changed.",
    "heartbeat": "Every 25 seconds for each board, with the version that was last pushed: without it the connection "
    "is dead. `broadcasting` is false while an operator has paused the boards, and `frozen` is there while this one is "
    "frozen; streams, and sockets with `?state=1`, are told at once, too, and whenever either changes.",
    "refused": "The answer to `subscribe` for boards that there aren't (`not-found`), or beyond sixteen "
    "(`too-many-boards`).",
    "end": "The event `end`: why the service ends a stream, by the close code that a socket would have.",
    "follow": "Follow boards, which are sent at once, or no longer. What asks for nothing is ignored.",
}
_PUSHED = {
    "top_scores_update": messages.UpdateMessage,
    "heartbeat": messages.HeartbeatMessage,
    "own_scores": messages.OwnScoresMessage,
    "refused": messages.RefusedMessage,
}
_STREAMED = ("top_scores_update", "heartbeat")
_HOST = {"host": {"default": "localhost:8000", "description": "Where this document is from."}}
_SIGNATURE = {
    "type": "object",
    "description": "With SIGNING_KEY set: over the RFC 8785 form of the message without it.",
    "properties": {
        "alg": {"enum": ["HMAC-SHA256", "EdDSA"]},
        "keyId": {"type": "string"},
        "value": {"type": "string", "contentEncoding": "base64"},
    },
    "required": ["alg", "keyId", "value"],
}
REFUSALS = {
    "401": "a missing, invalid or expired token",
    "403": "a foreign Origin, or a suspended user",
    "404": "no such board",
    "429": "too many handshakes or connections; see Retry-After",
    "503": "the process is full; see Retry-After",
}


def document(version: str, root_path: str = "") -> dict[str, Any]:
    """Build the description of the WebSocket and of its messages."""
    refs, components = msgspec.json.schema_components(list(_PUSHED.values()), ref_template=_REF)
    for ref in refs:
        components[ref["$ref"].rpartition("/")[2]]["properties"]["signature"] = _SIGNATURE
    payloads = dict(zip(_PUSHED, refs, strict=True))
    described = {name: _message(name, payload) for name, payload in payloads.items()}
    (wish, end), others = msgspec.json.schema_components([Wish, StreamEnd], ref_template=_REF)
    components |= others
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scoreboard, live",
            "version": version,
            "description": "One socket, on which the server pushes boards. The client need not send anything. Without "
            "a token the same messages come as Server-Sent Events.",
        },
        "servers": {
            "this": {
                "host": "{host}",
                "pathname": root_path or "/",
                "protocol": "wss",
                "description": "Without TLS, as in development, the protocol is ws.",
                "variables": _HOST,
            },
            "http": {"host": "{host}", "pathname": root_path or "/", "protocol": "https", "variables": _HOST},
        },
        "channels": {
            "live": {
                "address": "/ws",
                "servers": [{"$ref": "#/servers/this"}],
                "title": "The live boards",
                "description": "A slow reader is never queued for: it skips to the newest board.",
                "messages": {
                    **{name: {"$ref": f"#/components/messages/{name}"} for name in described},
                    "follow": _message("follow", wish),
                },
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "query": {
                            "type": "object",
                            "properties": {
                                "board": {
                                    "type": "string",
                                    "default": DEFAULT_BOARD,
                                    "description": "The board to begin with.",
                                },
                                "me": {"enum": ["1"], "description": "Asks for one's own numbers too."},
                                "state": {"enum": ["1"], "description": "Asks to be told pauses and freezes at once."},
                                "token": {"type": "string", "description": "A token, where no header can be set."},
                            },
                        },
                        "headers": {
                            "type": "object",
                            "properties": {
                                "Authorization": {"type": "string", "description": "`Bearer <token>`."},
                                "Sec-WebSocket-Protocol": {
                                    "type": "string",
                                    "description": "`scoreboard.v1, bearer.<token>`; `scoreboard.v1` is answered.",
                                },
                            },
                        },
                    }
                },
                "x-refusals": REFUSALS,
                "x-close-codes": {str(code.value): code.reason for code in CloseCode},
            },
            "stream": {
                "address": "/top-scores/stream",
                "servers": [{"$ref": "#/servers/http"}],
                "title": "The live board, as Server-Sent Events",
                "description": "For one board, `?board=`, and anybody. Each message is the data of an event, those of "
                "boards with the id `<epoch>-<version>`, which `Last-Event-ID` takes.",
                "messages": {
                    **{name: {"$ref": f"#/components/messages/{name}"} for name in _STREAMED},
                    "end": _message("end", end),
                },
            },
        },
        "operations": {
            "push": {
                "action": "send",
                "channel": {"$ref": "#/channels/live"},
                "summary": "The server pushes boards, heartbeats and, where asked for, one's own numbers.",
                "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in described],
            },
            "stream": {
                "action": "send",
                "channel": {"$ref": "#/channels/stream"},
                "summary": "The server streams a board and heartbeats, and says why it ends.",
                "messages": [{"$ref": f"#/channels/stream/messages/{name}"} for name in (*_STREAMED, "end")],
            },
            "follow": {
                "action": "receive",
                "channel": {"$ref": "#/channels/live"},
                "summary": "A client says which boards it follows.",
                "messages": [{"$ref": "#/channels/live/messages/follow"}],
            },
        },
        "components": {"messages": described, "schemas": components},
    }


def _message(name: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "contentType": "application/json",
        "summary": _ABOUT[name],
        "payload": payload,
        "examples": [{"payload": _EXAMPLES[name]}],
    }
