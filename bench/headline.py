"""README's figures, out of bench/results.md: `python -m bench.headline` renews them, and so does each whole run."""

from bench.report import PERFORMANCE, RESULTS, ROOT, between, insert

README = ROOT / "README.md"

_PUSH = "PUT sent to message received, ms at the median, {}, `PUSH_INTERVAL_MS=0`"

LINES = (
    (
        ("{} actions started and completed a second over 64 connections", "start+complete pairs/s, 64 connections"),
        ("{} over 256", "start+complete pairs/s, 256 connections"),
    ),
    (
        ("{} reads of the board a second", "GET /top-scores/s, 64 connections, one process"),
        ("{} with a token", "GET /top-scores/s with a token, 64 connections (reference: without)"),
    ),
    (
        ("{} ms at the median from a completion to the board on a socket", _PUSH.format("20/s, 1 socket")),
        ("{} ms to a thousand sockets", _PUSH.format("10/s, 1,000 sockets")),
    ),
    (("{} boards delivered a second to 2,000 sockets", "deliveries/s, 2,000 sockets"),),
    (
        (
            "{} ms to settle a hundred actions among a million players",
            "settling 100 actions with 1,000,000 standings, ms (reference: with 10,000)",
        ),
    ),
    (
        (
            "{} s from `bin/dev` to the first board",
            "from `bin/dev` (warm) to the first 200 of GET /top-scores, s",
        ),
    ),
)
"""What each line says, and the rows of the table that its figures are from."""


def headline(results: str) -> str:
    """Write README's lines; what a table doesn't have is left out."""
    cells = [[cell.strip() for cell in line.split(" | ")] for line in results.splitlines() if line.startswith("| ")]
    figures = {name.removeprefix("| "): figure for name, figure, *_ in cells}
    found = [[words.format(figures[row]) for words, row in line if row in figures] for line in LINES]
    return "\n".join(f"- {', '.join(parts)}" for parts in found if parts)


def renew() -> None:
    """Put the table of the last results on docs/performance.md, and its figures into README."""
    results = RESULTS.read_text()
    rows = [line for line in results.splitlines() if line.startswith("|")]
    insert(PERFORMANCE, "bench", "\n".join(rows))
    insert(README, "bench", headline(results))


def shown() -> str:
    """Return what README shows."""
    return between(README.read_text(), "bench")


if __name__ == "__main__":
    renew()
