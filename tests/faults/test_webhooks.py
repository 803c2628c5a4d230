"""Receivers of webhooks that fail, hang and lie, and workers that die while they send."""

import contextlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.domain.ids import UserId
from app.domain.webhooks import EVENTS, WebhookId
from app.outgoing import manage
from app.outgoing.secrets import Box
from config.settings import DEVELOPMENT_SECRET
from db.transaction import in_transaction
from tests.support.people import Player, add_user, suspend
from tests.support.receiver import Answer, Handler, Receiver, status
from tests.support.service import Process, Service, Stores, eventually

BOX = Box((DEVELOPMENT_SECRET,))
WAITING = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending' AND webhook_id = :id"


def hang(receiver: Receiver) -> Answer:
    """Take a message and answer nothing."""

    def answer(handler: Handler) -> None:
        receiver.over.wait(60)

    return answer


def drip(receiver: Receiver) -> Answer:
    """Answer a header that never ends, byte by byte, so that no read ever times out."""

    def answer(handler: Handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not receiver.over.wait(0.1):
                handler.wfile.write(b"x")

    return answer


def babble(receiver: Receiver) -> Answer:
    """Take a message, say so, and send a body without an end."""

    def answer(handler: Handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
            while not receiver.over.is_set():
                handler.wfile.write(b"x" * 65536)

    return answer


@pytest.fixture
def receivers() -> Iterator[dict[str, Receiver]]:
    """One that takes all, and those that don't."""
    with contextlib.ExitStack() as all_of_them:
        found = {
            name: all_of_them.enter_context(Receiver()) for name in ("good", "failing", "hanging", "dripping", "lying")
        }
        found["failing"].answer = status(500)
        found["hanging"].answer = hang(found["hanging"])
        found["dripping"].answer = drip(found["dripping"])
        found["lying"].answer = babble(found["lying"])
        yield found


@pytest.fixture
def webhooks(stores: Stores, receivers: dict[str, Receiver]) -> dict[str, WebhookId]:
    """A webhook for each receiver, told of everything."""
    stores.execute("DELETE FROM webhooks")

    def make(conn: sa.Connection, url: str) -> WebhookId:
        row, _ = manage.make(
            conn,
            BOX,
            url=url,
            events=EVENTS,
            template=None,
            private_addresses=True,
            actor="shell",
            reason=None,
        )
        return row.webhook_id

    return {
        name: in_transaction(stores.engine, lambda conn, url=it.url: make(conn, url))  # type: ignore[misc]
        for name, it in receivers.items()
    }


def told(receiver: Receiver) -> dict[str, set[str]]:
    """Return whose suspension a receiver was told of, and by which messages."""
    found: dict[str, set[str]] = {}
    for it in receiver.received:
        if it.json["type"] == "user.suspended":
            found.setdefault(it.json["data"]["userId"], set()).add(it.id)
    return found


def scores(receiver: Receiver) -> list[int]:
    """Return the highest score of the board of all times in each message."""
    boards = [it for it in receiver.events("top10.changed") if it["board"] == "all-time"]
    return [row["score"] for it in boards for row in it["payload"][:1]]


def test_bad_receivers_hold_up_nobody_and_get_everything_once_they_are_mended(
    service: Service,
    stores: Stores,
    web: Process,
    alice: Player,
    receivers: dict[str, Receiver],
    webhooks: dict[str, WebhookId],
) -> None:
    workers = [service.worker(), service.worker()]
    service.beat()
    suspended: set[UserId] = {add_user(stores.engine, "cheat") for _ in range(8)}
    for user_id in suspended:
        suspend(stores, user_id)
    completed = 0
    for _ in range(30):
        assert alice.end(alice.started()).status_code == 200
        completed += 1
    good, lying = receivers["good"], receivers["lying"]
    # While three receivers hang, points are settled, and the good one is told of everything; a lie about a body too.
    eventually(
        lambda: stores.value("SELECT count(*) FROM actions WHERE settled_at IS NULL") == 0,
        within=60,
        what="that all is settled",
    )
    for receiver in (good, lying):
        eventually(lambda it=receiver: told(it).keys() == suspended, within=60, what="that it is told")  # type: ignore[misc]
        eventually(lambda it=receiver: scores(it)[-1:] == [completed * 10], within=60, what="the newest board")  # type: ignore[misc]
    # Of the board no backlog: the newest state of each board waits, and what must not be left out.
    boards = stores.value("SELECT count(*) FROM boards")
    for name in ("failing", "hanging", "dripping"):
        assert stores.value(WAITING, id=webhooks[name]) <= len(suspended) + boards
    # A worker that dies while it sends: what it had sent without noting so may come twice, by the same id.
    for worker in workers:
        worker.kill()
    more = {add_user(stores.engine, "cheat") for _ in range(4)}
    for user_id in more:
        suspend(stores, user_id)
    assert alice.end(alice.started()).status_code == 200
    completed += 1
    for name in ("failing", "hanging", "dripping"):
        receivers[name].answer = status(204)
    service.worker()

    def all_told() -> bool:
        # The time passes after which each is tried again.
        stores.execute("UPDATE webhooks SET not_before = now() WHERE failures > 0")
        stores.execute("UPDATE webhook_deliveries SET next_at = now() WHERE status = 'pending' AND next_at > now()")
        return all(
            told(it).keys() == suspended | more and scores(it)[-1:] == [completed * 10] for it in receivers.values()
        )

    # Of a worker that was killed the lease has to run out.
    eventually(all_told, within=120, what="that all receivers are told of everything")
    for it in receivers.values():
        assert all(len(ids) == 1 for ids in told(it).values())
    eventually(lambda: stores.value("SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'") == 0)
    # Of an address the log has the host alone: the rest may be a secret.
    logs = "".join(it.output() for it in service.processes)
    assert "host=127.0.0.1" in logs
    assert "s3cret" not in logs
