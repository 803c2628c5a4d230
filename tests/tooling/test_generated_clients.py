"""Clients that are generated from /openapi.json: what common generators make of it is typed, and plays."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.support.people import unique
from tests.support.service import BIN, ROOT, Process
from tests.tooling.test_clients import node

HERE = Path(__file__).with_name("generated")
TOOLS = ROOT / ".local" / "generated"
"""Where the generators are installed, once for each state of their lock files."""

pytestmark = pytest.mark.timeout(400)


def run(*command: object, cwd: Path) -> str:
    """Run a command to its end, and return what it says."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def installed(name: str, locks: list[str], install: Callable[[Path], None]) -> Path:
    """Return the folder of a generator, which is installed unless it is there in this very state."""
    state = hashlib.sha256(b"".join((HERE / lock).read_bytes() for lock in locks)).hexdigest()[:16]
    folder = TOOLS / f"{name}-{state}"
    if not folder.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        new = TOOLS / f"{name}-{state}.{os.getpid()}"
        install(new)
        new.rename(folder)
    return folder


def install_python(folder: Path) -> None:
    """Make an environment of its own, so that the generator's needs are none of the service's."""
    requirements = HERE / "requirements.txt"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=HERE)
    uv = shutil.which("uv") or str(BIN / "uv")
    run(uv, "pip", "install", "--python", folder / "bin/python", "--require-hashes", "-r", requirements, cwd=HERE)


def install_node(folder: Path) -> None:
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    npm = shutil.which("npm") or pytest.fail("npm is needed beside node (Debian, Ubuntu: apt install npm)")
    run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


@pytest.fixture
def described(web: Process, tmp_path: Path) -> Path:
    """The description, as the service gives it."""
    path = tmp_path / "openapi.json"
    path.write_bytes(httpx2.get(f"{web.url}/openapi.json", timeout=10).content)
    return path


def test_python_client_is_typed_and_plays(web: Process, described: Path) -> None:
    folder = described.parent
    python = installed("python", ["requirements.txt"], install_python) / "bin" / "python"
    config = HERE / "openapi-python-client.yml"
    generate = [python, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    run(*generate, "--path", described, "--config", config, "--output-path", folder / "scoreboard_client", cwd=folder)
    shutil.copy(HERE / "play.py", folder)
    run(python, "-m", "mypy", "--strict", "--cache-dir", TOOLS / "mypy", "play.py", "scoreboard_client", cwd=folder)
    assert run(python, "play.py", web.url, unique("python"), cwd=folder).split()[:2] == ["10", "10"]
    names = {it["operationId"] for methods in _paths(described).values() for it in methods.values()}
    made = {path.stem for path in (folder / "scoreboard_client" / "api").glob("*/*.py")} - {"__init__"}
    assert made == {"".join(f"_{it.lower()}" if it.isupper() else it for it in name) for name in names}


def test_typescript_client_is_typed_and_plays(web: Process, described: Path) -> None:
    folder = described.parent
    command = node()
    tools = installed("node", ["package.json", "package-lock.json"], install_node) / "node_modules"
    (folder / "node_modules").symlink_to(tools)
    for name in ("play.ts", "tsconfig.json"):
        shutil.copy(HERE / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    run(*command, tools / "openapi-typescript/bin/cli.js", described, "-o", "api.d.ts", cwd=folder)
    run(*command, tools / "typescript/bin/tsc", "--project", "tsconfig.json", cwd=folder)
    assert run(*command, "play.js", web.url, unique("typescript"), cwd=folder).split()[:2] == ["10", "10"]


def _paths(described: Path) -> dict[str, dict[str, dict[str, str]]]:
    paths: dict[str, dict[str, dict[str, str]]] = json.loads(described.read_text())["paths"]
    return paths
