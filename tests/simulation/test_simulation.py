"""Ten thousand honest players and a hundred cheats, settled by the service's own code on a real database."""

import logging
import os
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app import actions as ending
from app.board import audit, worker
from app.board.vetting import Vetting
from app.board.worker import Desk
from app.domain import fraud, scoring
from app.domain.actions import CompletedAction, End, Start
from app.domain.errors import ActionCompleted
from app.domain.ids import ActionId, UserId, new_id
from app.domain.scoring import DEFAULT_TYPE
from config import queues, rules
from config.settings import HERE
from db.redis import Publisher
from db.transaction import in_transaction
from tests.simulation.crowd import CHEATS, DAY, HONEST, Person, crowd
from tests.support.board import BOARDS
from tests.support.service import ROOT, Stores

SEED = 20261124
REPLAYERS, REPLAYS = 20, 10
PAGE = ROOT / "docs" / "fraud.md"
BEGIN, END = "<!-- table: bin/test tests/simulation -->\n", "<!-- end -->\n"

SCORING = scoring.parse(rules.read(HERE / "scoring.toml"))
VETTING = Vetting(fraud.parse(rules.read(HERE / "fraud.toml")), SCORING[DEFAULT_TYPE].most_points)


def insert(stores: Stores, people: list[Person], midnight: datetime) -> dict[str, Person]:
    """Write everybody and all that they completed, waiting to be settled; give who completed what."""
    ids = {person.name: new_id() for person in people}
    users = {"ids": list(ids.values()), "names": list(ids)}
    stores.execute(
        """
        INSERT INTO users (id, username, username_key, email, password_hash)
        SELECT id, name, name, name || '@example.org', '-'
        FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS new(id, name)
        """,
        **users,
    )
    owners: dict[str, Person] = {}
    rows = []
    for person in people:
        for at, type_, points in person.plays:
            action_id = new_id()
            owners[action_id] = person
            rows.append((action_id, ids[person.name], type_, points, midnight + timedelta(seconds=at), person.address))
    for first in range(0, len(rows), 20_000):
        columns = [list(column) for column in zip(*rows[first : first + 20_000], strict=True)]
        names = ("ids", "users", "types", "points", "ends", "ips")
        stores.execute(
            """
            INSERT INTO actions (id, user_id, type, status, start_at, end_at, score, client_ip, settlement)
            SELECT id, user_id, type, 'completed', end_at - interval '5 seconds', end_at, score, ip, 'pending'
            FROM unnest(
                CAST(:ids AS uuid[]), CAST(:users AS uuid[]), CAST(:types AS text[]), CAST(:points AS bigint[]),
                CAST(:ends AS timestamptz[]), CAST(:ips AS inet[])
            ) AS new(id, user_id, type, score, end_at, ip)
            """,
            **dict(zip(names, columns, strict=True)),
        )
    stores.execute(
        """
        UPDATE users SET total_score = sums.points FROM (
            SELECT user_id, sum(score) AS points FROM actions GROUP BY user_id
        ) AS sums WHERE sums.user_id = users.id
        """
    )
    with stores.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("ANALYZE"))
    return owners


def settle_all(stores: Stores) -> None:
    """Settle everything in the order in which it was completed, as workers that keep up would."""
    desk = Desk(stores.engine, Publisher.on(stores.redis), BOARDS, SCORING, VETTING)
    with stores.engine.connect() as conn:
        ids = list(
            conn.execute(sa.text("SELECT id::text FROM actions WHERE settled_at IS NULL ORDER BY end_at")).scalars()
        )
    for first in range(0, len(ids), queues.BATCH):
        worker.settle_and_publish(desk, [ActionId(it) for it in ids[first : first + queues.BATCH]])


def replay(stores: Stores) -> int:
    """Let cheats complete an action, and then the same one again and again; return how many were never paid twice."""
    refused = 0
    for number in range(REPLAYERS):
        user_id = UserId(new_id())
        stores.execute(
            "INSERT INTO users (id, username, username_key, email, password_hash)"
            " VALUES (:id, :name, :name, :name, '-')",
            id=user_id,
            name=f"replay-{number}",
        )
        start = Start(ActionId(new_id()), user_id, 0, "default", "203.0.113.9", "{}")
        in_transaction(stores.engine, lambda conn, start=start: ending.start(conn, [start], max_open=1))  # type: ignore[misc]
        again = [End(start.action_id, user_id, 0, "completed", "203.0.113.9")] * REPLAYS
        results = in_transaction(stores.engine, lambda conn, again=again: ending.end(conn, again, SCORING))  # type: ignore[misc]
        results += in_transaction(stores.engine, lambda conn, again=again: ending.end(conn, again, SCORING))  # type: ignore[misc]
        paid = sum(isinstance(it, CompletedAction) for it in results)
        refused += paid == 1 and sum(isinstance(it, ActionCompleted) for it in results) == 2 * REPLAYS - 1
    return refused


