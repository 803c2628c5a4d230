"""The element that shows boards, by itself: any board, any unit."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.windows import Windows
from tests.support.service import Process

ELEMENT = """() => {
  const made = () => {
    const board = document.createElement("score-board");
    document.body.append(board);
    board.own = "2";
    return board;
  };
  window.boards = { one: made(), other: made() };
  window.rows = (board) => [...board.querySelectorAll("tbody tr")].map((row) => ({
    name: row.querySelector(".name").textContent,
    score: row.querySelector(".score").textContent,
    share: row.querySelector(".bar").style.getPropertyValue("--share"),
    own: row.classList.contains("own"),
    note: row.querySelector(".note").textContent,
    mark: row.querySelector(".mark").textContent,
  }));
  window.board = (...scores) => ({ payload: scores.map((score, at) =>
    ({ userId: String(at + 1), username: `p${at + 1}`, score, rank: at + 1 })) });
}"""


@pytest.fixture
def page(windows: Windows, web: Process) -> Page:
    page = windows.open(web.url, fake_clock=True)
    page.evaluate(ELEMENT)
    return page


def _rows(page: Page, name: str = "one") -> Any:
    return page.evaluate(f"() => rows(boards.{name})")


def test_element_draws_the_newest_and_not_each(page: Page) -> None:
    page.clock.pause_at(page.evaluate("() => Date.now() + 10_000"))
    page.evaluate("() => { for (let n = 1; n <= 20; n++) boards.one.show(board(n)); }")
    assert [row["score"] for row in _rows(page)] == ["1"]
    page.clock.run_for(900)
    assert [row["score"] for row in _rows(page)] == ["1"]
    page.clock.run_for(100)
    assert [row["score"] for row in _rows(page)] == ["20"]
    assert _rows(page, "other") == []  # another element is another board

    page.evaluate("() => { boards.one.show(board(21)); boards.one.clear({}); }")
    page.clock.run_for(1_100)
    assert _rows(page) == []  # what was to be drawn belonged to the board before
    # Taken out of the page it draws nothing and keeps no timer; put back it shows what came last.
    page.evaluate("() => { boards.one.show(board(1)); boards.one.show(board(22)); boards.one.remove(); }")
    page.clock.run_for(1_100)
    assert [row["score"] for row in _rows(page)] == ["1"]
    page.evaluate("() => document.body.append(boards.one)")
    assert [row["score"] for row in _rows(page)] == ["22"]


def test_element_shows_values_in_the_unit_and_order_of_the_board(page: Page) -> None:
    page.evaluate("() => { boards.one.rule = {unit: 'ms', order: 'lowest'}; boards.one.show(board(60_000, 120_005)); }")
    first, second = _rows(page)
    assert (first["score"], first["share"], first["own"]) == ("1:00.000", "1", False)
    assert (second["score"], second["own"]) == ("2:00.005", True)
    assert first["note"] == "leads by 1:00.005"
    assert 0.49 < float(second["share"]) < 0.5


def test_element_tells_ties_and_marks_the_two_who_climbed_last(page: Page) -> None:
    page.clock.pause_at(page.evaluate("() => Date.now() + 10_000"))
    page.evaluate("() => { boards.one.setAttribute('rows', '4'); boards.one.show(board(9, 5, 5, 4, 3)); }")
    rows = _rows(page)
    assert [row["note"] for row in rows] == ["leads by 4", "first to reach 5", "", ""]
    assert [row["mark"] for row in rows] == ["", "", "", ""]
    page.clock.run_for(1_000)
    page.evaluate("""() => {
      const [first, second, third, fourth, fifth] = board(9, 5, 5, 4, 3).payload;
      const order = [third, fourth, second, fifth, first];
      boards.one.show({ payload: order.map((entry, at) => ({ ...entry, rank: at + 1 })) });
    }""")
    assert [row["mark"] for row in _rows(page)] == ["", "▲ 2", "", "new"]
    page.clock.run_for(6_000)
    assert [row["mark"] for row in _rows(page)] == ["", "", "", ""]


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
