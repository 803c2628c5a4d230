"""The parts that pages show boards with, by themselves: any table, any unit."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.windows import Windows
from tests.support.service import Process

TABLE = """async () => {
  const { boardTable } = await import("/static/board-table.js");
  const made = () => {
    const table = document.createElement("table");
    table.append(document.createElement("tbody"));
    document.body.append(table);
    const board = boardTable(table, () => ({ ownId: "2" }));
    const rows = () => [...table.tBodies[0].rows].map((row) => ({
      name: row.querySelector(".name").textContent,
      score: row.querySelector(".score").textContent,
      share: row.querySelector(".bar").style.getPropertyValue("--share"),
      own: row.classList.contains("own"),
    }));
    return { ...board, rows };
  };
  window.boards = { one: made(), other: made() };
  window.entries = (...scores) =>
    scores.map((score, at) => ({ userId: String(at + 1), username: `p${at + 1}`, score, rank: at + 1 }));
}"""


@pytest.fixture
def page(windows: Windows, web: Process) -> Page:
    page = windows.open(web.url, fake_clock=True)
    page.evaluate(TABLE)
    return page


def _rows(page: Page, name: str = "one") -> Any:
    return page.evaluate(f"() => boards.{name}.rows()")


def test_board_table_draws_the_newest_and_not_each(page: Page) -> None:
    page.clock.pause_at(page.evaluate("() => Date.now() + 10_000"))
    page.evaluate("() => { for (let n = 1; n <= 20; n++) boards.one.show(entries(n)); }")
    assert [row["score"] for row in _rows(page)] == ["1"]
    page.clock.run_for(600)
    assert [row["score"] for row in _rows(page)] == ["1"]
    page.clock.run_for(100)
    assert [row["score"] for row in _rows(page)] == ["20"]
    assert _rows(page, "other") == []  # another table is another board

    page.evaluate("() => { boards.one.show(entries(21)); boards.one.clear({}); }")
    page.clock.run_for(1_000)
    assert _rows(page) == []  # what was to be drawn belonged to the board before


def test_board_table_shows_values_in_the_unit_and_order_of_the_board(page: Page) -> None:
    page.evaluate(
        "() => { boards.one.clear({unit: 'ms', order: 'lowest'}); boards.one.show(entries(60_000, 120_005)); }"
    )
    first, second = _rows(page)
    assert (first["score"], first["share"], first["own"]) == ("1:00.000", "1", False)
    assert (second["score"], second["own"]) == ("2:00.005", True)
    assert 0.49 < float(second["share"]) < 0.5


def test_value_is_written_in_its_unit(page: Page) -> None:
    written = {
        (83_456, "ms"): "1:23.456",
        (7, "ms"): "0:00.007",
        (3_723_004, "ms"): "1:02:03.004",
        (-1_500, "ms"): "-0:01.500",
        (83, "s"): "1:23",
        (12_345, None): "12,345",
        (12_345, "points"): "12,345",
        (12_345, "m"): "12,345\u00a0m",
    }
    write = """async (all) => {
      const { written } = await import("/static/values.js");
      return all.map(([value, unit]) => written(value, unit ?? undefined));
    }"""
    assert page.evaluate(write, list(written)) == list(written.values())
