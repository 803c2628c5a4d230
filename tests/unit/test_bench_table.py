"""The benchmark's table: docs/performance.md shows what was measured last, and the exit code tells what it must be."""

import pytest

from bench import build, cost
from bench.__main__ import ACTIONS, ALONE, parse
from bench.against import ROWS
from bench.headline import LINES, headline, shown
from bench.load import Caller, Plan, gets_of
from bench.report import PERFORMANCE, RESULTS, between, filled, table
from bench.revision import RevisionError, resolve
from bench.row import Row, at_least, at_most, under


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_performance_page_has_the_table_of_the_last_results() -> None:
    shown = rows_of(between(PERFORMANCE.read_text(), "bench"))
    assert len(shown) > 10
    assert shown == rows_of(RESULTS.read_text())


def test_readme_has_the_figures_of_the_last_results() -> None:
    assert shown() == headline(RESULTS.read_text())
    assert len(shown().splitlines()) == len(LINES)


def test_what_is_written_into_pages_is_broken_but_for_tables() -> None:
    row = f"| {'wide ' * 40}|"
    text = f"{'word ' * 30}\n\n{row}\n| --- |\n\n- {'item ' * 30}\n- short"
    assert filled(text) == (
        f"{'word ' * 23}word\n{'word ' * 5}word\n\n{row}\n| --- |\n\n- {'item ' * 22}item\n  {'item ' * 6}item\n- short"
    )
    assert filled(filled(text)) == filled(text)


def test_headline_leaves_out_what_was_not_measured() -> None:
    rows = [
        Row("start+complete pairs/s, 256 connections", 3000),
        Row("deliveries/s, 2,000 sockets", 80_000.4, 90_000),
    ]
    assert headline(table(rows)) == "- 3,000 over 256\n- 80,000 boards delivered a second to 2,000 sockets"


def test_row_is_met_only_if_all_that_it_must_be_is() -> None:
    fast, late = at_least(0.6, 70, 100), under(30, 31, "ms", "p99")
    assert Row("reads", 70, 100, (fast,)).met
    assert not Row("reads", 70, 100, (fast, late)).met
    assert Row("reads", 70, 100).met


def test_table_marks_what_is_met_and_what_is_not() -> None:
    row = Row("reads", 70, 100, (at_least(0.6, 70, 100), under(30, 31, "ms", "p99")), "a note")
    assert table([row]).splitlines()[-1] == "| reads | 70.0 | 100 | 0.70 | ≥ 0.6 ✓; p99 < 30 ms ✗ |  | a note |"


def test_table_shows_what_one_unit_costs_each_kind_of_process_beside_the_reference() -> None:
    ours = {"web": 200.4, "worker": 50.0, "PostgreSQL": 0.0, "load generator": 2.04, "bare": 500.0}
    assert cost.written(ours) == "web 200, worker 50, load generator 2.0; all 252"
    theirs = {"web": 400.0, "PostgreSQL": 104.88}
    assert cost.written(ours, theirs) == (
        "web 200 (400), worker 50 (0.0), PostgreSQL 0.0 (105), load generator 2.0 (0.0); all 252 (505): 0.50"
    )
    assert cost.written({}) == ""
    shown = table([Row("reads", 1, cost=ours, reference_cost=theirs)]).splitlines()[-1]
    assert shown.endswith(f"| {cost.written(ours, theirs)} |  |")


def test_median_of_costs_is_each_kinds_own() -> None:
    turns = [{"web": 1.0, "Redis": 9.0}, {"web": 3.0}, {"web": 2.0, "Redis": 1.0}]
    assert cost.median(turns) == {"web": 2.0, "Redis": 1.0}


def test_share_at_most_is_met_up_to_it() -> None:
    assert at_most(0.75, 75, 100).met
    assert not at_most(0.75, 76, 100).met


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'--enable-shared' 'CFLAGS=-O2'", "without `--enable-optimizations` and `--with-lto`"),
        ("'--enable-optimizations'", "with `--enable-optimizations`, without `--with-lto`"),
        ("'--enable-optimizations' '--with-lto'", "with `--enable-optimizations` and `--with-lto`"),
        ("'--with-lto'", "with `--with-lto`, without `--enable-optimizations`"),
    ],
)
def test_heading_says_how_python_was_built(arguments: str, words: str) -> None:
    assert build.options(arguments) == words


def test_reads_go_with_each_players_token_in_turn_and_ask_for_what_is_new() -> None:
    callers = [Caller("u", token, "10.0.0.1") for token in ("one", "two")]
    asked = gets_of(Plan("get", 1, 1, 1, callers, etag='"7"'))
    assert [b"Bearer one" in asked[0], b"Bearer two" in asked[1]] == [True, True]
    assert all(request.endswith(b'\r\nIf-None-Match: "7"\r\n\r\n') for request in asked)
    assert gets_of(Plan("get", 1, 1, 1)) == [b"GET /top-scores HTTP/1.1\r\nHost: bench\r\n\r\n"]


def test_every_row_runs_alone_and_a_comparison_has_rows_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]).rows == [*ACTIONS, *ALONE]
    assert all(parse(["--rows", name]).rows == [name] for name in (*ACTIONS, *ALONE))
    assert parse(["--against", "HEAD~1"]).rows == list(ROWS)
    for unknown in (["--rows", "get,nothing"], ["--against", "HEAD~1", "--rows", "history"]):
        with pytest.raises(SystemExit):
            parse(unknown)
        assert "no such rows" in capsys.readouterr().err


def test_a_revision_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(RevisionError, match="no such-branch in this repository"):
        resolve("such-branch")
