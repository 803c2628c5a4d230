"""`bin/manage create-key`, `list-keys` and `revoke-key`."""

from tests.support.keys import with_key
from tests.support.people import Player, unique
from tests.support.service import NOBODY, Process, Stores, eventually, problem
from tests.support.shell import manage


def test_key_is_made_listed_and_revoked(stores: Stores, web: Process, alice: Player) -> None:
    name = unique("game")
    made = manage(stores, "create-key", name, "--scope", "actions", "--scope", "users", "--expires", "2099-01-31")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert len(key) == 47  # alone, for a script to take
    assert key not in made.stderr
    path = f"/users/{alice.user_id}/actions"
    with with_key(web, key) as client:
        assert client.get(path).status_code == 200

        def listed() -> list[str]:
            lines = manage(stores, "list-keys").stdout.splitlines()
            return next((it.split("\t") for it in lines if f"\t{name}\t" in it), [])

        used = eventually(lambda: [it for it in [listed()] if it[4] != "never"], what="the last use")[0]
        assert used[1:4] == [name, "actions,users", "2099-01-31T00:00:00Z"]
        assert used[5] == "shell"
        revoked = manage(stores, "revoke-key", name)
        assert (revoked.returncode, revoked.stdout) == (0, f"The service key {name} is revoked.\n")
        eventually(lambda: client.get(path).status_code == 401, within=5, what="the refusal")
        problem(client.post(path, json={"status": "started"}), 401, "unauthorized")
    assert listed() == []
    by_id = manage(stores, "create-key", name, "--scope", "admin")
    assert by_id.returncode == 0
    assert manage(stores, "revoke-key", listed()[0]).returncode == 0
    events = stores.rows("SELECT kind, actor FROM audit_events WHERE details->>'name' = :name ORDER BY id", name=name)
    assert [tuple(row) for row in events] == [("key_created", "shell"), ("key_revoked", "shell")] * 2


def test_wrong_commands_change_nothing_and_say_why(stores: Stores) -> None:
    name = unique("game")
    assert manage(stores, "create-key", name, "--scope", "actions").returncode == 0
    for args, said in (
        (("create-key", name, "--scope", "actions"), "is named"),
        (("create-key", unique("a")), "--scope"),
        (("create-key", unique("a"), "--scope", "root"), "root"),
        (("create-key", "a b", "--scope", "actions"), "name: 1 to 64"),
        (("create-key", unique("a"), "--scope", "actions", "--scope", "actions"), "each once"),
        (("create-key", unique("a"), "--scope", "actions", "--expires", "2020-01-01"), "in the future"),
        (("create-key", unique("a"), "--scope", "actions", "--expires", "soon"), "soon"),
        (("revoke-key", "nobody"), "no such service key"),
        (("revoke-key", NOBODY), "no such service key"),
    ):
        refused = manage(stores, *args)
        assert refused.returncode != 0, args
        assert said in refused.stderr, (args, refused.stderr)
        assert "Traceback" not in refused.stderr
    assert stores.value("SELECT count(*) FROM service_keys WHERE revoked_at IS NULL AND name = :name", name=name) == 1
