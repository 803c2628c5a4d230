"""Months of actions: how the table came to have them, that they are made in time, and that they can be taken out."""

import gzip
import json
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations

from app import actions, posts
from app.board import archive, audit, correct, past, rebuild, settle
from app.domain.actions import Start
from app.domain.errors import Archived, Conflict, TooMuchToRead
from app.domain.idempotency import Idempotency
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId, new_id
from app.domain.posts import Post, Recorded
from db import archive as rows
from db import partitions, players, trail
from db.migrate import migrate
from db.migrations.online import make_index_of_parts
from db.transaction import in_transaction
from dev.embedded.postgres import binaries
from tests.support.board import BOARDS, RULES, VETTING, WHOLE, completed
from tests.support.people import add_user
from tests.support.service import Stores
from tests.support.shell import manage
from tests.tooling.test_migrations import Make, alembic, empty

__all__ = ["empty"]

KEY = "the same, sent again"


def scored(engine: sa.Engine, *users: UserId) -> list[ActionId]:
    """Complete and settle an action for each of the users."""
    ids = completed(engine, *users)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    return ids


def violations(engine: sa.Engine) -> dict[str, int]:
    checks = in_transaction(engine, lambda conn: audit.audit(conn, BOARDS))
    return {check.name: check.violations for check in checks if check.violations}


def kept(engine: sa.Engine) -> list[tuple[object, ...]]:
    """Return everything that actions count for."""
    with engine.connect() as conn:
        standings = conn.execute(
            sa.text("SELECT board_id, user_id::text, score, reached_at FROM standings ORDER BY board_id, user_id")
        ).all()
        totals = conn.execute(sa.text("SELECT id::text, total_score FROM users ORDER BY id")).all()
    return [tuple(row) for row in (*standings, *totals)]


