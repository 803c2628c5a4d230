"""One version, from one place: what can't import it says the same."""

import json
import re
import tomllib
from pathlib import Path

from app.description.asyncapi import document as asyncapi
from app.description.openapi import document as openapi
from config import version

ROOT = Path(__file__).resolve().parents[2]


def test_version_is_that_of_the_newest_release() -> None:
    releases = re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert releases
    assert version.VERSION == releases[0]
    assert releases == sorted(releases, key=lambda it: [int(part) for part in it.split(".")], reverse=True)


def test_version_of_the_image_is_that_of_the_service() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', (ROOT / "Dockerfile").read_text()))
    assert labels["version"] == version.VERSION
    assert labels["licenses"] == "MIT"


def test_project_takes_version_and_licence_from_their_files() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "config.version.VERSION"}
    assert project["project"]["license"] == "MIT"
    (licence,) = project["project"]["license-files"]
    assert (ROOT / licence).read_text().startswith("MIT License\n\nCopyright (c) 2026 the Scoreboard authors\n")


def test_version_of_the_clients_is_that_of_the_service() -> None:
    about = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())["project"]
    assert about["version"] == version.VERSION
    assert about["license"] == json.loads((ROOT / "clients/js/package.json").read_text())["license"] == "MIT"
    assert (ROOT / "clients/python/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_descriptions_say_the_version_they_are_given() -> None:
    assert openapi("1.2.3")["info"]["version"] == asyncapi("1.2.3")["info"]["version"] == "1.2.3"
