"""`bin/manage export`: standings, actions and users, of one moment, in constant memory, safe to open."""

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.board import correct, settle, top
from app.domain import board_rules, counting, periods
from app.domain.ids import DEFAULT_BOARD, BoardId, UserId
from db import exports
from db.transaction import in_transaction
from tests.support.board import BOARDS, VETTING, completed
from tests.support.people import add_user
from tests.support.service import ROOT, Stores, eventually, free_port


def export(stores: Stores, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return stores.run(sys.executable, "-m", "app.cli", "export", *arguments, **env)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(keepends=True)))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def scored(engine: sa.Engine, *user_ids: UserId) -> list[str]:
    ids = completed(engine, *user_ids)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    return [str(it) for it in ids]


def test_csv_begins_with_a_byte_order_mark_where_that_is_wanted(engine: sa.Engine, stores: Stores) -> None:
    """Excel takes a file without one for the encoding of its own country."""
    scored(engine, add_user(engine, "bjorn"))
    plain, marked = export(stores, "--csv"), export(stores, "--csv", "--bom")
    assert marked.stdout == f"\ufeff{plain.stdout}"
    assert plain.stdout.startswith("rank,")
    refused = export(stores, "--jsonl", "--bom")
    assert (refused.returncode, "--bom goes with --csv" in refused.stderr) == (2, True)
    assert "Excel" in export(stores, "--help").stdout


def test_export_of_another_board_and_of_its_periods(engine: sa.Engine, stores: Stores, tmp_path: Path) -> None:
    """In the board's own order, and of a period that is over."""
    path = tmp_path / "boards.toml"
    path.write_text(
        '[boards.all-time]\n[boards.weekly]\nwindow = "weekly"\n'
        '[boards.laps]\nof = "value"\nby = "best"\norder = "lowest"\n'
    )
    rules = board_rules.parse(tomllib.loads(path.read_text()))
    ada, bea = add_user(engine, "ada"), add_user(engine, "bea")
    now: datetime = stores.value("SELECT clock_timestamp()")
    before = periods.at(rules[BoardId("weekly")], now - timedelta(days=7))
    assert before is not None
    done = [
        counting.Completion(user_id, "default", points, value, moment)
        for user_id, points, value, moment in (
            (ada, 10, 0, now),
            (bea, 10, 70, now),
            (bea, 5, -1, now),
            (ada, 1, 5, now - timedelta(days=7)),
        )
    ]
    in_transaction(engine, lambda conn: top.add(conn, rules, counting.earned(rules, done)))

    def written(*arguments: str) -> list[tuple[int, str, int]]:
        found = export(stores, "--board", *arguments, BOARDS_FILE=str(path))
        assert found.returncode == 0, found.stderr
        return [(it["rank"], it["username"], it["score"]) for it in lines(found.stdout)]

    assert [(rank, score) for rank, _, score in written("weekly")] == [(1, 15), (2, 10)]
    assert [(rank, score) for rank, _, score in written("laps")] == [(1, -1), (2, 0)]
    assert [(rank, score) for rank, _, score in written("weekly", "--period", str(before.label))] == [(1, 1)]
    for wrong in (("--board", "none"), ("--board", "weekly", "--period", "x"), ("actions", "--board", "weekly")):
        refused = export(stores, *wrong, BOARDS_FILE=str(path))
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr


def test_export_of_standings_has_everybody_not_only_the_ten(engine: sa.Engine, stores: Stores) -> None:
    players = [add_user(engine) for _ in range(13)]
    for n, player in enumerate(players):
        scored(engine, *[player] * (n + 1))
    in_transaction(engine, lambda conn: correct.suspend(conn, BOARDS, players[0], actor="shell", reason="x"))
    add_user(engine, "pointless")
    stores.execute("UPDATE users SET display_name = 'Zoë' WHERE id = :id", id=players[12])

    done = export(stores, "--csv")

    assert (done.returncode, done.stderr) == (0, "12 standings\n")
    rows = table(done.stdout)
    assert [row["userId"] for row in rows] == list(reversed(players[1:]))
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, 13)]
    assert [row["score"] for row in rows] == [str(10 * n) for n in range(13, 1, -1)]
    reached = stores.value("SELECT reached_at FROM standings WHERE user_id = :id", id=players[12])
    assert rows[0]["reachedAt"] == reached.isoformat().replace("+00:00", "Z")
    as_json = lines(export(stores, "standings").stdout)
    assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in as_json] == rows
    assert [it["displayName"] for it in as_json[:2]] == ["Zoë", None]
    assert as_json[0]["score"] == 130


