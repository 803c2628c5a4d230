"""Mutation testing by a list of slips: which of them do the tests notice? `python -m dev.mutation --help`.

Each mutant replaces a text that occurs once in a file, and names the tests that must fail then. It is applied in a copy
of the tree, never in the working tree. Source: docs/mutation.md.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = Path("tests/mutants")
PER_MUTANT = 120.0
"""Seconds that the tests of one mutant may take."""
ENDING = 30.0
"""Seconds that tests which took too long have for their cleaning up."""
WITHOUT = 900.0
"""Seconds that all the tests may take without a mutant."""

CAUGHT, SURVIVED, STALE, BROKEN, TIMED_OUT = "caught", "survived", "stale", "broken", "timed out"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One slip: `old`, which occurs once in `file`, is replaced by `new`; one of `tests` must fail then."""

    id: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def load(root: Path) -> list[Mutant]:
    """Read every list of mutants of a tree.

    Raises:
        ValueError: when one is incomplete, or an id is there twice.
    """
    found = []
    for path in sorted((root / MUTANTS).glob("*.toml")):
        for number, entry in enumerate(tomllib.loads(path.read_text()).get("mutant", []), 1):
            try:
                found.append(Mutant(**{**entry, "tests": tuple(entry["tests"])}))
            except (KeyError, TypeError) as error:
                raise ValueError(f"{path.name}, mutant {number}: {error}") from None
    doubled = [name for name, count in Counter(mutant.id for mutant in found).items() if count > 1]
    if doubled:
        raise ValueError(f"there twice: {', '.join(doubled)}")
    return found


def staleness(root: Path, mutant: Mutant) -> str | None:
    """Return why a mutant no longer fits the tree; None when it does."""
    path = root / mutant.file
    if not path.is_file():
        return f"there is no {mutant.file}"
    count = path.read_text().count(mutant.old)
    if count != 1:
        return f"its text occurs {count} times in {mutant.file}"
    if mutant.new == mutant.old:
        return "it changes nothing"
    if not mutant.tests:
        return "it names no test"
    for test in mutant.tests:
        name, _, function = test.partition("::")
        if not (root / name).is_file():
            return f"there is no {name}"
        function = function.rpartition("::")[2].partition("[")[0]
        if function and f"def {function}(" not in (root / name).read_text():
            return f"there is no {function} in {name}"
    return None


def copy(root: Path, target: Path) -> None:
    """Copy what git would commit: neither environments nor caches."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def verdict(tree: Path, mutant: Mutant, *, within: float = PER_MUTANT) -> str:
    """Apply a mutant to a copy of the tree, run its tests there, and take it back."""
    if staleness(tree, mutant):
        return STALE
    path = tree / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        code, _ = _pytest(tree, mutant.tests, within)
    finally:
        path.write_text(text)
    return {0: SURVIVED, 1: CAUGHT, None: TIMED_OUT}.get(code, BROKEN)


def _pytest(tree: Path, tests: Sequence[str], within: float) -> tuple[int | None, str]:
    """Run tests in a copy of the tree; the exit code is None when they took too long."""
    # No bytecode: a file that is changed and changed back within a second looks unchanged to the cache.
    # And only the plugin that the tests need: loading the others takes as long as most of these tests.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", *tests]
    with tempfile.TemporaryFile("w+") as output:
        pytest = subprocess.Popen(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        code = None
        try:
            code = pytest.wait(within)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(pytest)
        output.seek(0)
        return code, output.read()


def _end(pytest: "subprocess.Popen[bytes]") -> None:
    """End pytest if it still runs, at first so that it ends the processes that its tests have started."""
    if pytest.poll() is not None:
        return
    pytest.send_signal(signal.SIGINT)
    try:
        pytest.wait(ENDING)
    except subprocess.TimeoutExpired:
        os.killpg(pytest.pid, signal.SIGKILL)
        pytest.wait()


def chosen(mutants: Sequence[Mutant], wanted: Sequence[str]) -> list[Mutant]:
    """Choose mutants by id, or by the beginning of their file's path; all when nothing is wanted."""
    return [it for it in mutants if not wanted or any(it.id == word or it.file.startswith(word) for word in wanted)]


def run(root: Path, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, str, float]]:
    """Run each mutant, and yield it with its verdict and the seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="scoreboard-mutants-") as directory:
        tree = Path(directory)
        copy(root, tree)
        for mutant in mutants:
            began = time.monotonic()
            yield mutant, verdict(tree, mutant), time.monotonic() - began


def green(root: Path, mutants: Sequence[Mutant]) -> bool:
    """Return whether the mutants' tests pass without any mutant, and print what they say if they don't."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    with tempfile.TemporaryDirectory(prefix="scoreboard-mutants-") as directory:
        copy(root, Path(directory))
        code, output = _pytest(Path(directory), tests, WITHOUT)
    if code != 0:
        print(output, "the tests fail without any mutant", sep="\n", file=sys.stderr)
    return code == 0


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run what the arguments ask for; the exit code is 0 when every mutant is caught, or with --check fits."""
    parser = argparse.ArgumentParser(prog="bin/mutate", description=__doc__)
    parser.add_argument("wanted", nargs="*", metavar="ID|PATH", help="these mutants alone, by id or by file or folder")
    parser.add_argument("--check", action="store_true", help="only look for mutants that no longer fit the tree")
    parser.add_argument("--skip-green", action="store_true", help="don't run the tests without a mutant first")
    options = parser.parse_args(arguments)
    mutants = chosen(load(root), options.wanted)
    if not mutants:
        parser.error("there is no such mutant")
    stale = {mutant.id: why for mutant in mutants if (why := staleness(root, mutant))}
    for name, why in stale.items():
        print(f"{STALE:9} {name}: {why}")
    if options.check or stale:
        print(f"{len(mutants)} mutants, {len(stale)} of them stale")
        return 1 if stale else 0
    if not options.skip_green and not green(root, mutants):
        return 1
    return _report(run(root, mutants))


def _report(results: Iterator[tuple[Mutant, str, float]]) -> int:
    counts: Counter[str] = Counter()
    for mutant, found, seconds in results:
        counts[found] += 1
        print(f"{found:9} {seconds:5.1f} s  {mutant.id:4} {mutant.file}: {mutant.what}", flush=True)
    total = counts.total()
    print(
        f"{total} mutants: "
        + ", ".join(f"{count} {name}" for name, count in counts.most_common())
        + f"; {100 * counts[CAUGHT] / total:.1f} % caught"
    )
    return 0 if counts[CAUGHT] == total else 1


if __name__ == "__main__":
    sys.exit(main())
