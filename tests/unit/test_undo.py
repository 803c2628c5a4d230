"""What undoes an event."""

from typing import Any

import pytest

from app.domain.trail import EventKind
from app.domain.undo import Undo, undo_of

WHY = {"reason": "Undone."}


@pytest.mark.parametrize(
    ("kind", "details", "undo"),
    [
        ("suspended", {}, Undo("POST", "/admin/users/u/reinstate", WHY)),
        ("reinstated", {}, Undo("POST", "/admin/users/u/suspend", WHY)),
        ("hidden", {}, Undo("POST", "/admin/users/u/show", WHY)),
        ("shown", {}, Undo("POST", "/admin/users/u/hide", WHY)),
        (
            "renamed",
            {"oldUsername": "ada", "newUsername": "bea", "oldDisplayName": None, "newDisplayName": "B"},
            Undo("POST", "/admin/users/u/rename", {"username": "ada", "displayName": None, **WHY}),
        ),
        ("renamed", {}, None),
        ("adjusted", {}, None),
        ("erased", {}, None),
        (
            "flag_changed",
            {"name": "broadcast", "enabled": False},
            Undo("PUT", "/admin/flags/broadcast", {"enabled": True, **WHY}),
        ),
        ("board_frozen", {"board": "all-time"}, Undo("POST", "/admin/boards/all-time/thaw", WHY)),
        (
            "board_frozen",
            {"board": "weekly:2026-W47"},
            Undo("POST", "/admin/boards/weekly/thaw", {**WHY, "period": "2026-W47"}),
        ),
        ("board_thawed", {"board": "all-time"}, None),
        ("network_trusted", {"network": "n", "cidr": "192.0.2.1/32"}, Undo("DELETE", "/admin/networks/n", WHY)),
        (
            "network_removed",
            {"network": "n", "cidr": "192.0.2.1/32", "why": "room 214"},
            Undo("POST", "/admin/networks", {"cidr": "192.0.2.1/32", "reason": "room 214"}),
        ),
        ("join_code_created", {"joinCode": "c"}, Undo("DELETE", "/admin/join-codes/c", WHY)),
        ("key_created", {"keyId": "k"}, Undo("DELETE", "/admin/keys/k", WHY)),
    ],
)
def test_undo_of_an_event_is_a_request_that_can_be_sent(
    kind: EventKind, details: dict[str, Any], undo: Undo | None
) -> None:
    assert undo_of(kind, "u", None, details) == undo


@pytest.mark.parametrize(
    ("kind", "was", "verb"),
    [
        ("released", "held", "hold"),
        ("released", "reversed", "reverse"),
        ("reversed", "held", "hold"),
        ("reversed", "cleared", "release"),
        ("held_again", "cleared", "release"),
    ],
)
def test_undo_of_a_decision_brings_back_what_the_action_was(kind: EventKind, was: str, verb: str) -> None:
    assert undo_of(kind, "u", "a", {"was": was}) == Undo("POST", f"/admin/actions/a/{verb}", WHY)


def test_undo_of_what_the_rules_held_and_of_decisions_by_older_releases_is_none() -> None:
    assert undo_of("held", "u", "a", {"rule": "velocity"}) is None
    assert undo_of("released", "u", "a", {}) is None