def test_actions_have_why_they_were_held_and_their_metadata(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    cleared = scored(engine, alice)[0]
    held = completed(engine, alice)[0]
    in_transaction(engine, lambda conn: settle.set_aside(conn, BOARDS, held))
    stores.execute('UPDATE actions SET metadata = \'{"level": "ü"}\' WHERE id = :id', id=cleared)
    first, second = lines(export(stores, "actions", "--jsonl").stdout)
    assert (first["actionId"], first["settlement"], first["score"]) == (cleared, "cleared", 10)
    assert (first["metadata"], first["heldBecause"]) == ({"level": "ü"}, None)
    assert (second["actionId"], second["settlement"]) == (held, "held")
    assert "five attempts" in second["heldBecause"]
    rows = table(export(stores, "actions", "--csv").stdout)
    assert [row["actionId"] for row in rows] == [cleared, held]
    assert (rows[0]["metadata"], rows[0]["heldBecause"]) == ('{"level":"ü"}', "")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]  # noqa: RUF001


def test_csv_holds_nothing_that_a_spreadsheet_runs(engine: sa.Engine, stores: Stores) -> None:
    players = [add_user(engine) for _ in FORMULAS]
    ids = completed(engine, *players)
    for player, action_id, formula in zip(players, ids, FORMULAS, strict=True):
        in_transaction(engine, lambda conn, it=action_id: settle.set_aside(conn, BOARDS, it))  # type: ignore[misc]
        values = {"it": formula, "id": action_id}
        stores.execute("UPDATE audit_events SET reason = :it WHERE action_id = :id", **values)
        stores.execute("UPDATE actions SET metadata = to_jsonb(CAST(:it AS text)), type = :it WHERE id = :id", **values)
        stores.execute("UPDATE users SET email = :it || '@example.org' WHERE id = :id", it=formula, id=player)
    for what in ("actions", "users"):
        rows = list(csv.reader(io.StringIO(export(stores, what, "--csv").stdout, newline="")))
        assert len(rows) == 1 + len(FORMULAS)
        assert not [cell for row in rows for cell in row if cell.startswith(tuple(it[0] for it in FORMULAS))]
        assert sum(cell.startswith("'") for row in rows for cell in row) == len(FORMULAS) * (
            3 if what == "actions" else 1
        )
    exact = lines(export(stores, "actions").stdout)
    assert [(row["heldBecause"], row["type"], row["metadata"]) for row in exact] == [(it, it, it) for it in FORMULAS]


def test_numbers_below_zero_stay_numbers(engine: sa.Engine, stores: Stores) -> None:
    scored(engine, add_user(engine))
    stores.execute("UPDATE actions SET score = -5")
    assert table(export(stores, "actions", "--csv").stdout)[0]["score"] == "-5"


def test_csv_mail_address_that_registers_is_no_formula(engine: sa.Engine, stores: Stores) -> None:
    user = add_user(engine)
    stores.execute("UPDATE users SET email = '=cmd|/c@example.org' WHERE id = :id", id=user)
    assert table(export(stores, "users", "--csv").stdout)[0]["email"] == "'=cmd|/c@example.org"
    assert lines(export(stores, "users").stdout)[0]["email"] == "=cmd|/c@example.org"


