"""Webhooks: what operators do with them, what is sent when, and what is not."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from standardwebhooks import WebhookVerificationError

from app.board import correct, erase, freeze
from app.domain.errors import Malformed
from app.domain.ids import DEFAULT_BOARD, UserId
from app.domain.webhooks import EVENTS, MOST, Template, WebhookId
from app.outgoing import change as changes
from app.outgoing import manage
from app.outgoing.deliver import LEASE, Outbound, deliver_next
from app.outgoing.secrets import Box
from db import feature_flags, webhook_outbox, webhooks
from db.transaction import in_transaction
from tests.integration.test_vetting import by, done, settled
from tests.support.board import BOARDS, VETTING
from tests.support.people import Player, add_user, listener, set_role
from tests.support.receiver import Received, Receiver, status
from tests.support.service import NOBODY, ROOT, Process, Service, Stores, eventually, free_port, problem
from tests.support.shell import manage as shell

WEBHOOKS = "/admin/webhooks"
OPERATOR: dict[str, Any] = {"actor": "shell", "reason": "a test"}
VELOCITY_OF_ONE = by({"velocity": {"completions_per_minute": 1}})
SCORE = "SELECT score FROM top_scores WHERE user_id = :user"
BOX = Box(("a secret key of the test, thirty-two bytes",))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def organizer(web: Process, stores: Stores) -> Iterator[Player]:
    player = Player(web.url, listener(stores, "organizer").username, register=False)
    set_role(stores, player.user_id)
    eventually(lambda: player.http.get(WEBHOOKS).status_code == 200, what="that it may operate")
    stores.execute("DELETE FROM webhooks")
    yield player
    player.close()


def made(
    engine: sa.Engine, receiver: Receiver, *events: str, template: Template | None = None
) -> tuple[WebhookId, str]:
    """Make a webhook for events, all of them unless named; return its id and its secret."""
    row, secret = in_transaction(
        engine,
        lambda conn: manage.make(
            conn,
            BOX,
            url=receiver.url,
            events=events or EVENTS,  # type: ignore[arg-type]
            template=template,
            private_addresses=True,
            **OPERATOR,
        ),
    )
    return row.webhook_id, secret


def outbound(engine: sa.Engine, *, box: Box = BOX, private: bool = True) -> Outbound:
    return Outbound(engine, box, "Scoreboard", private)


def sent(engine: sa.Engine, webhook_id: WebhookId, out: Outbound | None = None) -> int:
    """Note what has changed, and send what is due as a worker does; return how many turns it took."""
    in_transaction(engine, webhook_outbox.note)
    turns = 0
    while deliver_next(out or outbound(engine), webhook_id):
        turns += 1
    return turns


def give(engine: sa.Engine, user_id: UserId, points: int) -> None:
    in_transaction(engine, lambda conn: correct.adjust(conn, BOARDS, user_id, points, **OPERATOR))


def held(engine: sa.Engine, user_id: UserId) -> None:
    """Complete an action that a rule holds."""
    assert settled(engine, [done(engine, user_id, 5), done(engine, user_id, 4)], VELOCITY_OF_ONE) == ["cleared", "held"]


def claimed(engine: sa.Engine) -> list[WebhookId]:
    return in_transaction(engine, lambda conn: webhook_outbox.claim(conn, lease=LEASE))


def at_once(stores: Stores) -> None:
    """Let the time pass until failed deliveries are tried again."""
    stores.execute("UPDATE webhooks SET not_before = now()")
    stores.execute("UPDATE webhook_deliveries SET next_at = now()")


def all_time(receiver: Receiver) -> list[list[tuple[str, int]]]:
    """Return the rows of the board of all times that were told, one list for each message."""
    told = [it for it in receiver.events("top10.changed") if it["board"] == DEFAULT_BOARD]
    return [[(row["userId"], row["score"]) for row in it["payload"]] for it in told]


# REST


def test_webhook_is_made_listed_tried_paused_and_deleted(organizer: Player, stores: Stores) -> None:
    http = organizer.http
    url = "http://127.0.0.1:9/hooks/secret-path?token=abc"
    answer = http.post(WEBHOOKS, json={"url": url, "events": ["top10.changed", "action.held"], "reason": "the wall"})
    webhook = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert webhook["secret"].startswith("whsec_")
    assert webhook | {"webhookId": "", "secret": "", "createdAt": ""} == {
        "webhookId": "",
        "url": url,
        "events": ["top10.changed", "action.held"],
        "template": None,
        "paused": False,
        "failures": 0,
        "waiting": 0,
        "dead": 0,
        "createdAt": "",
        "createdBy": organizer.user_id,
        "secret": "",
    }
    assert webhook["secret"] not in str(stores.rows("SELECT * FROM webhooks"))
    path = f"{WEBHOOKS}/{webhook.pop('webhookId')}"
    secret = webhook.pop("secret")
    tried = http.post(f"{path}/test")
    delivery = tried.json()
    assert (tried.status_code, delivery["event"], delivery["status"], delivery["attempts"]) == (
        202,
        "webhook.test",
        "pending",
        0,
    )
    assert http.get(f"{path}/deliveries").json() == {"items": [delivery], "nextCursor": None}
    assert http.get(f"{path}/deliveries", params={"status": "dead"}).json()["items"] == []
    listed = http.get(WEBHOOKS)
    assert secret not in listed.text
    assert (listed.json()["items"][0]["waiting"], listed.json()["nextCursor"]) == (1, None)
    problem(http.post(f"{path}/deliveries/{delivery['deliveryId']}/repeat"), 409, "wrong-state")
    problem(http.post(f"{path}/deliveries/1{'0' * 17}/repeat"), 404)
    assert http.patch(path, json={"paused": True, "reason": "the receiver is away"}).json()["paused"] is True
    assert http.patch(path, json={"paused": True}).json()["paused"] is True
    undo = http.get("/admin/events", params={"limit": 1}).json()["items"][0]["undo"]
    assert (undo["method"], undo["path"], undo["body"]["paused"]) == ("PATCH", path, False)
    assert http.patch(path, json={"paused": False}).json()["paused"] is False
    assert http.delete(path).status_code == 204
    for answer in (http.delete(path), http.patch(path, json={"paused": True}), http.get(f"{path}/deliveries")):
        problem(answer, 404)
    events = http.get("/admin/events", params={"limit": 5}).json()["items"]
    kinds = ["deleted", "resumed", "paused", "tested", "created"]
    assert [(it["kind"], it["actor"]) for it in events] == [(f"webhook_{it}", organizer.user_id) for it in kinds]
    assert {it["details"]["host"] for it in events} == {"127.0.0.1"}
    assert "secret-path" not in json.dumps(events)


def test_wrong_webhook_is_refused(organizer: Player, web: Process, stores: Stores) -> None:
    right = {"url": "https://example.com/hooks", "events": ["period.closed"]}
    wrong: list[dict[str, Any]] = [
        {"url": "ftp://example.com/"},
        {"url": "https://"},
        {"url": "https://user:password@example.com/"},
        {"url": "https://example.com/#here"},
        {"url": "https://example.com:0/"},
        {"url": "https://example.com/\n"},
        {"url": f"https://example.com/{'x' * 2000}"},
        {"events": []},
        {"events": ["top10.changed", "top10.changed"]},
        {"events": ["webhook.test"]},
        {"template": "teams"},
        {"secret": "mine"},
    ]
    for it in wrong:
        problem(organizer.http.post(WEBHOOKS, json=right | it), 400, "malformed-request")
    assert httpx2.post(f"{web.url}{WEBHOOKS}", json=right).status_code == 401
    problem(organizer.http.patch(f"{WEBHOOKS}/{NOBODY}", json={}), 400)
    problem(organizer.http.get(f"{WEBHOOKS}/{NOBODY}/deliveries", params={"status": "late"}), 400)
    for _ in range(MOST):
        assert organizer.http.post(WEBHOOKS, json=right).status_code == 201
    problem(organizer.http.post(WEBHOOKS, json=right), 409, "too-many-webhooks")


def test_address_events_and_secret_of_a_webhook_are_changed(organizer: Player, stores: Stores) -> None:
    http = organizer.http
    made = http.post(WEBHOOKS, json={"url": "http://127.0.0.1:9/a-path", "events": ["action.held"]}).json()
    path, first = f"{WEBHOOKS}/{made['webhookId']}", made.pop("secret")
    same = {"url": made["url"], "events": ["action.held"]}
    assert http.patch(path, json=same).json() == made
    url = "http://localhost:9/other-path"
    changed = http.patch(path, json={"url": url, "events": ["period.closed"], "paused": True, "reason": "moved"})
    assert changed.json() == made | {"url": url, "events": ["period.closed"], "paused": True}
    wrong: list[dict[str, Any]] = [
        {},
        {"url": None},
        {"url": "ftp://example.com/"},
        {"events": []},
        {"events": ["action.held"] * 2},
    ]
    for it in wrong:
        problem(http.patch(path, json=it), 400, "malformed-request")
    assert http.get(WEBHOOKS).json()["items"][0] == changed.json()

    rotated = http.post(f"{path}/secret", json={"reason": "yearly"})
    second = rotated.json().pop("secret")
    assert (rotated.status_code, rotated.headers["cache-control"]) == (200, "no-store")
    assert rotated.json() == changed.json() | {"secret": second, "oldSecretUntil": rotated.json()["oldSecretUntil"]}
    assert second.startswith("whsec_")
    hours = "SELECT round(extract(epoch FROM CAST(:until AS timestamptz) - now()) / 3600)"
    assert stores.value(hours, until=rotated.json()["oldSecretUntil"]) == 24
    problem(http.post(f"{path}/secret"), 409, "wrong-state")
    problem(http.post(f"{path}/secret", json={"keepOld": None}), 400)
    third = http.post(f"{path}/secret", json={"keepOld": False}).json()
    assert third["oldSecretUntil"] is None
    assert len({first, second, third["secret"]}) == 3
    assert http.post(f"{path}/secret").status_code == 200
    problem(http.post(f"{WEBHOOKS}/{NOBODY}/secret"), 404)

    events = http.get("/admin/events", params={"limit": 5}).json()["items"]
    kinds = ["webhook_rotated"] * 3 + ["webhook_paused", "webhook_changed"]
    assert [it["kind"] for it in events] == kinds
    about = events[-1]["details"]
    assert about.pop("webhookId") == made["webhookId"]
    assert about == {
        "host": "localhost",
        "oldHost": "127.0.0.1",
        "events": ["period.closed"],
        "oldEvents": ["action.held"],
    }
    everything = json.dumps(events) + str(stores.rows("SELECT * FROM webhooks"))
    assert not [it for it in (first, second, third["secret"]) if it in everything]
    assert "a-path" not in json.dumps(events)


def test_address_in_production_has_tls(engine: sa.Engine) -> None:
    with pytest.raises(Malformed, match="https"):
        in_transaction(
            engine,
            lambda conn: manage.make(
                conn,
                BOX,
                url="http://example.com/",
                events=EVENTS,
                template=None,
                private_addresses=False,
                **OPERATOR,
            ),
        )


def test_manage_makes_and_lists_webhooks(stores: Stores, engine: sa.Engine) -> None:
    create = shell(stores, "webhooks", "create", "http://127.0.0.1:9/", "--event", "action.held", "--template", "slack")
    assert create.returncode == 0, create.stderr
    assert create.stdout.startswith("whsec_")
    webhook_id = stores.value("SELECT id::text FROM webhooks")
    assert webhook_id in shell(stores, "webhooks").stdout
    assert "is due" in shell(stores, "webhooks", "test", webhook_id).stdout
    assert "webhook.test\tpending" in shell(stores, "webhooks", "deliveries", webhook_id).stdout
    assert "There is no such webhook." in shell(stores, "webhooks", "delete", NOBODY).stderr
    rotated = shell(stores, "webhooks", "rotate", webhook_id)
    assert rotated.stdout.startswith("whsec_")
    assert rotated.stdout != create.stdout
    assert "signs as well until 20" in rotated.stderr
    options = ("--url", "http://127.0.0.1:9/b", "--event", "top10.changed")
    change = shell(stores, "webhooks", "change", webhook_id, *options)
    assert change.returncode == 0, change.stderr
    changed = stores.rows("SELECT url, events, old_secret IS NOT NULL FROM webhooks")
    assert changed == [("http://127.0.0.1:9/b", ["top10.changed"], True)]
    assert "One of --url and --event" in shell(stores, "webhooks", "change", webhook_id).stderr


# What is sent


def test_changes_are_told_once_signed_and_only_the_newest(
    engine: sa.Engine, stores: Stores, receiver: Receiver
) -> None:
    ann, ben = add_user(engine, "ann"), add_user(engine, "ben")
    give(engine, ann, 5)
    webhook_id, secret = made(engine, receiver, "top10.changed")
    assert sent(engine, webhook_id) == 0  # what was so before is no change
    for points in (10, 20, 30):
        give(engine, ben, points)
    sent(engine, webhook_id)
    assert all_time(receiver) == [[(ben, 60), (ann, 5)]]
    message = next(it for it in receiver.received if it.json["data"]["board"] == DEFAULT_BOARD)
    body = message.verified(secret)
    shown = stores.rows("SELECT epoch::text, version FROM boards WHERE id = 'all-time'")[0]
    assert (body["data"]["epoch"], body["data"]["version"]) == tuple(shown)
    assert body["timestamp"] == body["data"]["timestamp"]
    assert sent(engine, webhook_id) == 0
    # A message that was not taken keeps its id; the newer state that takes its place is another message.
    receiver.answer = status(500)
    receiver.received.clear()
    give(engine, ann, 1)
    for _ in range(2):
        sent(engine, webhook_id)
        at_once(stores)
    give(engine, ann, 1)
    receiver.answer = status(204)
    sent(engine, webhook_id)
    ids = [it.id for it in receiver.received if it.json["data"]["board"] == DEFAULT_BOARD]
    assert all_time(receiver) == [[(ben, 60), (ann, 6)], [(ben, 60), (ann, 6)], [(ben, 60), (ann, 7)]]
    assert ids[0] == ids[1] != ids[2]
    assert sent(engine, webhook_id) == 0


def test_frozen_board_and_paused_broadcast_tell_nothing_new(engine: sa.Engine, receiver: Receiver) -> None:
    ann, ben = add_user(engine, "ann"), add_user(engine, "ben")
    give(engine, ann, 5)
    webhook_id, _ = made(engine, receiver, "top10.changed")
    in_transaction(engine, lambda conn: freeze.freeze(conn, DEFAULT_BOARD, **OPERATOR))
    give(engine, ben, 50)
    sent(engine, webhook_id)
    assert all_time(receiver) == [[(ann, 5)]]
    in_transaction(engine, lambda conn: freeze.thaw(conn, BOARDS[DEFAULT_BOARD], DEFAULT_BOARD, **OPERATOR))
    in_transaction(engine, lambda conn: feature_flags.write(conn, "broadcast", enabled=False, actor="shell"))
    give(engine, ben, 1)
    sent(engine, webhook_id)
    assert len(all_time(receiver)) == 1
    in_transaction(engine, lambda conn: feature_flags.write(conn, "broadcast", enabled=True, actor="shell"))
    sent(engine, webhook_id)
    assert all_time(receiver)[1:] == [[(ben, 51), (ann, 5)]]


def test_held_action_and_suspension_are_told_without_score(engine: sa.Engine, receiver: Receiver) -> None:
    eve, hidden = add_user(engine, "eve"), add_user(engine, "hidden")
    webhook_id, _ = made(engine, receiver, "action.held", "user.suspended")
    in_transaction(engine, lambda conn: correct.hide(conn, BOARDS, hidden, **OPERATOR))
    for user_id in (eve, hidden):
        held(engine, user_id)
        in_transaction(engine, lambda conn, it=user_id: correct.suspend(conn, BOARDS, it, **OPERATOR))  # type: ignore[misc]
    assert sent(engine, webhook_id) == 2
    (told,) = receiver.events("action.held")
    assert set(told) == {"actionId", "userId", "username", "type", "endAt", "rule"}
    assert (told["userId"], told["rule"], told["type"]) == (eve, "velocity", "default")
    (suspended,) = receiver.events("user.suspended")
    assert suspended == {"userId": eve, "username": told["username"], "bySystem": False}


def test_who_is_hidden_or_erased_meanwhile_is_not_told(engine: sa.Engine, stores: Stores, receiver: Receiver) -> None:
    eve, ida = add_user(engine, "eve"), add_user(engine, "ida")
    webhook_id, _ = made(engine, receiver, "user.suspended")
    for user_id in (eve, ida):
        in_transaction(engine, lambda conn, it=user_id: correct.suspend(conn, BOARDS, it, **OPERATOR))  # type: ignore[misc]
    in_transaction(engine, lambda conn: erase.erase(conn, BOARDS, eve, **OPERATOR))
    in_transaction(engine, lambda conn: correct.hide(conn, BOARDS, ida, **OPERATOR))
    sent(engine, webhook_id)
    assert receiver.received == []
    assert stores.rows("SELECT user_id::text, status FROM webhook_deliveries") == [(ida, "dead")]


def test_period_is_closed_once_when_everything_in_it_is_settled(
    engine: sa.Engine, stores: Stores, receiver: Receiver
) -> None:
    webhook_id, _ = made(engine, receiver, "period.closed")
    stores.execute("UPDATE webhooks SET created_at = now() - interval '1 h'")
    for label, ends in (("2026-01-01", "2 h"), ("2026-01-02", "10 min"), ("2026-01-03", "-1 h")):
        stores.execute(
            "INSERT INTO boards (id, epoch, starts_at, ends_at) "
            f"VALUES ('daily:{label}', gen_random_uuid(), now() - interval '1 d', now() - interval '{ends}')"
        )
    # What ended in it and is not settled yet could still change who has won.
    waiting = done(engine, add_user(engine, "ann"), 700)
    assert sent(engine, webhook_id) == 0
    assert settled(engine, [waiting], VETTING) == ["cleared"]
    sent(engine, webhook_id)
    sent(engine, webhook_id)
    (told,) = receiver.events("period.closed")
    assert (told["board"], told["period"], told["payload"]) == ("daily", "2026-01-02", [])
    assert told["startsAt"] < told["endsAt"]


def test_period_that_ends_frozen_is_closed_by_the_thaw(engine: sa.Engine, stores: Stores, receiver: Receiver) -> None:
    webhook_id, _ = made(engine, receiver, "period.closed")
    stores.execute("UPDATE webhooks SET created_at = now() - interval '1 h'")
    stores.execute(
        "INSERT INTO boards (id, epoch, starts_at, ends_at, says_frozen, frozen_from) VALUES ('daily:2026-01-02', "
        "gen_random_uuid(), now() - interval '1 d', now() - interval '10 min', true, now() - interval '1 h')"
    )
    assert sent(engine, webhook_id) == 0
    stores.execute("UPDATE boards SET says_frozen = false, frozen_from = NULL")
    assert sent(engine, webhook_id) == 1


def test_receiver_of_the_docs_takes_what_is_signed_and_nothing_else(
    engine: sa.Engine, service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    webhook_id, secret = made(engine, receiver, "user.suspended")
    in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
    sent(engine, webhook_id)
    (message,) = receiver.received
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    (tmp_path / "receiver.py").write_text(script)
    port = free_port()
    env = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "PORT": str(port)}
    process = service.start("receiver", [sys.executable, str(tmp_path / "receiver.py")], env, port)
    signed = {name: value for name, value in message.headers.items() if name.startswith("webhook-")}
    forged = message.body.replace(b"webhook.test", b"period.closed")

    def post(body: bytes) -> int | None:
        try:
            return httpx2.post(process.url, content=body, headers=signed).status_code
        except httpx2.TransportError:
            return None

    eventually(lambda: post(message.body) == 204, what=f"a receiver that takes it ({process.log})")
    assert (post(message.body), post(forged)) == (204, 401)
    assert process.output() == "webhook.test {}\n"


def test_what_is_old_goes_and_of_too_many_the_oldest_are_dead(
    engine: sa.Engine, stores: Stores, receiver: Receiver
) -> None:
    webhook_id, _ = made(engine, receiver, "top10.changed")
    add = (
        "INSERT INTO webhook_deliveries (webhook_id, event, status, created_at) VALUES (:id, :event, :status, now() - "
    )
    for event, status_, age in (
        ("top10.changed", "delivered", "59 min"),
        ("top10.changed", "delivered", "61 min"),
        ("action.held", "delivered", "6 d"),
        ("action.held", "dead", "8 d"),
        ("action.held", "pending", "9 d"),
        ("action.held", "pending", "1 d"),
    ):
        stores.execute(f"{add} interval '{age}')", id=webhook_id, event=event, status=status_)
    in_transaction(engine, lambda conn: webhook_outbox.tidy(conn, days=7, most=1, limit=10))
    assert stores.rows("SELECT event, status, last_error FROM webhook_deliveries ORDER BY id") == [
        ("top10.changed", "delivered", None),
        ("action.held", "delivered", None),
        ("action.held", "dead", "too many were waiting"),
        ("action.held", "pending", None),
    ]


# Receivers that fail


def test_failing_receiver_is_tried_again_later_and_given_up_after_a_day(
    engine: sa.Engine, stores: Stores, receiver: Receiver
) -> None:
    webhook_id, secret = made(engine, receiver, "user.suspended")
    receiver.answer = status(503, Retry_After="600")
    for name in ("eve", "mallory"):
        user_id = add_user(engine, name)
        in_transaction(engine, lambda conn, it=user_id: correct.suspend(conn, BOARDS, it, **OPERATOR))  # type: ignore[misc]
    for _ in range(3):
        sent(engine, webhook_id)
    # Not again at once, and not the next one either: it is the receiver that is away.
    assert len(receiver.received) == 1
    assert stores.rows("SELECT failures, not_before > now() + interval '590 s' FROM webhooks") == [(1, True)]
    assert claimed(engine) == []
    at_once(stores)
    assert claimed(engine) == [webhook_id]
    assert claimed(engine) == []  # another process has it
    stores.execute("UPDATE webhook_deliveries SET since = now() - interval '25 h'")
    sent(engine, webhook_id)
    rows = "SELECT status, attempts, last_status, last_error FROM webhook_deliveries ORDER BY id"
    assert stores.rows(rows) == [("dead", 2, 503, "answered 503"), ("pending", 0, None, None)]
    dead = stores.value("SELECT id FROM webhook_deliveries WHERE status = 'dead'")
    in_transaction(engine, lambda conn: manage.repeat(conn, webhook_id, dead, **OPERATOR))
    receiver.answer = status(204)
    sent(engine, webhook_id)
    assert [it[0] for it in stores.rows(rows)] == ["delivered", "delivered"]
    assert len({it.id for it in receiver.received[:3]}) == 1
    assert receiver.received[-1].verified(secret)["type"] == "user.suspended"
    assert stores.value("SELECT failures FROM webhooks") == 0


def test_message_that_always_fails_lets_the_others_pass(engine: sa.Engine, stores: Stores, receiver: Receiver) -> None:
    webhook_id, _ = made(engine, receiver, "user.suspended")
    users = [add_user(engine, name) for name in ("eve", "mallory", "trudy")]
    for user_id in users:
        in_transaction(engine, lambda conn, it=user_id: correct.suspend(conn, BOARDS, it, **OPERATOR))  # type: ignore[misc]
    poison = users[0]
    receiver.answer = lambda it: status(500 if receiver.received[-1].json["data"]["userId"] == poison else 204)(it)
    for _ in range(4):
        sent(engine, webhook_id)
        at_once(stores)
    assert [it["userId"] for it in receiver.events("user.suspended")] == [poison] * 3 + users[1:] + [poison]


def test_private_address_and_redirect_are_refused_at_each_attempt(engine: sa.Engine, receiver: Receiver) -> None:
    webhook_id, _ = made(engine, receiver, "user.suspended")
    in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
    sent(engine, webhook_id, outbound(engine, private=False))
    assert receiver.received == []
    (failed,), _ = in_transaction(
        engine, lambda conn: webhooks.deliveries(conn, webhook_id, status=None, before=None, limit=1)
    )
    assert failed.last_error == "its address is of a private network"
    receiver.answer = status(302, Location=receiver.url)
    in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
    sent(engine, webhook_id)
    assert [it.id != "GET" for it in receiver.received] == [True]


def test_secret_outlives_a_rotation_of_the_key(engine: sa.Engine, receiver: Receiver) -> None:
    webhook_id, secret = made(engine, receiver, "user.suspended")
    old, new = "a secret key of the test, thirty-two bytes", "another secret key, thirty-two bytes of it"
    for box in (Box((new, old)), Box((new,))):
        in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
        sent(engine, webhook_id, outbound(engine, box=box))
        assert receiver.received[-1].verified(secret)["type"] == "webhook.test"
    assert len(receiver.received) == 2
    in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
    sent(engine, webhook_id, outbound(engine, box=Box((old,))))
    assert len(receiver.received) == 2


def test_old_secret_signs_as_well_for_a_day(engine: sa.Engine, stores: Stores, receiver: Receiver) -> None:
    webhook_id, first = made(engine, receiver, "user.suspended")
    key = "another secret key, thirty-two bytes of it"
    newer = Box((key, "a secret key of the test, thirty-two bytes"))

    def told(box: Box) -> tuple[Received, list[str]]:
        in_transaction(engine, lambda conn: manage.send_test(conn, webhook_id, actor="shell"))
        sent(engine, webhook_id, outbound(engine, box=box))
        return receiver.received[-1], receiver.received[-1].headers["webhook-signature"].split(" ")

    def rotate(*, keep_old: bool = True) -> str:
        return in_transaction(
            engine, lambda conn: changes.rotate(conn, newer, webhook_id, keep_old=keep_old, **OPERATOR)
        )[1]

    second = rotate()
    message, signatures = told(newer)
    assert len(signatures) == 2
    assert [message.verified(it)["type"] for it in (first, second)] == ["webhook.test"] * 2
    message, signatures = told(Box((key,)))  # the key is gone that has encrypted the old secret
    assert len(signatures) == 1
    assert message.verified(second)["type"] == "webhook.test"
    stores.execute("UPDATE webhooks SET old_secret_until = now() - interval '1 s'")
    message, signatures = told(newer)
    assert len(signatures) == 1
    with pytest.raises(WebhookVerificationError):
        message.verified(first)
    in_transaction(engine, lambda conn: webhook_outbox.tidy(conn, days=7, most=10_000, limit=10))
    assert stores.value("SELECT old_secret FROM webhooks") is None
    third = rotate(keep_old=False)
    message, signatures = told(newer)
    assert len(signatures) == 1
    assert message.verified(third)["type"] == "webhook.test"


def test_secret_that_is_made_while_the_key_is_renewed_stays(engine: sa.Engine, stores: Stores) -> None:
    with Receiver() as receiver:
        webhook_id, _ = made(engine, receiver, "user.suspended")
        known = stores.value("SELECT secret FROM webhooks")
        in_transaction(engine, lambda conn: changes.rotate(conn, BOX, webhook_id, keep_old=True, **OPERATOR))
        new = stores.value("SELECT secret FROM webhooks")
        in_transaction(
            engine, lambda conn: webhook_outbox.renew_secret(conn, webhook_id, known=known, renewed=BOX.close("old"))
        )
        assert stores.value("SELECT secret FROM webhooks") == new


def test_changed_webhook_gets_what_waits_but_nothing_of_events_that_are_gone(
    engine: sa.Engine, stores: Stores, receiver: Receiver
) -> None:
    user_id, other = add_user(engine), add_user(engine)
    with Receiver() as away:
        away.answer = status(500)
        webhook_id, _ = made(engine, away, "user.suspended", "action.held")
        held(engine, user_id)
        give(engine, user_id, 10)
        in_transaction(engine, lambda conn: correct.suspend(conn, BOARDS, other, **OPERATOR))
        sent(engine, webhook_id)
        assert [it["type"] for it in (message.json for message in away.received)] == ["action.held"]
    in_transaction(
        engine,
        lambda conn: changes.change(
            conn,
            webhook_id,
            url=receiver.url,
            events=["user.suspended", "top10.changed"],
            private_addresses=True,
            **OPERATOR,
        ),
    )
    sent(engine, webhook_id)
    assert [it.json["type"] for it in receiver.received] == ["user.suspended"], "no board that changed before"
    give(engine, user_id, 10)
    sent(engine, webhook_id)
    assert [rows[0] for rows in all_time(receiver)] == [(user_id, stores.value(SCORE, user=user_id))]
