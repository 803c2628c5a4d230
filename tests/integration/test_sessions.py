"""Whose tokens are good, while the database is there, while it is away, and once it is back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
import sqlalchemy as sa

from app.access.revocation import Sessions
from app.access.tokens import Claims
from app.concurrency.threads import Threads
from app.domain.ids import UserId
from app.live.close_codes import CloseCode
from db import engine as engines
from dev import embedded
from tests.support.clock import now
from tests.support.live import award
from tests.support.people import Listener, end_tokens, listener, suspend
from tests.support.service import Process, Stores, eventually
from tests.support.sockets import code_of, listening, message, refusal
from tests.support.stores import on_postgres

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def stores(stores: Stores, own_postgres: embedded.Postgres) -> Iterator[Stores]:
    """This module's stores, with a PostgreSQL that can be killed."""
    with on_postgres(stores, own_postgres.url) as stores:
        yield stores


def users(stores: Stores, *names: str) -> list[Listener]:
    return [listener(stores, name) for name in names]


def get(web: Process, user: Listener | None = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {user.token}"} if user else {}
    return httpx2.get(f"{web.url}/top-scores", headers=headers, timeout=5)


def test_logged_out_token_is_refused_by_reads_within_5_s(web: Process, stores: Stores) -> None:
    (dora,) = users(stores, "dora")
    assert get(web, dora).status_code == 200
    end_tokens(stores, dora.user_id)
    eventually(lambda: get(web, dora).status_code == 401, within=5, what="the refusal")
    assert refusal(web, dora.token).status == 401


def test_suspended_player_reads_the_board_but_opens_no_socket(web: Process, stores: Stores) -> None:
    (dora,) = users(stores, "dora")
    with listening(web, dora.token) as websocket:
        message(websocket)
        suspend(stores, dora.user_id)
        assert code_of(websocket, within=5) == CloseCode.SUSPENDED
    assert get(web, dora).status_code == 200
    assert refusal(web, dora.token).status == 403
    with stores.engine.begin() as conn:
        conn.execute(sa.text("UPDATE users SET status = 'active' WHERE id = :id"), {"id": dora.user_id})
        conn.execute(
            sa.text("INSERT INTO audit_events (kind, user_id, actor) VALUES ('reinstated', :id, 'system')"),
            {"id": dora.user_id},
        )

    def admitted() -> bool:
        try:
            with listening(web, dora.token) as websocket:
                return "payload" in message(websocket)
        except Exception:  # refused, for now
            return False

    eventually(admitted, within=5, what="the reinstatement")


def test_event_that_commits_late_is_seen_all_the_same(web: Process, stores: Stores) -> None:
    (dora,) = users(stores, "dora")
    with listening(web, dora.token) as websocket:
        message(websocket)
        with stores.engine.begin() as conn:
            conn.execute(sa.text("UPDATE users SET token_version = 1 WHERE id = :id"), {"id": dora.user_id})
            conn.execute(
                sa.text(
                    "INSERT INTO audit_events (kind, user_id, actor, at)"
                    " VALUES ('logged_out', :id, 'system', clock_timestamp() - interval '20 seconds')"
                ),
                {"id": dora.user_id},
            )
        assert code_of(websocket, within=5) == CloseCode.TOKEN_OVER


def test_signature_and_expiry_decide_while_the_database_is_away(
    web: Process, stores: Stores, own_postgres: embedded.Postgres
) -> None:
    known, stranger, leaver, lost, cheat = users(stores, "known", "stranger", "leaver", "lost", "cheat")
    brief, forged = listener(stores, "brief", ttl=1), listener(stores, "forged", secret="s" * 32)
    board = award(stores, known.user_id)
    end_tokens(stores, lost.user_id)
    eventually(lambda: get(web).headers["etag"] == board.etag, what="the board")
    with ExitStack() as stack:
        before = stack.enter_context(listening(web, known.token))
        leaving = stack.enter_context(listening(web, leaver.token))
        for websocket in (before, leaving):
            message(websocket)
        assert refusal(web, lost.token).status == 401
        # So long ago that no event tells of it any more, and of users whom the process has not seen yet.
        stores.execute("UPDATE users SET token_version = 7 WHERE id = :id", id=stranger.user_id)
        stores.execute("UPDATE users SET status = 'suspended' WHERE id = :id", id=cheat.user_id)
        own_postgres.kill()
        stores.engine.dispose()
        try:
            after = {
                user.username: stack.enter_context(listening(web, user.token)) for user in (known, stranger, cheat)
            }
            for websocket in after.values():
                assert message(websocket)["version"] == board.stamp[1]
            assert refusal(web, forged.token).status == 401
            assert refusal(web, lost.token).status == 401, "known to be over"
            eventually(lambda: refusal(web, brief.token, path="/ws?board=other").status == 401, what="its expiry")
            began = now()
            for user in (None, known, stranger):
                answer = get(web, user)
                assert (answer.status_code, answer.headers["etag"]) == (200, board.etag)
            assert now() - began < 3
            assert httpx2.get(f"{web.url}/healthz").status_code == 200
            assert httpx2.get(f"{web.url}/readyz").status_code == 503
        finally:
            own_postgres.start()
        back = now()
        end_tokens(stores, leaver.user_id)
        assert code_of(leaving, within=5) == CloseCode.TOKEN_OVER
        assert code_of(after[stranger.username], within=back + 5 - now()) == CloseCode.TOKEN_OVER
        assert code_of(after[cheat.username], within=back + 5 - now()) == CloseCode.SUSPENDED
        update = award(stores, known.user_id)
        for websocket in (before, after[known.username]):
            while message(websocket, within=5).get("version") != update.stamp[1]:
                pass


def test_database_that_hangs_delays_a_handshake_by_3_s_at_most(
    web: Process, stores: Stores, own_postgres: embedded.Postgres
) -> None:
    known, stranger = users(stores, "known", "stranger")
    with listening(web, known.token) as before:
        first = message(before)
        own_postgres.pause()
        try:
            for user, patience in ((known, 1.0), (stranger, 3.0)):
                began = now()
                with listening(web, user.token) as websocket:
                    assert message(websocket) == first
                assert now() - began < patience
            assert get(web).json() == first["payload"]
        finally:
            own_postgres.resume()
        suspend(stores, known.user_id)
        assert code_of(before, within=5) == CloseCode.SUSPENDED


def claims_of(user_id: UserId) -> Claims:
    now = int(time.time())
    return Claims(iss="scoreboard", aud="scoreboard", sub=user_id, iat=now, exp=now + 60, jti="-", ver=0, auth_time=now)


def test_sessions_remember_a_slow_look_up_and_forget_nobody_else(stores: Stores) -> None:
    """The role tells what is known from what is believed: who is trusted without a look is a player."""
    alice, bob, carol = users(stores, "alice", "bob", "carol")
    stores.execute("UPDATE users SET role = 'admin' WHERE id IN (:a, :b)", a=alice.user_id, b=bob.user_id)
    engine = engines.connect(str(stores.engine.url.render_as_string(False)), engines.WEB, pool_size=2, name="test")
    changed: list[UserId] = []

    async def play() -> list[str]:
        threads = Threads("test", 2, depth=10)
        sessions = Sessions(engine, threads, lambda user_id, _: changed.append(user_id))
        roles = [(await sessions.check(claims_of(bob.user_id))).role]
        with stores.engine.connect() as busy:
            busy.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            roles.append((await sessions.check_or_trust(claims_of(alice.user_id), patience=0.1)).role)
            busy.rollback()
        # Look-ups come one batch after the other: behind hers, the one that nobody waits for has been answered.
        await sessions.check(claims_of(carol.user_id))
        with stores.engine.connect() as busy:
            busy.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            for user in (alice, bob):
                roles.append((await sessions.check_or_trust(claims_of(user.user_id), patience=0.1)).role)
            busy.rollback()
        await sessions._poll(lambda: [])
        with stores.engine.connect() as busy:
            busy.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            roles.append((await sessions.check_or_trust(claims_of(bob.user_id), patience=0.1)).role)
            busy.rollback()
        sessions.close()
        threads.close()
        return roles

    try:
        with asyncio.Runner() as runner:
            roles = runner.run(play())
    finally:
        engine.dispose()
    assert roles == ["admin", "player", "admin", "admin", "admin"]
    assert alice.user_id in changed, "who was let in on trust is looked up again"
    assert bob.user_id not in changed
