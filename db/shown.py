"""Who is shown on boards: the one condition of all statements that ask."""

SHOWN = "(users.status = 'active' AND NOT users.hidden)"
"""Holds for a row of `users` that boards show and ranks count."""

NOT_SHOWN = "(u.status <> 'active' OR u.hidden)"
"""The opposite, for a row of `users AS u`; written like the condition of users_not_shown_idx, which finds it."""
