"""A moment, as bodies and answers have it."""

from datetime import datetime
from typing import Annotated

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset; in descriptions a `date-time`, which generated clients read as one."""
