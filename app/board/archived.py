"""What can't be told any more since the actions are archived."""

from datetime import UTC, datetime

import sqlalchemy as sa

from app.domain.errors import TooMuchToRead
from db import archive


def must_not_reach(conn: sa.Connection, moment: datetime, name: str) -> None:
    """Check that everything that ended after a moment is there.

    Raises:
        TooMuchToRead: when actions are archived that ended later.
    """
    until = archive.until(conn)
    if until is not None and moment < until:
        raise TooMuchToRead(f"{name}: what was before {until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} is archived.")
