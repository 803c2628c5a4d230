"""What all tables are made with: how constraints are named, and the types that many columns have."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

ID = UUID(as_uuid=False)
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
