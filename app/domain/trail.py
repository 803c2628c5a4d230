"""The kinds of audit events: every change by an operator, and what the fraud rules held back."""

from typing import Literal, get_args

EventKind = Literal[
    "held",
    "released",
    "reversed",
    "adjusted",
    "suspended",
    "reinstated",
    "role_changed",
    "logged_out",
    "flag_changed",
    "erased",
    "user_created",
    "renamed",
    "hidden",
    "shown",
    "reset_created",
    "password_reset",
    "join_code_created",
    "join_code_deleted",
    "key_created",
    "key_revoked",
    "board_frozen",
    "board_thawed",
    "board_revealed",
    "webhook_created",
    "webhook_paused",
    "webhook_resumed",
    "webhook_deleted",
    "webhook_repeated",
    "webhook_tested",
    "network_trusted",
    "network_removed",
    "held_again",
    "webhook_changed",
    "webhook_rotated",
    "archived",
]

EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
