"""The order of standings in SQL: one ascending key (place, reached_at, user_id), the same for all boards.

`app.domain.ranking` says the same in Python. The index standings_place_idx has it.
"""

PLACE = "(CASE WHEN {it}.lowest THEN {it}.score ELSE -{it}.score END)"
"""The first part of the key of a row of `standings`, named `{it}`: the lower, the further up."""

KEY = f"{PLACE}, {{it}}.reached_at, {{it}}.user_id"
"""The whole key: what to order by, and, in brackets, what to compare."""

LISTED = "(NOT {it}.hidden AND ({it}.score > 0 OR {it}.valued))"
"""Holds for a row that has a place: its user is shown, and there is something to show."""
