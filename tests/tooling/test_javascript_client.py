"""The JavaScript client as it is packed for npm: built from its source, typed, and run where it is said to run."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from config.version import VERSION
from tests.support.people import Player
from tests.support.service import ROOT, Process
from tests.tooling.test_clients import node

SOURCE = ROOT / "clients" / "js"
STATIC = ROOT / "app" / "static"
TOOLS = ROOT / ".local" / "generated"

pytestmark = pytest.mark.timeout(400)


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command to its end, and return what it says."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the development packages, installed once for each state of the lock file."""
    node()  # or this is left out
    state = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = TOOLS / f"client-{state}"
    if not folder.exists():
        new = TOOLS / f"client-{state}.{os.getpid()}"
        new.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, new)
        npm = shutil.which("npm") or pytest.fail("npm is needed beside node (Debian, Ubuntu: apt install npm)")
        run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=new)
        new.rename(folder)
    return folder / "node_modules"


@pytest.fixture(scope="module")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder, built from the source anew."""
    folder = tmp_path_factory.mktemp("built") / "js"
    made = ("node_modules", "types", "scoreboard.js", "scoreboard.d.ts")
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(*made))
    (folder / "node_modules").symlink_to(tools)
    run("npm", "run", "build", "--silent", cwd=folder)
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


@pytest.fixture(scope="module")
def project(built: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's project, with the packed client among its packages, and the tests as if they were its own."""
    folder = tmp_path_factory.mktemp("project")
    packed = run("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, cwd=built).strip()
    packages = folder / "node_modules"
    with tarfile.open(folder / packed) as archive:
        archive.extractall(folder, filter="data")
    packages.mkdir()
    (folder / "package").rename(packages / "scoreboard-client")
    for name in ("ws", "@types"):
        (packages / name).symlink_to(tools / name)
    shutil.copytree(SOURCE / "tests", folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def test_committed_client_is_what_the_source_makes(built: Path) -> None:
    for name in ("scoreboard.js", "scoreboard.d.ts"):
        assert (STATIC / name).read_text() == (built / name).read_text(), "run bin/client"


def test_package_has_version_licence_types_and_what_it_exports(project: Path) -> None:
    packed = project / "node_modules" / "scoreboard-client"
    about: dict[str, Any] = json.loads((packed / "package.json").read_text())
    assert about["version"] == VERSION
    assert about["license"] == "MIT"
    assert (packed / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "dependencies" not in about
    named = about["exports"]["."]
    assert {path.name for path in packed.iterdir()} == {
        "package.json",
        "LICENSE",
        "README.md",
        *(Path(it).name for it in named.values()),
    }


def test_client_needs_no_newer_syntax_than_a_tv_has() -> None:
    """Chromium 79 knows neither `?.` nor `??`, as bundlers leave them."""
    for name in ("scoreboard.js", "source.js", "newer.js", "api.js"):
        code = re.sub(r"/\*[\s\S]*?\*/|//.*", "", (STATIC / name).read_text())
        assert re.findall(r"\?\.(?!\d)|\?\?|\.replaceAll\(|\.at\(", code) == [], name


@pytest.mark.parametrize("name", ["follow", "ws"])
def test_client_does_what_it_says(project: Path, name: str) -> None:
    run("node", "--test", f"{name}.test.mjs", cwd=project)


def test_client_runs_on_what_react_native_has(project: Path) -> None:
    run("node", "react-native.mjs", cwd=project)


def test_types_take_what_users_write_and_refuse_what_is_wrong(project: Path, tools: Path) -> None:
    options = "--strict --noEmit --target es2022 --module nodenext --lib es2022 --types node".split()
    run("node", tools / "typescript/bin/tsc", *options, "uses.ts", cwd=project)


def types_in_doubt(tools: Path, pages: list[str], *options: str) -> list[str]:
    """Return what TypeScript finds wrong in pages' modules, and in those that they import."""
    words = "--noEmit --allowJs --checkJs --strict --target es2022 --module es2022 --moduleResolution bundler".split()
    command = ["node", str(tools / "typescript/bin/tsc"), *words, *options, "--lib", "es2022,dom,dom.iterable", *pages]
    done = subprocess.run(command, cwd=STATIC, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 2), f"these options are none: {done.stdout}{done.stderr}"
    return [line for line in done.stdout.splitlines() if not line.startswith(" ")]


def test_pages_are_what_their_types_say(tools: Path) -> None:
    # They write types where there are some to tell, and null for what is absent.
    lenient = "--noImplicitAny false --strictNullChecks false --useUnknownInCatchVariables false".split()
    pages = [f"{name}.js" for name in ("page", "organizer", "wall", "embed", "docs", "reset")]
    assert all((STATIC / page).exists() for page in pages)
    assert types_in_doubt(tools, pages, *lenient) == []


def test_what_follows_boards_is_strictly_typed(tools: Path) -> None:
    ours = ["source.js", "newer.js"]
    assert [line for line in types_in_doubt(tools, ours) if line.startswith(tuple(ours))] == []


def test_bundlers_make_one_small_file_of_it(project: Path, tools: Path) -> None:
    (project / "page.mjs").write_text('import { follow } from "scoreboard-client"; follow("/").close();')
    bundle = ["--bundle", "--minify", "--target=es2018", "--format=iife", "--outfile=bundle.js"]
    run(tools / "esbuild/bin/esbuild", "page.mjs", *bundle, cwd=project)
    assert (project / "bundle.js").stat().st_size < 20_000


@pytest.mark.parametrize("runtime", ["node", "deno"])
def test_client_follows_a_service_that_runs(
    web: Process, alice: Player, project: Path, tools: Path, runtime: str
) -> None:
    """A spectator, a player and one with a wrong token; mistakes in callbacks end no process."""
    command = (
        node()
        if runtime == "node"
        else [str(tools / "deno/bin.cjs"), "run", "--allow-net", "--node-modules-dir=manual"]
    )
    said = run(*command, "live.mjs", web.url, alice.token, cwd=project, DENO_NO_UPDATE_CHECK="1")
    assert json.loads(said) == {
        "spectator": ["live", "stream", True],
        "player": ["live", "socket", True],
        "stranger": ["ended", 401, "unauthorized"],
    }
