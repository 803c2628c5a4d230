"""bin/manage does what operators do over HTTP, from a shell."""

import json

import sqlalchemy as sa
from click.testing import CliRunner, Result

from app.board import settle
from app.cli.__main__ import cli
from app.domain.ids import ActionId, UserId
from db import feature_flags
from db.transaction import in_transaction
from tests.support.board import BOARDS, VETTING, completed, top
from tests.support.people import add_user
from tests.support.service import Stores


def manage(stores: Stores, *arguments: str) -> Result:
    """Run a command in this process: starting one for each would take longer than all of them."""
    return CliRunner().invoke(cli, arguments, env=stores.environment())


def name_of(stores: Stores, user_id: UserId) -> str:
    return str(stores.value("SELECT username FROM users WHERE id = :id", id=user_id))


def scored(engine: sa.Engine, *user_ids: UserId) -> list[ActionId]:
    ids = completed(engine, *user_ids)
    in_transaction(engine, lambda conn: settle.settle(conn, BOARDS, ids, VETTING))
    return ids


def test_player_suspended_reinstated_adjusted_is_published(engine: sa.Engine, stores: Stores) -> None:
    alice = add_user(engine)
    scored(engine, alice)
    name = name_of(stores, alice)
    assert manage(stores, "suspend", name, "--reason", "cheated").exit_code == 0
    assert top(engine) == []
    assert json.loads(stores.redis.get("top_scores:10") or b"{}")["payload"] == []
    assert manage(stores, "hide", name).exit_code == 0
    again = manage(stores, "hide", name, "--reason", "a tester")
    assert (again.exit_code, again.stderr) == (1, "Error: This user is hidden already.\n")
    assert manage(stores, "show", name).output == f"{name} is shown.\n"
    again = manage(stores, "suspend", name, "--reason", "cheated")
    assert (again.exit_code, again.stderr) == (1, "Error: This user is suspended already.\n")
    assert manage(stores, "reinstate", name).exit_code == 0
    assert manage(stores, "adjust", name, "-4", "--reason", "too many").exit_code == 0
    assert top(engine) == [(alice, 6)]
    assert manage(stores, "adjust", name, "-7", "--reason", "too many").exit_code == 1
    assert manage(stores, "suspend", "nobody", "--reason", "x").stderr == "Error: There is no user 'nobody'.\n"


def test_actions_are_reversed_by_filter_and_dry_run_changes_none(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    ids = scored(engine, alice, alice, bob)
    reason = ("--reason", "a macro")
    dry = manage(stores, "reverse", "--address", "192.0.2.0/24", "--dry-run", *reason)
    assert sorted(dry.stdout.splitlines()[:-1]) == sorted(ids)
    assert top(engine) == [(alice, 20), (bob, 10)]
    assert manage(stores, "reverse", "--user", name_of(stores, alice), *reason).stdout == "2 actions are reversed.\n"
    assert top(engine) == [(bob, 10)]
    assert manage(stores, "reverse", "--since", "2099-01-01", *reason).stdout == "0 actions are reversed.\n"
    assert manage(stores, "release", ids[0]).exit_code == 0
    assert top(engine) == [(alice, 10), (bob, 10)] or top(engine) == [(bob, 10), (alice, 10)]
    assert manage(stores, "reverse", ids[0], *reason).exit_code == 0
    assert manage(stores, "reverse", ids[0], *reason).exit_code == 1
    for wrong in (["reverse", *reason], ["reverse", "x", *reason], ["reverse", "--address", "x", *reason]):
        assert manage(stores, *wrong).exit_code == 2


def test_window_of_time_is_reversed_and_nothing_around_it(engine: sa.Engine, stores: Stores) -> None:
    alice, bob = add_user(engine), add_user(engine)
    ids = scored(engine, alice, alice, alice, bob)
    for action_id, ended in zip(ids, ("11:59:59.999", "12:00", "12:59:59.999", "13:00"), strict=True):
        stores.execute(
            "UPDATE actions SET start_at = CAST(:at AS timestamptz), end_at = CAST(:at AS timestamptz),"
            " client_ip = CAST(:ip AS inet) WHERE id = :id",
            at=f"2026-11-01 {ended}+00",
            ip="2001:db8::7" if ended == "12:00" else "192.0.2.1",
            id=action_id,
        )
    manage(stores, "rebuild")
    window = ("--since", "2026-11-01 12:00:00", "--until", "2026-11-01 13:00:00", "--reason", "a macro")
    dry = manage(stores, "reverse", *window, "--dry-run")
    assert dry.stdout.splitlines() == [ids[1], ids[2], "2 actions would be reversed."]
    for fewer, chosen in (
        (("--address", "2001:db8::/64"), [ids[1]]),
        (("--address", "192.0.2.1"), [ids[2]]),
        (("--user", name_of(stores, alice)), [ids[1], ids[2]]),
        (("--user", name_of(stores, bob)), []),
    ):
        assert manage(stores, "reverse", *window, *fewer, "--dry-run").stdout.splitlines()[:-1] == chosen, fewer
    events = "SELECT count(*) FROM audit_events"
    assert (top(engine), stores.value(events)) == ([(alice, 30), (bob, 10)], 0)
    assert manage(stores, "reverse", *window).stdout == "2 actions are reversed.\n"
    assert top(engine) == [(alice, 10), (bob, 10)]
    assert stores.rows("SELECT DISTINCT kind, actor, reason FROM audit_events") == [("reversed", "shell", "a macro")]


def test_audit_tells_by_its_exit_code_and_the_rebuild_mends(engine: sa.Engine, stores: Stores) -> None:
    scored(engine, add_user(engine))
    manage(stores, "rebuild")
    assert manage(stores, "audit").exit_code == 0
    with engine.begin() as conn:
        conn.execute(sa.text("UPDATE standings SET score = 99"))
    broken = manage(stores, "audit")
    assert broken.exit_code == 1
    assert f"standings      {len(BOARDS)}" in broken.stdout
    assert manage(stores, "rebuild").stdout == f"{len(BOARDS)} standings changed; the board did not change.\n"
    assert manage(stores, "audit").exit_code == 0


def test_flag_is_switched(engine: sa.Engine, stores: Stores) -> None:
    with engine.begin() as conn:
        feature_flags.write(conn, "broadcast", enabled=True, actor="somebody")
    assert manage(stores, "flag", "broadcast", "off", "--reason", "maintenance").exit_code == 0
    assert stores.rows("SELECT enabled, updated_by FROM feature_flags") == [(False, "shell")]
    assert manage(stores, "flag", "broadcast", "on").exit_code == 0
    assert stores.rows("SELECT enabled FROM feature_flags") == [(True,)]
    events = "SELECT actor, reason, details->'enabled' FROM audit_events WHERE kind = 'flag_changed' ORDER BY id"
    assert stores.rows(events) == [("shell", "maintenance", False), ("shell", None, True)]
    assert manage(stores, "flag", "other", "on").exit_code == 2
