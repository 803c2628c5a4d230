"""SQL that counts what came from one address: an address of IPv4, or the /64 network of one of IPv6."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from app.domain.fraud import WINDOW
from config.values import Network
from db.driver import fetch
from db.prepared import prepared

PLACE = "CASE WHEN family({ip}) = 4 THEN {ip} ELSE network(set_masklen({ip}, 64)) END"
"""The network that an address of a client counts as."""

_IN_WINDOW = """
    status = 'completed' AND actions.end_at > asked.end_at - make_interval(secs => :window)
    AND actions.end_at <= asked.end_at
"""
# Each in the words of its index, where the network comes before the time: a range of addresses would be read with all
# that ever came from it.
_OF_VERSION = {
    4: f"client_ip = asked.network AND {_IN_WINDOW}",
    6: f"network(set_masklen(client_ip, 64)) = asked.network AND family(client_ip) = 6 AND {_IN_WINDOW}",
}
_FEW = {
    version: f"(SELECT count(*) FROM (SELECT 1 FROM actions WHERE {condition} LIMIT :beyond) AS found)"
    for version, condition in _OF_VERSION.items()
}
COMPLETIONS = f"CASE WHEN family(asked.network) = 4 THEN {_FEW[4]} ELSE {_FEW[6]} END"
"""Completions from `asked.network` in the window that ends with `asked.end_at`, up to `:beyond`: most are far from the
limit, so counting stops there."""

_ACCOUNTS = {
    version: prepared(
        f"accounts_v{version}",
        f"""
        SELECT asked.n, own.completions, own.accounts FROM unnest(
            CAST(:networks AS inet[]), CAST(:ends AS timestamptz[])
        ) WITH ORDINALITY AS asked(network, end_at, n)
        CROSS JOIN LATERAL (
            SELECT count(*) AS completions, count(DISTINCT user_id) AS accounts FROM actions WHERE {condition}
        ) AS own
        """,
    )
    for version, condition in _OF_VERSION.items()
}

Asked = tuple[Network, datetime]
"""A network that counts as one address, and the end of a window."""


def accounts(conn: sa.Connection, asked: Collection[Asked]) -> dict[Asked, tuple[int, int]]:
    """Count the completions from networks in the windows that end then, and the accounts that made them."""
    found: dict[Asked, tuple[int, int]] = {}
    for version, query in _ACCOUNTS.items():
        keys = [key for key in asked if key[0].version == version]
        if not keys:
            continue
        values = {
            "networks": [str(network) for network, _ in keys],
            "ends": [end_at for _, end_at in keys],
            "window": WINDOW,
        }
        for n, completions, players in fetch(conn, query, values):
            found[keys[n - 1]] = (completions, players)
    return found
