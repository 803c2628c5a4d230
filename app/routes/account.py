"""A player's own account: show it, change the password, erase it. The last two require the current password."""

import time

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from app.access.admission import Admission
from app.access.passwords import hash_password, verify_password
from app.access.tokens import ISSUER, Claims
from app.board import erase as erasing
from app.domain.errors import Malformed, SignInAgain, Suspended, Unauthorized, WrongPassword
from app.domain.ids import DEFAULT_BOARD, UserId
from app.domain.users import InvalidUser, check_password
from app.http.answers import JSON, read_json
from app.routes.auth import NewPassword, Text, check_passwords_are_taken, token_answer
from app.routes.guards import own_account, own_path
from app.routes.shapes import OwnUser
from app.web import Web
from db import audit_events, password_resets, persons, users
from telemetry import logs

JUST_NOW = 600
"""Seconds for which the token of a user without a password confirms an erasure."""


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of a change of password."""

    current_password: Text
    new_password: NewPassword


class EraseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an erasure; without a password for who has none, since another issuer vouches for them."""

    password: Text | msgspec.UnsetType = msgspec.UNSET


async def show(request: Request) -> Response:
    """GET /users/:userId"""
    web, user_id, *_ = await own_path(request, Admission.read, "users")
    return await own_user(web, user_id)


async def own_user(web: Web, user_id: UserId) -> Response:
    """Answer with a player's own view of the account.

    Raises:
        Unauthorized: when there is no such user any more.
    """
    profile = await web.own_statement(user_id, lambda conn: users.profile(conn, user_id, DEFAULT_BOARD))
    if profile is None:
        raise Unauthorized("The token is no longer valid.")
    return JSON(
        OwnUser(
            user_id=user_id,
            username=profile.username,
            display_name=profile.display_name,
            email=profile.email,
            role=profile.role,
            total_score=profile.total_score,
            score=profile.score,
            rank=profile.rank,
        )
    )


async def change_password(request: Request) -> Response:
    """POST /users/:userId/password"""
    web, claims = await own_account(request, Admission.write)
    user_id = claims.sub
    check_passwords_are_taken(web)
    body = await read_json(request, PasswordBody)
    try:
        check_password(body.new_password, "newPassword")
    except InvalidUser as error:
        raise Malformed(str(error)) from None
    account = await _confirm(web, request, claims, body.current_password)
    if not account.active:
        raise Suspended("This account is suspended.")
    password_hash = await web.passwords.run(hash_password, body.new_password)

    def change(conn: sa.Connection) -> int | None:
        version = persons.change_password(conn, user_id, claims.ver, password_hash)
        if version is not None:
            password_resets.forget(conn, user_id)
            audit_events.record(conn, "logged_out", actor=user_id, user_id=user_id, reason="the password was changed")
        return version

    version = await web.transaction(change)
    if version is None:
        raise Unauthorized("The token is no longer valid.")
    await web.tokens_changed(user_id)
    return token_answer(web, user_id, version)


async def erase(request: Request) -> Response:
    """DELETE /users/:userId"""
    web, claims = await own_account(request, Admission.write)
    user_id = claims.sub
    body = await read_json(request, EraseBody)
    if body.password is msgspec.UNSET:
        await _confirm_by_token(web, claims)
    else:
        await _confirm(web, request, claims, body.password)
    await web.transaction(
        lambda conn: erasing.erase(conn, web.board_rules, user_id, actor=user_id, reason=None, token_version=claims.ver)
    )
    logs.event(logs.security, logs.USER_ERASED, userId=user_id)
    await web.publish_boards()
    await web.tokens_changed(user_id)
    return Response(status_code=204)


async def _confirm_by_token(web: Web, claims: Claims) -> None:
    """Check that a user without a password has signed in just now, at another issuer.

    Raises:
        Malformed: when the user is to give a password.
        SignInAgain: when the token is not of just now: whoever has found it shall not erase anybody.
        Unauthorized: when the token was revoked.
    """
    account = await web.statement(lambda conn: persons.account(conn, claims.sub))
    if account is None or account.token_version != claims.ver:
        raise Unauthorized("The token is no longer valid.")
    if claims.iss == ISSUER or account.password_hash is not None:
        raise Malformed("password: is missing.")
    if time.time() > claims.iat + JUST_NOW:
        raise SignInAgain("Sign in again first, and erase the account then.")


async def _confirm(web: Web, request: Request, claims: Claims, password: str) -> persons.Account:
    """Return the account of a token's user whose password this is; guesses are limited together with logins.

    Raises:
        Unauthorized: when the token was revoked.
        WrongPassword: 403 and not a login's 401, since the token is good.
    """
    account = await web.statement(lambda conn: persons.account(conn, claims.sub))
    if account is None or account.token_version != claims.ver:
        raise Unauthorized("The token is no longer valid.")
    await web.admission.login(request.scope, account.username)
    if await web.passwords.run(verify_password, account.password_hash, password):
        return account
    await web.admission.login_failed(account.username)
    logs.refused(
        logs.AUTH_FAILED,
        web.admission.address(request.scope),
        requestId=request.scope["request_id"],
        reason="wrong password",
        userId=claims.sub,
    )
    raise WrongPassword("The password is wrong.")
