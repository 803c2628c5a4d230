"""Claims of tokens, as issuers write them: within others, and as lists."""

from collections.abc import Mapping
from typing import Any


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or else by its path, such as `realm_access.roles`; None when it isn't there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def holds(value: Any, wanted: str | bool | int) -> bool:
    """Return whether a claim is a value, or a list that has it."""
    values = value if isinstance(value, list) else [value]
    return any(type(it) is type(wanted) and it == wanted for it in values)
