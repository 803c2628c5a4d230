"""Who is shown on boards: the one condition of all statements that ask."""

SHOWN = "(users.status = 'active' AND NOT users.hidden)"
"""Holds for a row of `users` that boards show and ranks count."""
