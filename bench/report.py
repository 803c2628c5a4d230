"""Writes what was measured: bench/results.md, and the same table into pages between two markers."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.cost import written
from bench.row import Row, number

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.md"
PERFORMANCE = ROOT / "docs" / "performance.md"


def table(rows: Sequence[Row], ours: str = "ours", reference_name: str = "reference") -> str:
    """Write the rows as Markdown."""
    lines = [
        f"| | {ours} | {reference_name} | ratio | must | CPU of one, µs | |",
        "| --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    for row in rows:
        reference = "" if row.reference is None else number(row.reference)
        ratio = "" if not row.reference else f"{row.ours / row.reference:.2f}"
        musts = "; ".join(map(str, row.musts))
        cost = written(row.cost, row.reference_cost)
        lines.append(f"| {row.name} | {number(row.ours)} | {reference} | {ratio} | {musts} | {cost} | {row.note} |")
    return "\n".join(lines)


def markers(name: str, by: str = "bin/bench") -> tuple[str, str]:
    """Return the comments that a part stands between which this command writes."""
    return f"<!-- {name}: written by {by} -->", f"<!-- end of {name} -->"


def between(text: str, name: str) -> str:
    """Return what stands between the markers.

    Raises:
        ValueError: when they are not there.
    """
    begin, end = markers(name)
    return text[text.index(begin) + len(begin) : text.index(end)].strip()


def insert(path: Path, name: str, part: str, by: str = "bin/bench") -> None:
    """Put a part between its markers on a page."""
    text = path.read_text()
    begin, end = markers(name, by)
    before, after = text[: text.index(begin)], text[text.index(end) :]
    path.write_text(f"{before}{begin}\n\n{filled(part)}\n\n{after}")


def filled(text: str) -> str:
    """Break a page's paragraphs and items of lists at 120 characters; tables and pictures stay as they are."""
    return "\n\n".join("\n".join(_broken(block)) for block in text.split("\n\n"))


def _broken(block: str) -> list[str]:
    if block.startswith(("|", "!", "<", "#", "```")):
        return [block]
    items = re.split(r"\n(?=- )", block)
    return [
        textwrap.fill(
            " ".join(it.split()),
            120,
            break_on_hyphens=False,
            break_long_words=False,
            subsequent_indent="  " if it.startswith("- ") else "",
        )
        for it in items
    ]
