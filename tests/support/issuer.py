"""An issuer of tokens, as small as can be: its keys over HTTP, in a thread of the test's own."""

import http.server
import json
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.support.tokens import sign

AUDIENCE = "scoreboard"


class Key:
    """A private key, and the name that the issuer gives it."""

    def __init__(self, kid: str | None = None) -> None:
        self.kid = kid or uuid.uuid4().hex
        self.private: RSAPrivateKey = generate_private_key(65537, 2048)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as a JWKS lists it."""
        algorithm = jwt.get_algorithm_by_name("RS256")
        return {**json.loads(str(algorithm.to_jwk(self.private.public_key()))), "kid": self.kid, "use": "sig"}

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The whole key, as an issuer is given it."""
        whole = json.loads(str(jwt.get_algorithm_by_name("RS256").to_jwk(self.private)))
        return {**{name: it for name, it in whole.items() if name != "key_ops"}, "kid": self.kid, "use": "sig"}

    @property
    def pem(self) -> str:
        """The public half, as what a verifier that doesn't look takes for a shared secret."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(encoding, form).decode()


class Issuer:
    """An issuer that a test rotates, takes away and counts the requests of."""

    def __init__(self) -> None:
        self.key = Key("first")
        self.published = [self.key]
        self.away = False
        self.answer: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        """What a path answers instead: status, body, headers."""
        self.asked: Counter[str] = Counter()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="issuer", kwargs={"poll_interval": 0.05}
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def file(self, path: Path, **more: Any) -> str:
        """Write an issuers.toml that names this one, and give its path."""
        keys = {"issuer": self.url, "audience": AUDIENCE, "title": "Example Ltd", "private_network": True, **more}
        lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items() if value is not None]
        path.write_text("\n".join(["[issuers.example]", *lines]))
        return str(path)

    def rotate(self, *, keep: bool = True) -> Key:
        """Sign with a new key from now on; the old ones stay published, unless they were withdrawn."""
        self.key = Key()
        self.published = [self.key, *(self.published if keep else [])]
        return self.key

    def claims(self, subject: str, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, but for the changes; None leaves a claim out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(
        self, subject: str, *, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """Sign a token that is good but for the changes."""
        key = key or self.key
        headers = {"kid": key.kid, **(header or {})}
        return jwt.encode(self.claims(subject, **changes), key.private, "RS256", headers=headers)

    def confused(self, subject: str, alg: str) -> str:
        """Sign a token with the public key for a secret, or with nothing."""
        payload = json.dumps(self.claims(subject)).encode()
        return sign(payload, key=self.key.pem, header={"alg": alg, "kid": self.key.kid})

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                status, body, headers = issuer._respond(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _respond(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        if self.away:
            return 503, b"", {}
        if path in self.answer:
            return self.answer[path]
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            },
            "/keys": {"keys": [key.jwk for key in self.published]},
        }
        found = documents.get(path)
        return (200, json.dumps(found).encode(), {}) if found is not None else (404, b"", {})