def table(people: list[Person], held: dict[str, list[Any]], suspended: set[str], replayers: int) -> str:
    """Write what became of each group."""
    lines = [
        "| group | players | held or refused | suspended | points that reached the board | first held after |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    groups: defaultdict[str, list[Person]] = defaultdict(list)
    for person in people:
        groups[person.group].append(person)
    for group in (*HONEST, *CHEATS):
        members = groups[group]
        caught = [it for it in members if it.name in held]
        earned = sum(points for it in members for at, _, points in it.plays if at >= it.cheats_from)
        kept = sum(row.score for it in members for row in held.get(it.name, ()) if row.second >= it.cheats_from)
        share = f"{100 * (earned - kept) / earned:.1f} %"
        firsts = sorted(held[it.name][0].second - it.cheats_from for it in caught)
        after = f"{firsts[len(firsts) // 2]:.0f} s" if firsts and group in CHEATS else ""
        gone = sum(it.name in suspended for it in members)
        lines.append(f"| {group} | {len(members):,} | {len(caught):,} | {gone} | {share} | {after} |")
    lines.append(f"| replay | {REPLAYERS} | {replayers} |  | once each | at once |")
    return "\n".join(lines) + "\n"


@pytest.mark.timeout(600)
def test_cheats_are_held_and_honest_players_hardly_notice(stores: Stores) -> None:
    people = crowd(SEED)
    honest = [person for person in people if person.group in HONEST]
    assert len(honest) == 10_000
    assert len(people) - len(honest) + REPLAYERS == 100
    logging.getLogger("scoreboard.security").setLevel(logging.ERROR)  # thousands of lines
    midnight = datetime(2026, 11, 1, tzinfo=UTC)
    owners = insert(stores, people, midnight)
    began = time.perf_counter()
    settle_all(stores)
    print(f"{len(owners):,} actions settled in {time.perf_counter() - began:.1f} s")
    held: defaultdict[str, list[Any]] = defaultdict(list)
    by_rule: Counter[tuple[str, str]] = Counter()
    for row in stores.rows(
        """
        SELECT actions.id::text, score, extract(epoch FROM end_at - :midnight)::float AS second,
            details->>'rule' AS rule
        FROM actions JOIN audit_events ON action_id = actions.id AND kind = 'held'
        WHERE settlement = 'held' ORDER BY end_at
        """,
        midnight=midnight,
    ):
        held[owners[row.id].name].append(row)
        by_rule[owners[row.id].group, row.rule] += 1
    suspended = {row[0] for row in stores.rows("SELECT username FROM users WHERE status = 'suspended'")}
    replayers = replay(stores)
    settle_all(stores)
    text = table(people, held, suspended, replayers)
    print(text, dict(by_rule))

    caught = sum(person.name in held for person in people if person.group in CHEATS) + replayers
    bothered = [person for person in honest if person.name in held]
    assert caught >= 95
    assert len(bothered) <= 10, Counter(person.group for person in bothered)
    assert not suspended & {person.name for person in honest}
    # No unvetted score is shown: the standings are the cleared ones, and everything adds up.
    assert stores.value("SELECT count(*) FROM actions WHERE settlement = 'pending'") == 0
    checks = in_transaction(stores.engine, lambda conn: audit.audit(conn, BOARDS))
    assert [check for check in checks if check.violations] == []
    # Nobody played on two days, so that every board has the same players with the same points, in one period each.
    sums = stores.rows(
        "SELECT board, count(*), sum(score) FROM standings JOIN boards ON boards.id = board_id GROUP BY board"
    )
    assert {board for board, _, _ in sums} == BOARDS.keys()
    assert len({(players, points) for _, players, points in sums}) == 1, sums

    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    before, _, tail = rest.partition(END)
    if os.environ.get("UPDATE_TABLE"):
        PAGE.write_text(head + BEGIN + text + END + tail)
    else:
        assert before == text, "UPDATE_TABLE=1 bin/test tests/simulation writes docs/fraud.md anew"


def test_day_is_the_same_every_time() -> None:
    first, second = crowd(SEED), crowd(SEED)
    assert [person.plays for person in first] == [person.plays for person in second]
    assert max(at for person in first for at, _, _ in person.plays) < DAY + 2 * 3600
