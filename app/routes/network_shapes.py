"""The answers under /admin/networks. Source: contract, section 8."""

import msgspec

from app.domain.moments import Moment


class NetworkRecord(msgspec.Struct, rename="camel"):
    """A network that is trusted at run time; who trusted it as in the audit trail."""

    id: str
    cidr: str
    reason: str
    expires_at: Moment | None
    created_by: str
    created_at: Moment


class YourNetwork(msgspec.Struct, rename="camel"):
    """Where the request came from: its address, the network to trust for it, and whether it is trusted already."""

    address: str
    cidr: str
    trusted: bool


class NetworkRecords(msgspec.Struct, rename="camel"):
    """The networks that are trusted at run time, newest first; those of the settings; and where the request came from.

    There is one page of them.
    """

    items: list[NetworkRecord]
    next_cursor: None
    configured: list[str]
    yours: YourNetwork | None
