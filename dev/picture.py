"""Draws who imports whom into docs/architecture.md: `bin/picture`, or `bin/picture --check`.

A room is a folder of modules; an arrow means that a module of one imports a module of the other. An arrow that follows
from others is left out, so that what is left can be read.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
TOP = ("app", "tasks", "workers", "db", "config", "telemetry")
BEGIN, END = "<!-- imports: written by bin/picture -->", "<!-- end of imports -->"

Arrows = dict[str, set[str]]
"""The rooms that each room imports."""


def room_of(module: str) -> str:
    """Return the folder of a module, as it is written: app/routes, db."""
    folder = ROOT / Path(*module.split("."))
    if not folder.is_dir():
        folder = folder.parent
    return folder.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Return the full names of the modules of ours that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (it for it in names if it.partition(".")[0] in TOP and _is_module(it))


def _is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def arrows() -> Arrows:
    """Return which room imports which, migrations left out: they are frozen, each by itself."""
    found: Arrows = {}
    for top in TOP:
        for path in (ROOT / top).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            here = path.parent.relative_to(ROOT).as_posix()
            found.setdefault(here, set()).update(room_of(it) for it in imports(path) if room_of(it) != here)
    return found


def reduced(all_arrows: Arrows) -> Arrows:
    """Leave out the arrows that follow from others."""

    def reachable(room: str, seen: set[str]) -> set[str]:
        for other in all_arrows.get(room, set()) - seen:
            seen.add(other)
            reachable(other, seen)
        return seen

    below = {room: reachable(room, set()) for room in all_arrows}
    return {
        room: {
            other
            for other in others
            if not any(
                other in below[between] and room not in below[between]
                for between in others - {other}
                if between in below
            )
        }
        for room, others in all_arrows.items()
    }


def picture() -> str:
    """Return the picture in Mermaid's language."""
    lines = ["```mermaid", "flowchart TD"]
    for room, others in sorted(reduced(arrows()).items()):
        lines += [
            f"    {room.replace('/', '_')}[{room}] --> {other.replace('/', '_')}[{other}]" for other in sorted(others)
        ]
    return "\n".join([*lines, "```"])


def main() -> int:
    """Run the command line; with --check the exit code says whether the page shows what is so."""
    parser = argparse.ArgumentParser(prog="bin/picture", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when the page is out of date")
    args = parser.parse_args()
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    now = picture()
    if args.check:
        return int(shown.strip() != now)
    PAGE.write_text(f"{before}{BEGIN}\n\n{now}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
