"""Players: one way to add them to the database, and what they do over HTTP."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import sqlalchemy as sa

from app.access.passwords import hash_password
from app.access.tokens import Tokens
from app.board import correct
from app.domain.ids import UserId, new_id
from config.settings import DEVELOPMENT_SECRET
from db import audit_events, users
from db.transaction import in_transaction
from tests.support.board import BOARDS
from tests.support.service import Stores

PASSWORD = "correct horse battery"
_PASSWORD_HASH = hash_password(PASSWORD)


def unique(name: str) -> str:
    """Return a username that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def insert_user(conn: sa.Connection, username: str, user_id: UserId | None = None) -> UserId:
    """Add a user with the usual password, unless there is one by that name."""
    user_id = user_id or UserId(new_id())
    users.insert(conn, user_id, username=username, email=f"{username}@example.org", password_hash=_PASSWORD_HASH)
    return user_id


def add_user(engine: sa.Engine, name: str = "player") -> UserId:
    """Add a user, by a name that begins like this."""
    with engine.begin() as conn:
        return insert_user(conn, unique(name))


@dataclass(frozen=True)
class Listener:
    """Somebody with an account and a token, made without HTTP."""

    user_id: UserId
    username: str
    token: str


def listener(stores: Stores, name: str = "listener", *, ttl: int = 3600, secret: str = DEVELOPMENT_SECRET) -> Listener:
    """Add a user, and sign a token for it."""
    username = unique(name)
    with stores.engine.begin() as conn:
        user_id = insert_user(conn, username)
    return Listener(user_id, username, Tokens(secret, (), ttl).issue(user_id, 0))


def suspend(stores: Stores, user_id: UserId) -> None:
    """Suspend a user, as an operator's command does."""
    in_transaction(stores.engine, lambda conn: correct.suspend(conn, BOARDS, user_id, actor="system", reason="a test"))


def set_role(stores: Stores, user_id: str, role: str = "admin") -> None:
    """Make a user an admin, or a player again, as an operator's command does."""
    stores.execute("UPDATE users SET role = :role WHERE id = :id", role=role, id=user_id)
    event = "INSERT INTO audit_events (kind, user_id, actor) VALUES ('role_changed', :id, 'shell')"
    stores.execute(event, id=user_id)


def end_tokens(stores: Stores, user_id: UserId, version: int = 0) -> None:
    """Log a user out, as /auth/logout does."""

    def change(conn: sa.Connection) -> None:
        assert users.end_tokens(conn, user_id, version)
        audit_events.record(conn, "logged_out", actor=user_id, user_id=user_id)

    in_transaction(stores.engine, change)


class Player:
    """Somebody with an account, over HTTP."""

    def __init__(self, url: str, username: str, *, register: bool = True) -> None:
        self.http = httpx2.Client(base_url=url, timeout=10)
        self.username = username
        self.token = ""
        self.user_id = ""
        if register:
            body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
            answer = self.http.post("/auth/register", json=body)
            assert answer.status_code == 201, answer.text
        self.login()

    def login(self) -> None:
        answer = self.http.post("/auth/login", json={"username": self.username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.token, self.user_id = answer.json()["accessToken"], answer.json()["userId"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of the token at hand."""
        return dict(jwt.decode(self.token, options={"verify_signature": False}))

    def start(self, type: str | None = None, **more: Any) -> httpx2.Response:
        """POST an action."""
        body = {"status": "started", **({"type": type} if type else {}), **more}
        return self.http.post(f"/users/{self.user_id}/actions", json=body)

    def started(self, type: str | None = None) -> str:
        """Start an action and give its id."""
        answer = self.start(type)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["actionId"])

    def end(self, action_id: str, status: str = "completed") -> httpx2.Response:
        """PUT an action."""
        return self.http.put(f"/users/{self.user_id}/actions/{action_id}", json={"status": status})

    def score(self, times: int = 1) -> None:
        """Start and complete actions of the default type, 10 points each."""
        for _ in range(times):
            answer = self.end(self.started())
            assert answer.status_code == 200, answer.text

    def settlement(self, action_id: str) -> str | None:
        """Return the settlement of a completed action."""
        answer = self.http.get(f"/users/{self.user_id}/actions/{action_id}")
        return str(answer.json().get("settlement"))

    def close(self) -> None:
        self.http.close()
