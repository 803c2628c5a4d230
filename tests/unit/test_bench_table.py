"""The benchmark's table: docs/performance.md shows what was measured last, and the exit code tells what it must be."""

from bench.report import PERFORMANCE, RESULTS, between, table
from bench.row import Row, at_least, under


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_performance_page_has_the_table_of_the_last_results() -> None:
    shown = rows_of(between(PERFORMANCE.read_text(), "bench"))
    assert len(shown) > 10
    assert shown == rows_of(RESULTS.read_text())


def test_row_is_met_only_if_all_that_it_must_be_is() -> None:
    fast, late = at_least(0.6, 70, 100), under(30, 31, "ms", "p99")
    assert Row("reads", 70, 100, (fast,)).met
    assert not Row("reads", 70, 100, (fast, late)).met
    assert Row("reads", 70, 100).met


def test_table_marks_what_is_met_and_what_is_not() -> None:
    row = Row("reads", 70, 100, (at_least(0.6, 70, 100), under(30, 31, "ms", "p99")), "a note")
    assert table([row]).splitlines()[-1] == "| reads | 70.0 | 100 | 0.70 | ≥ 0.6 ✓; p99 < 30 ms ✗ | a note |"
