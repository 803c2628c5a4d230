"""A worker whose process hangs or dies whenever it settles certain actions: `-A tests.faults.deadly_worker`."""

import os
import signal
import time
from collections.abc import Sequence

import sqlalchemy as sa

from app.board import settle
from app.board.vetting import Vetting, judge
from app.domain.fraud import Facts, Verdict
from tests.faults.poison import DIE, HANG
from workers.app import app

__all__ = ["app"]

_KINDS = sa.text("SELECT kind FROM poison WHERE user_id = ANY(CAST(:users AS uuid[]))")


def _judge(conn: sa.Connection, claimed: Sequence[Facts], vetting: Vetting) -> list[tuple[Facts, Verdict]]:
    kinds = conn.execute(_KINDS, {"users": [facts.user_id for facts in claimed]}).scalars().all()
    if DIE in kinds:
        os.kill(os.getpid(), signal.SIGKILL)
    if HANG in kinds:
        time.sleep(60)
    return judge(conn, claimed, vetting)


settle.judge = _judge  # type: ignore[attr-defined]
