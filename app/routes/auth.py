"""Registering, logging in and out, and renewing a token."""

import time
from typing import Annotated

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.passwords import hash_password, verify_password
from app.access.tokens import ISSUER, REFRESH_FOR
from app.accounts import join_codes
from app.accounts.create import NewUser, create_user
from app.domain.errors import (
    ForeignToken,
    Malformed,
    PasswordLoginOff,
    RegistrationClosed,
    ScoreboardError,
    Suspended,
    Unauthorized,
    WrongCredentials,
    WrongJoinCode,
)
from app.domain.ids import UserId
from app.domain.users import EMAIL, LONGEST_PASSWORD, SHORTEST_PASSWORD, USERNAME, InvalidUser, check_user
from app.http.answers import JSON, read_json
from app.routes.guards import own_token
from app.routes.shapes import AccessToken, Registered
from app.web import Web, web_of
from db import audit_events, users
from telemetry import logs

Text = Annotated[str, msgspec.Meta(max_length=512)]

# These only describe: what is wrong is told in words by app.domain.users.
Username = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{USERNAME}$"})]
JoinCode = Annotated[str, msgspec.Meta(max_length=64)]
Email = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{EMAIL}$"})]
NewPassword = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "minLength": SHORTEST_PASSWORD,
            "maxLength": LONGEST_PASSWORD,
            "format": "password",
        }
    ),
]


class RegisterBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of a registration."""

    username: Username
    password: NewPassword
    email: Email | None = None
    join_code: JoinCode | None = None


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a login."""

    username: Text
    password: Text


def check_passwords_are_taken(web: Web) -> None:
    """Check that users of our own may come in.

    Raises:
        PasswordLoginOff: when only those of other issuers may.
    """
    if not web.settings.password_login:
        raise PasswordLoginOff("Passwords are not taken here: sign in where your account is.")


async def register(request: Request) -> Response:
    """POST /auth/register"""
    web = web_of(request)
    check_passwords_are_taken(web)
    if web.settings.registration == "closed":
        raise RegistrationClosed("Accounts are made by the operator here: ask for one.")
    needs_code = web.settings.registration == "code"
    await (web.admission.joining if needs_code else web.admission.credentials)(request.scope)
    body = await read_json(request, RegisterBody)
    try:
        check_user(username=body.username, email=body.email, password=body.password)
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    web.blocked_names.check(username=body.username)
    if needs_code:
        await _check_join_code(web, request, body.join_code)
    password_hash = await web.passwords.run(hash_password, body.password)
    new = NewUser(body.username, body.email, password_hash)

    def add(conn: sa.Connection) -> UserId:
        code_id = join_codes.use(conn, web.settings.secret_keys, body.join_code) if needs_code else None
        user_id = create_user(conn, new, actor=None)  # a name that is taken ends the transaction: the code is not used
        if code_id is not None:
            audit_events.record(conn, "user_created", actor=user_id, user_id=user_id, joinCode=code_id)
        return user_id

    user_id = await web.transaction(add)
    return JSON(Registered(user_id, body.username), 201)


async def _check_join_code(web: Web, request: Request, typed: str | None) -> None:
    """Check a join code before the work of hashing a password is done for it, and count a wrong one.

    Raises:
        WrongJoinCode: when it is wrong, expired or used up.
    """
    try:
        await web.statement(lambda conn: join_codes.check(conn, web.settings.secret_keys, typed))
    except WrongJoinCode:
        await web.admission.joining_failed()
        logs.refused(
            logs.AUTH_FAILED,
            web.admission.address(request.scope),
            requestId=request.scope["request_id"],
            reason="wrong join code",
        )
        raise


async def login(request: Request) -> Response:
    """POST /auth/login"""
    web = web_of(request)
    check_passwords_are_taken(web)
    try:
        body = await read_json(request, LoginBody)
    except ScoreboardError:
        await web.admission.credentials(request.scope)
        raise
    await web.admission.login(request.scope, body.username)
    found = await web.transaction(lambda conn: users.credentials(conn, body.username))
    right = await web.passwords.run(verify_password, found.password_hash if found else None, body.password)
    if found is None or not right:
        await web.admission.login_failed(body.username)
        logs.refused(
            logs.AUTH_FAILED,
            web.admission.address(request.scope),
            requestId=request.scope["request_id"],
            reason="wrong credentials",
        )
        raise WrongCredentials("The username or the password is wrong.")
    if not found.active:
        raise Suspended("This account is suspended.")
    return token_answer(web, found.user_id, found.token_version)


async def refresh(request: Request) -> Response:
    """POST /auth/refresh"""
    web, claims = await own_token(request)
    if claims.iss != ISSUER:
        raise ForeignToken("This token is another issuer's: have it renewed there.")
    check_passwords_are_taken(web)
    user_ids = [claims.sub]
    states = await web.transaction(lambda conn: users.states(conn, user_ids))
    state = states.get(claims.sub)
    if state is None or state.token_version != claims.ver:
        raise Unauthorized("The token is no longer valid.")
    if not state.active:
        raise Suspended("This account is suspended.")
    if time.time() > claims.logged_in_at + REFRESH_FOR:
        raise Unauthorized("The login is too long ago, log in again.")
    return token_answer(web, claims.sub, claims.ver, logged_in_at=claims.logged_in_at)


async def logout(request: Request) -> Response:
    """POST /auth/logout"""
    web, claims = await own_token(request)

    def end_tokens(conn: sa.Connection) -> bool:
        ended = users.end_tokens(conn, claims.sub, claims.ver, issued_at=claims.iat)
        if ended:
            audit_events.record(conn, "logged_out", actor=claims.sub, user_id=claims.sub)
        return ended

    if not await web.transaction(end_tokens):
        raise Unauthorized("The token is no longer valid.")
    await web.tokens_changed(claims.sub)
    return Response(status_code=204)


def token_answer(web: Web, user_id: UserId, token_version: int, *, logged_in_at: int | None = None) -> Response:
    """Answer with a new token, as a login does; `logged_in_at` is given when it continues an earlier one."""
    token = web.tokens.issue(user_id, token_version, logged_in_at=logged_in_at)
    return JSON(AccessToken(token, web.tokens.ttl, "Bearer", user_id), headers={"Cache-Control": "no-store"})
