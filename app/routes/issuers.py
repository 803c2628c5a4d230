"""Where users of other issuers sign in, for the page and for clients like it."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from app.http.answers import JSON
from app.web import web_of


class SignInWith(msgspec.Struct, rename="camel"):
    """What a public client needs to sign users in at an issuer: authorization code with PKCE."""

    id: str
    title: str
    issuer: str
    client_id: str
    audience: str
    scope: str
    authorization_endpoint: str
    token_endpoint: str
    parameters: dict[str, str]


class SignIns(msgspec.Struct, rename="camel"):
    """The issuers at which users can sign in right now."""

    items: list[SignInWith]


async def list_sign_ins(request: Request) -> Response:
    """GET /auth/issuers"""
    items = [
        SignInWith(
            id=keys.issuer.id,
            title=keys.issuer.title,
            issuer=keys.issuer.issuer,
            client_id=keys.issuer.client_id,
            audience=keys.issuer.audience,
            scope=keys.issuer.scope,
            authorization_endpoint=keys.endpoints.authorization,
            token_endpoint=keys.endpoints.token,
            parameters=keys.issuer.parameters,
        )
        for keys in web_of(request).identities.keys.values()
        if keys.issuer.client_id is not None and keys.endpoints is not None
    ]
    return JSON(SignIns(items))
