"""The one function that makes users, whoever asks for it."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from app.accounts.create import NewUser, create_user, create_user_named_like, names_like
from app.domain.errors import NameTaken
from app.domain.ids import UserId
from app.domain.users import InvalidUser
from db.transaction import in_transaction
from tests.support.people import PASSWORD, unique
from tests.support.service import Process, Stores, problem


def made(stores: Stores, new: NewUser) -> UserId:
    return in_transaction(stores.engine, lambda conn: create_user(conn, new, actor="shell", reason="a test"))


def test_create_user_keeps_what_was_given_and_records_who_did_it(stores: Stores) -> None:
    name = unique("Ada")
    user_id = made(stores, NewUser(name, None, None, "Ada L.", f"ext-{name}", "admin"))
    (row,) = stores.rows(
        "SELECT username, email, password_hash, display_name, external_id, role, status FROM users WHERE id = :id",
        id=user_id,
    )
    assert tuple(row) == (name, None, None, "Ada L.", f"ext-{name}", "admin", "active")
    events = stores.rows("SELECT kind, actor, reason, details FROM audit_events WHERE user_id = :id", id=user_id)
    assert events == [("user_created", "shell", "a test", {"role": "admin"})]


def test_create_user_tells_which_field_is_taken(stores: Stores) -> None:
    name = unique("bob")
    made(stores, NewUser(name, f"{name}@example.org", external_id=f"Ext-{name}"))
    for new, field in (
        (NewUser(name.upper()), "username"),
        (NewUser(unique("other"), f"{name}@EXAMPLE.org"), "email"),
        (NewUser(name, f"{name}@example.org", external_id=f"Ext-{name}"), "externalId"),
    ):
        with pytest.raises(NameTaken) as refused:
            made(stores, new)
        assert (refused.value.field, refused.value.extra) == (field, {"field": field})
    made(stores, NewUser(unique("other"), external_id=f"ext-{name}"))  # an id of theirs is compared to the letter


def test_create_user_at_the_same_time_makes_one(stores: Stores) -> None:
    name = unique("race")

    def one(_: int) -> bool:
        try:
            return bool(made(stores, NewUser(name)))
        except NameTaken:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(16))) == 1


@pytest.mark.parametrize(("name", "email"), [("ab", None), ("<b>", None), ("somebody", "x"), ("somebody", "")])
def test_new_user_is_never_invalid(name: str, email: str | None) -> None:
    with pytest.raises(InvalidUser):
        NewUser(name, email)


def test_create_user_named_like_takes_the_name_or_one_that_resembles_it(stores: Stores) -> None:
    def named(wanted: str) -> str:
        user_id = in_transaction(
            stores.engine, lambda conn: create_user_named_like(conn, wanted, NewUser("unnamed"), actor="key:game")
        )
        return str(stores.value("SELECT username FROM users WHERE id = :id", id=user_id))

    name = unique("Zoe")
    assert named(name) == name
    second = named(name)
    assert second.startswith(f"{name}-")
    assert second != name
    assert named("").startswith("player-")


def test_names_like_are_usernames() -> None:
    first = {"Zoë Müller": "Zoe-Muller", "zoe@example.org": "zoe-example.org", "__x": None, "": None, "東京": None}
    for wanted, name in first.items():
        names = list(names_like(wanted))
        for it in names:
            NewUser(it)
        assert (names[0] == name) == (name is not None), wanted
    assert all(len(it) <= 32 for it in names_like("x" * 500))


def test_user_without_a_password_cannot_log_in_by_one(stores: Stores, web: Process) -> None:
    name = unique("token")
    made(stores, NewUser(name))
    for password in ("", "nobody's password", PASSWORD):
        answer = httpx2.post(f"{web.url}/auth/login", json={"username": name, "password": password}, timeout=10)
        problem(answer, 401, "wrong-credentials")


def test_registration_tells_what_is_taken(stores: Stores, web: Process) -> None:
    name = unique("carol")
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    assert httpx2.post(f"{web.url}/auth/register", json=body, timeout=10).status_code == 201
    assert (
        stores.value("SELECT count(*) FROM audit_events JOIN users ON users.id = user_id WHERE username = :n", n=name)
        == 0
    )
    for changed, field in ((body, "username"), ({**body, "username": unique("dave")}, "email")):
        answer = httpx2.post(f"{web.url}/auth/register", json=changed, timeout=10)
        assert problem(answer, 409, "already-taken")["field"] == field
