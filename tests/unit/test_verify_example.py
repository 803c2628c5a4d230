"""The example to copy, docs/verify/verify.py, takes what the service signs and nothing else."""

import importlib.util
import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from app.domain.signing import ED25519, HMAC, Key, Signer

SCRIPT = Path(__file__).parents[2] / "docs" / "verify" / "verify.py"
SECRET = b"seed" * 8
MESSAGE = {"type": "top_scores_update", "version": 7, "payload": [{"username": "zoë", "score": 1e21}], "at": None}


@pytest.fixture(scope="module")
def verify() -> Any:
    spec = importlib.util.spec_from_file_location("verify_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.verify


@pytest.mark.parametrize("algorithm", [ED25519, HMAC])
def test_example_takes_what_was_signed_and_refuses_what_was_changed(verify: Any, algorithm: str) -> None:
    signer = Signer(Key(algorithm, SECRET))
    keys = {"jwks": signer.jwks()} if algorithm == ED25519 else {"secret": SECRET}
    signed = signer.sign(MESSAGE)
    assert verify(signed, **keys)
    assert not verify({**signed, "version": 8}, **keys)
    assert not verify(MESSAGE, **keys)
    assert not verify(signed)
    assert not verify(Signer(Key(algorithm, b"evil" * 8)).sign(MESSAGE), **keys)


def test_example_tells_by_its_exit_code(tmp_path: Path) -> None:
    signer = Signer(Key(ED25519, SECRET))
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(signer.jwks()))

    def run(message: dict[str, Any], *arguments: str, **environment: str) -> int:
        command = [sys.executable, str(SCRIPT), *arguments]
        return subprocess.run(command, input=json.dumps(message).encode(), env=environment, check=False).returncode

    assert run(signer.sign(MESSAGE), str(keys)) == 0
    shared = Signer(Key(HMAC, SECRET)).sign(MESSAGE)
    assert run({**shared, "version": 8}, SIGNING_KEY=f"hmac:{b64encode(SECRET).decode()}") == 1