def posted(engine: sa.Engine, user: UserId) -> Recorded | Exception:
    """Report a completed action with an idempotency key that is always the same."""
    idempotency = Idempotency(user, KEY, "aa")
    post = Post(ActionId(new_id()), user, None, "completed", "default", None, "{}", idempotency=idempotency)
    return in_transaction(engine, lambda conn: posts.record(conn, [post], RULES))[0]


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first partition be taken for one whose time is over."""
    monkeypatch.setattr(archive, "SETTLED_AFTER", -timedelta(days=120))


@pytest.fixture
def made(empty: Make) -> sa.Engine:
    engine = empty()
    migrate(engine, BOARDS)
    return engine


def test_migration_0021_keeps_what_is_written_meanwhile(empty: Make) -> None:
    engine = empty()
    with alembic(engine) as config:
        command.upgrade(config, "0020")
    with engine.begin() as conn:
        conn.execute(sa.text("INSERT INTO boards (id, epoch) VALUES ('all-time', gen_random_uuid())"))
        conn.execute(sa.text("GRANT SELECT ON actions TO pg_monitor"))
        conn.execute(sa.text("COMMENT ON TABLE actions IS 'what players do'"))
    engine.dispose()  # sessions that have a migration's time-outs
    users = [UserId(new_id()) for _ in range(3)]
    with engine.begin() as conn:
        for user in users:
            values = {"id": user, "name": user}
            conn.execute(sa.text("INSERT INTO users (id, username, username_key) VALUES (:id, :name, :name)"), values)
    written: list[ActionId] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def play() -> None:
        try:
            while not stop.is_set() or len(written) < 20:
                written.extend(completed(engine, *users))
        except BaseException as error:
            errors.append(error)

    playing = threading.Thread(target=play)
    playing.start()
    try:
        migrate(engine, BOARDS)
    finally:
        stop.set()
        playing.join(60)
    assert errors == [], [it.__cause__ for it in errors]
    with engine.connect() as conn:
        found = list(conn.execute(sa.text("SELECT id::text FROM actions WHERE status = 'completed'")).scalars())
        assert sorted(found) == sorted(written)
        assert conn.execute(sa.text("SELECT count(*) FROM actions_before")).scalar_one() == len(written)
        assert conn.execute(sa.text("SELECT has_table_privilege('pg_monitor', 'actions', 'SELECT')")).scalar_one()
        assert conn.execute(sa.text("SELECT obj_description('actions'::regclass)")).scalar_one() == "what players do"
        # None was made anew: all of the old table's are parts of the new ones.
        alone = conn.execute(
            sa.text("""
                SELECT count(*) FROM pg_index WHERE indrelid = 'actions_before'::regclass
                AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)
            """)
        ).scalar_one()
        assert alone == 0
    migrate(engine, BOARDS)


def test_months_are_made_ahead_and_take_over_what_had_none(made: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with made.connect() as conn:
        last = partitions.of_actions(conn)[-1]
    later = partitions.moment_of(last.ends) + timedelta(days=3)
    user = add_user(made)
    early = ActionId(partitions.id_at(later)[:14] + "7000-8000-000000000001")
    in_transaction(made, lambda conn: actions.start(conn, [Start(early, user, 0, "default", None, "{}")], max_open=9))
    with made.connect() as conn:
        assert partitions.in_other(conn) == 1
    monkeypatch.setattr(partitions, "_NOW", sa.text(f"SELECT CAST('{later.isoformat()}' AS timestamptz)"))
    make_months = partial(partitions.make_missing, months=1)
    names = in_transaction(made, make_months)
    assert names == [f"actions_{later:%Y_%m}", f"actions_{partitions.next_month(later):%Y_%m}"]
    with made.connect() as conn:
        assert partitions.in_other(conn) == 0
        assert conn.execute(sa.text(f"SELECT id::text FROM {names[0]}")).scalars().all() == [early]
        assert partitions.missing(partitions.of_actions(conn), later, 1) == []
    assert in_transaction(made, make_months) == []
    # The schema is still the release's.
    migrate(made, BOARDS)


def test_index_of_all_partitions_is_made_in_parts_and_finished_by_a_second_attempt(made: sa.Engine) -> None:
    definition = "(user_id, start_at) WHERE status = 'cancelled'"
    with made.begin() as conn:
        # What an attempt leaves behind that was interrupted within the second partition.
        conn.exec_driver_sql(f"CREATE INDEX actions_new_idx ON ONLY actions {definition}")
        conn.exec_driver_sql(f"CREATE INDEX actions_before_new_idx ON actions_before {definition}")
        conn.exec_driver_sql("ALTER INDEX actions_new_idx ATTACH PARTITION actions_before_new_idx")
        conn.exec_driver_sql(f"CREATE INDEX actions_other_new_idx ON actions_other {definition}")
        conn.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'actions_other_new_idx'::regclass"
        )
    valid = sa.text(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text ~ 'new'"
    )
    for _ in range(2):
        with made.connect() as conn:
            context = MigrationContext.configure(conn)
            with context.begin_transaction(), Operations.context(context):
                make_index_of_parts("actions_new_idx", "actions", definition)
            assert {name: there for name, there in conn.execute(valid)} == {
                "actions_new_idx": True,
                "actions_before_new_idx": True,
                "actions_other_new_idx": True,
            }


@pytest.mark.parametrize(
    ("months", "names"),
    [
        (1, ["actions_2027_05 2027-06", "actions_2027_06 2027-07", "actions_2027_07 2027-08"]),
        (3, ["actions_2027_05 2027-07", "actions_2027_07 2027-10"]),
        (6, ["actions_2027_05 2027-07", "actions_2027_07 2028-01"]),
        (12, ["actions_2027_05 2028-01"]),
    ],
)
def test_partitions_end_with_months_quarters_halves_and_years(months: int, names: list[str]) -> None:
    first = partitions.Partition("actions_before", None, partitions.id_at(datetime(2027, 5, 1, tzinfo=UTC)))
    found = partitions.missing([first], datetime(2027, 6, 17, tzinfo=UTC), months)
    assert [f"{it.table} {partitions.moment_of(it.ends):%Y-%m}" for it in found] == names
    assert [it.starts for it in found] == [first.ends, *(it.ends for it in found[:-1])]
    assert partitions.missing([first], datetime(2027, 3, 31, tzinfo=UTC), months) == []


@pytest.mark.usefixtures("over")
def test_archive_keeps_what_counts(made: sa.Engine, tmp_path: Path) -> None:
    one, two = add_user(made, "one"), add_user(made, "two")
    first = posted(made, one)
    assert isinstance(first, Recorded)
    in_transaction(made, lambda conn: settle.settle(conn, BOARDS, [first.action.action_id], VETTING))
    ids = scored(made, one, two)
    reversed_ = scored(made, two)[0]
    in_transaction(made, lambda conn: correct.reverse(conn, BOARDS, reversed_, actor="shell", reason="a test"))
    assert violations(made) == {}
    before = kept(made)
    with made.connect() as conn:
        (event,) = trail.page(conn, user_id=two, kind="reversed", before=None, limit=10)
        assert trail.newest(conn, [event]) == {event.id}

    (it,) = archive.due(made, None)
    done = archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")

    assert kept(made) == before
    assert violations(made) == {}
    lines = [json.loads(line) for line in gzip.open(done.file, "rt")]
    assert len(lines) == done.actions == 4
    assert {line["actionId"] for line in lines} == {first.action.action_id, *ids, reversed_}
    assert not {"clientIp", "metadata"} & set(lines[0])
    for board_id in BOARDS:
        assert in_transaction(made, partial(rebuild.rebuild, rules=BOARDS, board_id=board_id)) == ([], {})
    # Sent again, it is told, and counts for nothing.
    assert isinstance(posted(made, one), Archived)
    assert kept(made) == before
    # What is played from now on is added.
    scored(made, one)
    assert violations(made) == {}
    with made.connect() as conn:
        (event,) = trail.page(conn, user_id=two, kind="reversed", before=None, limit=10)
        assert trail.newest(conn, [event]) == set()
        # Erasing a person does not reach the detached table, which has nothing left of one.
        columns = {it["name"] for it in sa.inspect(conn).get_columns(done.table)}
        assert columns & {"user_id", "score", "client_ip", "metadata"} == {"user_id", "score"}
        assert players.by_id(conn, "never", before=None, limit=10) == []
        with pytest.raises(TooMuchToRead, match="is archived"):
            past.board(conn, BOARDS[DEFAULT_BOARD], WHOLE, datetime(2020, 1, 1, tzinfo=UTC))
        until = rows.until(conn)
        assert until is not None
        assert past.board(conn, BOARDS[DEFAULT_BOARD], WHOLE, until)[0].user_id == one
        assert conn.execute(sa.text("SELECT reason FROM audit_events WHERE kind = 'archived'")).scalar_one() == "old"

    (left,) = archive.left(made)
    done.file.write_bytes(b"something else")
    with pytest.raises(Conflict, match="is not the file"):
        archive.drop(made, left, tmp_path)


@pytest.mark.usefixtures("over")
def test_backup_from_before_is_restored_in_place_of_what_is_archived(made: sa.Engine, tmp_path: Path) -> None:
    scored(made, add_user(made))
    before = kept(made)
    url, backup = made.url.set(drivername="postgresql").render_as_string(False), tmp_path / "backup"
    subprocess.run([binaries() / "pg_dump", "--format=custom", "--file", backup, url], check=True)
    (it,) = archive.due(made, None)
    archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")
    scored(made, add_user(made))
    made.dispose()
    arguments = ("--clean", "--if-exists", "--single-transaction", "--dbname", url, backup)
    subprocess.run([binaries() / "pg_restore", *arguments], check=True)
    assert (kept(made), violations(made)) == (before, {})
    assert archive.due(made, None) == [it]


@pytest.mark.usefixtures("over")
def test_archive_refuses_what_may_still_count(made: sa.Engine, tmp_path: Path) -> None:
    user = add_user(made)
    ids = completed(made, user)
    (it,) = archive.due(made, None)
    with pytest.raises(Conflict, match="1 not settled"):
        archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")
    # Nothing is sealed by then.
    in_transaction(made, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    start = Start(ActionId(new_id()), user, 0, "default", None, "{}")
    in_transaction(made, lambda conn: actions.start(conn, [start], max_open=9))
    with pytest.raises(Conflict, match="1 open"):
        archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")
    assert archive.cancel_open(made, it) == 1
    with made.begin() as conn:
        conn.execute(sa.text("UPDATE users SET total_score = total_score + 1"))
    with pytest.raises(Conflict, match="are wrong"):
        archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")
    assert list(tmp_path.iterdir()) == []
    with made.connect() as conn:
        assert rows.archives(conn) == []


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize("step", ["_checked", "_write", "_take_out"])
def test_archive_that_was_interrupted_is_finished_by_the_next(
    made: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    user = add_user(made)
    (action_id,) = scored(made, user)
    before = kept(made)
    (it,) = archive.due(made, None)
    real = getattr(archive, step)

    def killed(*arguments: object, **named: object) -> None:
        real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(archive, step, killed)
        # Whoever is killed lifts no seal.
        patched.setattr(rows, "unseal", lambda conn, table: None)
        with pytest.raises(KeyboardInterrupt):
            archive.archive_month(made, it, BOARDS, tmp_path, actor="shell", reason="old")
    assert (kept(made), violations(made)) == (before, {})
    again = archive.due(made, None)
    assert bool(again) == (step != "_take_out")
    if again:
        # Meanwhile nothing changes what counts.
        with pytest.raises(Exception, match=r"busy|archived"):
            in_transaction(made, lambda conn: correct.reverse(conn, BOARDS, action_id, actor="shell", reason="late"))
        archive.archive_month(made, again[0], BOARDS, tmp_path, actor="shell", reason="old")
    assert (kept(made), violations(made)) == (before, {})
    (left,) = archive.left(made)
    archive.drop(made, left, tmp_path)
    assert archive.left(made) == []
    assert (kept(made), violations(made)) == (before, {})


@pytest.mark.usefixtures("over")
def test_archive_command_drops_what_is_in_a_file(engine: sa.Engine, stores: Stores, tmp_path: Path) -> None:
    migrate(engine, BOARDS)
    scored(engine, add_user(engine))
    arguments = ("archive", "--to", str(tmp_path), "--reason", "old")
    shown = manage(stores, *arguments, "--dry-run")
    assert (shown.returncode, shown.stdout) == (0, "actions_before: 1 actions\n")
    assert list(tmp_path.iterdir()) == []
    assert "There is nothing to archive." in manage(stores, *arguments, "--before", "2020-01").stdout
    done = manage(stores, *arguments, "--drop")
    assert done.returncode == 0, done.stderr
    assert "actions_before: the table is dropped." in done.stdout
    assert violations(engine) == {}
    assert manage(stores, "rebuild").returncode == 0  # which publishes, too
    assert manage(stores, "audit").returncode == 0
    (name,) = stores.rows("SELECT username FROM users")[0]
    assert manage(stores, "erase", name, "--reason", "asked for").returncode == 0
    assert manage(stores, "audit").returncode == 0
    changed = {**BOARDS, DEFAULT_BOARD: BOARDS[DEFAULT_BOARD].__class__(id=DEFAULT_BOARD, title="All", by="best")}
    with pytest.raises(Conflict, match="archived"):
        in_transaction(engine, lambda conn: rebuild.rebuild(conn, changed, DEFAULT_BOARD))
    in_transaction(engine, lambda conn: rebuild.rebuild(conn, changed, DEFAULT_BOARD, without_archived=True))
    assert stores.value("SELECT count(*) FROM standings WHERE board_id = 'all-time'") == 0
