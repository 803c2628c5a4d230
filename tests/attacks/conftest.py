"""What every attack must leave as it was."""

from collections.abc import Callable

import pytest

from tests.support.service import Stores

_TABLES = ("users", "actions", "standings", "top_scores", "audit_events", "feature_flags", "boards")


@pytest.fixture
def everything(stores: Stores) -> Callable[[], dict[str, str]]:
    """Gives a digest of each table."""

    def digest(table: str) -> str:
        query = f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} AS t"
        return str(stores.value(query))

    return lambda: {table: digest(table) for table in _TABLES}
