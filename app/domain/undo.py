"""What undoes what an audit event tells of, if anything does."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from app.domain.trail import EventKind

REASON = "Undone."

ABOUT_USERS: Mapping[EventKind, str] = {
    "suspended": "status",
    "reinstated": "status",
    "hidden": "hidden",
    "shown": "hidden",
    "renamed": "names",
}
"""What of a user an event changes; erasing changes all of it."""

NAMED_BY: Mapping[EventKind, str] = {
    "flag_changed": "name",
    "board_frozen": "board",
    "board_thawed": "board",
    "board_revealed": "board",
    "join_code_created": "joinCode",
    "join_code_deleted": "joinCode",
    "key_created": "keyId",
    "key_revoked": "keyId",
    "webhook_created": "webhookId",
    "webhook_paused": "webhookId",
    "webhook_resumed": "webhookId",
    "webhook_deleted": "webhookId",
    "network_trusted": "cidr",
    "network_removed": "cidr",
}
"""The member of an event's details that names what it changes, where that is neither an action nor a user."""


class Undo(msgspec.Struct):
    """A request that undoes an event, to be sent as it is, or with another `reason` in its body."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: dict[str, Any]


def undo_of(kind: EventKind, user_id: str | None, action_id: str | None, details: Mapping[str, Any]) -> Undo | None:
    """Return what undoes an event, while nothing newer has changed the same; None when nothing does."""
    if action_id is not None:
        return _decision(kind, action_id, details.get("was"))
    if kind in ABOUT_USERS:
        return _of_user(kind, f"/admin/users/{user_id}", details)
    named = details.get(NAMED_BY.get(kind, ""))
    return None if named is None else _of_named(kind, str(named), details)


def _decision(kind: EventKind, action_id: str, was: str | None) -> Undo | None:
    if kind not in ("released", "reversed", "held_again"):
        return None
    back = {"held": "hold", "cleared": "release", "reversed": "reverse"}.get(was or "")
    return None if back is None else Undo("POST", f"/admin/actions/{action_id}/{back}", {"reason": REASON})


def _of_user(kind: EventKind, path: str, details: Mapping[str, Any]) -> Undo | None:
    if kind == "renamed":
        names = {"username": "oldUsername", "displayName": "oldDisplayName"}
        body = {name: details[old] for name, old in names.items() if old in details}
        return Undo("POST", f"{path}/rename", body | {"reason": REASON}) if body else None
    back = {"suspended": "reinstate", "reinstated": "suspend", "hidden": "show", "shown": "hide"}[kind]
    return Undo("POST", f"{path}/{back}", {"reason": REASON})


def _of_named(kind: EventKind, named: str, details: Mapping[str, Any]) -> Undo | None:
    if kind == "flag_changed":
        return Undo("PUT", f"/admin/flags/{named}", {"enabled": not details["enabled"], "reason": REASON})
    if kind == "board_frozen":
        board, _, period = named.partition(":")
        body = {"reason": REASON} | ({"period": period} if period else {})
        return Undo("POST", f"/admin/boards/{board}/thaw", body)
    if kind == "network_removed":
        return Undo("POST", "/admin/networks", {"cidr": named, "reason": details.get("why") or REASON})
    if kind in ("webhook_paused", "webhook_resumed"):
        return Undo("PATCH", f"/admin/webhooks/{named}", {"paused": kind == "webhook_resumed", "reason": REASON})
    made = {
        "webhook_created": f"/admin/webhooks/{named}",
        "join_code_created": f"/admin/join-codes/{named}",
        "key_created": f"/admin/keys/{named}",
        "network_trusted": f"/admin/networks/{details.get('network')}",
    }.get(kind)
    return None if made is None else Undo("DELETE", made, {"reason": REASON})
