"""bin/setup, in a checkout with few requirements: what is installed, by what, and what is said when it can't be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_requirements import PINNED, ROOT

SETS = {"": "six", "-dev": "idna", "-test": "iniconfig"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout in which each set is one package, pinned as in ours."""
    root = tmp_path / "a checkout"
    (root / "bin").mkdir(parents=True)
    shutil.copy2(ROOT / "bin/setup", root / "bin")
    shutil.copy2(ROOT / "requirements-uv.txt", root)
    pinned = {
        pin["name"]: pin[0] for path in ROOT.glob("requirements*.txt") for pin in PINNED.finditer(path.read_text())
    }
    for name, package in SETS.items():
        (root / f"requirements{name}.txt").write_text(pinned[package])
    return root


def set_up(root: Path, *sets: str, **env: str) -> tuple[int, list[str]]:
    """Run bin/setup, and return its exit code and the lines it printed."""
    done = subprocess.run(
        ["bin/setup", *sets], cwd=root, env={**os.environ, **env}, capture_output=True, text=True, timeout=100
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def installed(root: Path) -> set[str]:
    """Return what a checkout's environment holds, by the environment's own pip."""
    command = [".venv/bin/pip", "list", "--format", "freeze", "--disable-pip-version-check"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=True)
    return {line.partition("==")[0] for line in done.stdout.splitlines()} - {"pip", "setuptools", "uv"}


def uv_in_path(folder: Path, text: str | None = None) -> dict[str, str]:
    """Return a path on which uv comes first, or a shell script in its place."""
    folder.mkdir()
    (folder / "uv").write_text(text or f'#!/bin/sh\nexec {sys.executable} -m uv "$@"\n')
    (folder / "uv").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


FAILS = "#!/bin/sh\nexit 1\n"


def test_setup_installs_the_sets_that_are_asked_for_and_no_others(checkout: Path, tmp_path: Path) -> None:
    code, lines = set_up(checkout)
    assert (code, lines[-1]) == (0, "setup: installing dev"), lines
    assert installed(checkout) == {"six", "idna"}
    assert list((checkout / ".venv").rglob("six*.pyc"))
    assert set_up(checkout) == (0, [])
    assert set_up(checkout, "test") == (0, ["setup: installing test"])
    assert installed(checkout) == {"six", "idna", "iniconfig"}
    moved = checkout.rename(checkout.with_name("moved"))
    assert set_up(moved, **uv_in_path(tmp_path / "uv"))[1][-1] == "setup: installing dev"
    assert installed(moved) == {"six", "idna"}


def test_setup_installs_by_pip_where_uv_fails(checkout: Path, tmp_path: Path) -> None:
    code, lines = set_up(checkout, "test", **uv_in_path(tmp_path / "uv", FAILS))
    assert (code, lines[-1]) == (0, "setup: installing dev test"), lines
    assert installed(checkout) == {"six", "idna", "iniconfig"}


def test_setup_refuses_a_package_of_another_hash(checkout: Path, tmp_path: Path) -> None:
    path = checkout / "requirements.txt"
    path.write_text(PINNED.sub(f"six==1.17.0 --hash=sha256:{'0' * 64}", path.read_text()))
    code, lines = set_up(checkout, **uv_in_path(tmp_path / "uv"))
    assert code == 1
    assert lines[-1].startswith("setup: installing failed: ERROR")
    assert not list((checkout / ".venv").glob("stamp-*"))  # so that the next one tries again


def test_setup_says_when_the_registry_is_away(checkout: Path, tmp_path: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    code, lines = set_up(checkout, PIP_NO_CACHE_DIR="1", **nowhere, **uv_in_path(tmp_path / "uv", FAILS))
    assert code == 1
    assert lines[-1].startswith("setup: the package registry is out of reach")


def test_setup_refuses_a_set_that_there_is_not(checkout: Path) -> None:
    assert set_up(checkout, "tests") == (1, ["setup: there is no requirements-tests.txt"])