def test_file_exists_once_complete_and_for_its_owner_alone(engine: sa.Engine, stores: Stores, tmp_path: Path) -> None:
    scored(engine, add_user(engine))
    target = tmp_path / "actions.csv"
    target.write_text("of yesterday")
    done = export(stores, "actions", "--csv", "--output", str(target))
    assert (done.returncode, done.stdout) == (0, "")
    assert len(table(target.read_text())) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]

    away = f"postgresql://127.0.0.1:{free_port()}/x"
    failed = export(stores, "actions", "--csv", "--output", str(target), DATABASE_URL=away)
    assert failed.returncode == 1
    assert "database" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(table(target.read_text())) == 1
    assert list(tmp_path.iterdir()) == [target]
    nowhere = export(stores, "--output", str(tmp_path / "no" / "such"))
    assert (nowhere.returncode, "Traceback" in nowhere.stderr) == (1, False)
    assert "No such file" in nowhere.stderr
    assert export(stores, "--output", os.devnull).returncode == 0


@pytest.mark.parametrize("arguments", [["gone"], ["--csv", "--jsonl"], ["actions", "users"]])
def test_export_of_something_unknown_is_refused(stores: Stores, arguments: list[str]) -> None:
    done = export(stores, *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def many_actions(stores: Stores, number: int) -> None:
    """Add actions, each with half a kilobyte of metadata."""
    stores.execute(
        """
        INSERT INTO actions (id, user_id, type, metadata)
        SELECT gen_random_uuid(), users.id, 'default', jsonb_build_object('it', repeat('x', 500))
        FROM generate_series(1, :number), (SELECT id FROM users LIMIT 1) AS users
        """,
        number=number,
    )


def measured(stores: Stores, *arguments: str) -> tuple[int, int]:
    """Export to nowhere, and give the exit code and the most memory that it took, in MiB."""
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "export", *arguments],
            cwd=ROOT,
            env=stores.environment(),
            stdout=nowhere,
            stderr=nowhere,
        )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss // 1024


def test_memory_does_not_grow_with_the_number_of_rows(engine: sa.Engine, stores: Stores) -> None:
    add_user(engine)
    code, few = measured(stores, "actions")
    assert code == 0
    many_actions(stores, 60_000)  # 30 MB, and several times that as objects
    for form in ("--csv", "--jsonl"):
        code, many = measured(stores, "actions", form)
        assert code == 0
        assert many < few + 20, f"{few} MiB for none, {many} MiB for 60,000"


def test_reader_who_has_had_enough_is_no_trouble(engine: sa.Engine, stores: Stores) -> None:
    add_user(engine)
    many_actions(stores, 20_000)
    for form in ("--csv", "--jsonl"):
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "export", "actions", form],
            cwd=ROOT,
            env=stores.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(20)) == (b"", 141)
        process.stderr.close()


def test_export_is_without_what_is_written_meanwhile(engine: sa.Engine, stores: Stores) -> None:
    add_user(engine)
    many_actions(stores, exports.AT_ONCE + 10)
    reading = exports.rows(engine, exports.ACTIONS, DEFAULT_BOARD)
    next(reading)
    stores.execute("UPDATE actions SET type = 'other'")
    many_actions(stores, 5)
    rest = list(reading)
    assert len(rest) == exports.AT_ONCE + 9
    assert {row[3] for row in rest} == {"default"}


def test_export_at_a_terminal_tells_how_far_it_is(engine: sa.Engine, stores: Stores) -> None:
    add_user(engine)
    many_actions(stores, 10_001)
    ours, theirs = os.openpty()
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "export", "actions"],
            cwd=ROOT,
            env=stores.environment(),
            stdout=nowhere,
            stderr=theirs,
        )
    os.close(theirs)
    seen = b""

    def all_of_it() -> bool:
        nonlocal seen
        try:
            seen += os.read(ours, 1024)
        except OSError:  # the other end is closed
            return True
        return False

    eventually(all_of_it, within=20, what="the end of the progress")
    os.close(ours)
    assert process.wait(10) == 0
    assert re.findall(rb"(\d+) actions", seen) == [b"10000", b"10001"]
