"""`bin/mutate` tells what the tests notice from what they don't, and never touches the tree."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dev import mutation
from dev.mutation import BROKEN, CAUGHT, STALE, SURVIVED, TIMED_OUT, Mutant

ADD = Mutant("M1", "it subtracts", "sums.py", "return a + b", "return a - b", ("test_sums.py::test_add",))
FILES = {
    "sums.py": "def add(a, b):\n    return a + b\n\n\ndef wait():\n    return None\n",
    "test_sums.py": "from sums import add, wait\n\n\ndef test_add():\n    assert (add(2, 0), add(1, 1)) == (2, 2)\n\n\n"
    "def test_zero():\n    assert add(2, 0) == 2\n\n\ndef test_wait():\n    wait()\n",
    "tests/mutants/sums.toml": """
[[mutant]]
id = "M1"
what = "it subtracts"
file = "sums.py"
old = "return a + b"
new = "return a - b"
tests = ["test_sums.py::test_add"]

[[mutant]]
id = "M2"
what = "it subtracts, which adding nothing does not show"
file = "sums.py"
old = "return a + b"
new = "return a - b"
tests = ["test_sums.py::test_zero"]
""",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository with a function, its tests and two mutants."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("mutant", "expected"),
    [
        (ADD, CAUGHT),
        (replace(ADD, tests=("test_sums.py::test_zero",)), SURVIVED),
        (replace(ADD, old="return a * b"), STALE),
        (replace(ADD, new="return ("), BROKEN),
        (replace(ADD, old="return None", new="__import__('time').sleep(60)", tests=("test_sums.py",)), TIMED_OUT),
    ],
    ids=[CAUGHT, SURVIVED, STALE, BROKEN, TIMED_OUT],
)
def test_verdict_is_what_the_named_tests_say(tree: Path, mutant: Mutant, expected: str) -> None:
    assert mutation.verdict(tree, mutant, within=1.5 if expected == TIMED_OUT else 30) == expected
    assert (tree / "sums.py").read_text() == FILES["sums.py"]


@pytest.mark.parametrize(
    ("mutant", "why"),
    [
        (replace(ADD, file="gone.py"), "there is no gone.py"),
        (replace(ADD, old="return"), "occurs 2 times"),
        (replace(ADD, new=ADD.old), "changes nothing"),
        (replace(ADD, tests=()), "names no test"),
        (replace(ADD, tests=("test_gone.py",)), "there is no test_gone.py"),
        (replace(ADD, tests=("test_sums.py::test_ad",)), "there is no test_ad in"),
    ],
)
def test_staleness_says_what_no_longer_fits(tree: Path, mutant: Mutant, why: str) -> None:
    assert why in str(mutation.staleness(tree, mutant))


def test_main_reports_each_by_name_and_leaves_the_tree_alone(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mutation.main(["--check"], tree) == 0
    assert mutation.main(["M1"], tree) == 0
    assert mutation.main([], tree) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:-1]] == [CAUGHT, SURVIVED]
    assert lines[-1] == "2 mutants: 1 caught, 1 survived; 50.0 % caught"
    assert (tree / "sums.py").read_text() == FILES["sums.py"]


def test_main_fails_for_a_stale_mutant_and_for_failing_tests(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "sums.py").write_text("def add(a, b):\n    return a\n\n\nwait = print\n")
    assert mutation.main(["--check"], tree) == 1
    assert "M1: its text occurs 0 times in sums.py" in capsys.readouterr().out
    (tree / "sums.py").write_text(FILES["sums.py"].replace("a + b", "1 + 1 or (lambda a, b: [\n\n])  # return a + b"))
    (tree / "test_sums.py").write_text(FILES["test_sums.py"].replace("== 2", "== 3"))
    assert mutation.main([], tree) == 1
    assert "the tests fail without any mutant" in capsys.readouterr().err


def test_load_refuses_an_id_that_is_there_twice(tree: Path) -> None:
    (tree / "tests/mutants/more.toml").write_text(FILES["tests/mutants/sums.toml"])
    with pytest.raises(ValueError, match="there twice: M1, M2"):
        mutation.load(tree)
