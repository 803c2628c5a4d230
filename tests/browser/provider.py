"""A real OpenID provider on loopback, npm's `oidc-provider`, that can be rotated and taken away."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.issuer import AUDIENCE, Key
from tests.support.service import ROOT, Process, Service, eventually, free_port

HERE = Path(__file__).with_name("oidc_provider")
FILES = ("package.json", "package-lock.json", "provider.mjs")


def installed() -> Path:
    """Return the provider's folder, installed once for each state of its files; without Node the test is left out."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        said = "signing in elsewhere was left out: its provider needs Node and npm"
        pytest.fail(said) if os.environ.get("CI") == "true" else pytest.skip(said)
    state = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = ROOT / ".local" / f"oidc-provider-{state}"
    if not folder.exists():
        new = folder.with_name(f"{folder.name}.{os.getpid()}")
        new.mkdir(parents=True)
        for name in FILES:
            shutil.copy(HERE / name, new)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=new, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        new.rename(folder)
    return folder


class Provider:
    """The provider's process, and the keys that it publishes; it signs with the first one."""

    def __init__(self, service: Service, redirect_uris: list[str], *, token_seconds: int = 600) -> None:
        self._service = service
        self._folder = installed()
        self._port = free_port()
        self._settings: dict[str, Any] = {
            "port": self._port,
            "redirectUris": redirect_uris,
            "audience": AUDIENCE,
            "tokenSeconds": token_seconds,
        }
        self.url = f"http://127.0.0.1:{self._port}"
        self.keys = [Key("first")]
        self.process: Process | None = None

    def start(self) -> None:
        """Start it, with the keys of now."""
        keys = [key.private_jwk for key in self.keys]
        words = json.dumps({**self._settings, "jwks": {"keys": keys}})
        command = ["node", str(self._folder / "provider.mjs"), words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        self.process = process = self._service.start("provider", command, environment, self._port)
        eventually(lambda: "listening" in process.output(), within=20, what=f"the provider ({process.log})")

    def stop(self) -> None:
        """Take it away."""
        assert self.process is not None
        self.process.stop()

    def rotate(self) -> None:
        """Start it again with a new key, the old ones published beside it."""
        self.stop()
        self.keys.insert(0, Key())
        self.start()

    def asked(self, path: str) -> int:
        """Count the requests for a path since it was started."""
        assert self.process is not None
        return len(re.findall(rf"^GET {re.escape(path)}$", self.process.output(), re.MULTILINE))

    def file(self, path: Path) -> str:
        """Write an issuers.toml that names it, and give its path."""
        path.write_text(f"""
[issuers.example]
issuer = "{self.url}"
audience = "{AUDIENCE}"
title = "Example Ltd"
display_name_claim = "name"
admin_claim = "groups"
admin_value = "operators"
private_network = true
client_id = "page"
scope = "openid profile offline_access"
parameters = {{ resource = "https://board.example.com", prompt = "consent" }}
""")
        return str(path)
