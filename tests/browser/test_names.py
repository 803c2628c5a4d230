"""Display names on the pages: chosen by players, shown in any script, changed by operators."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_looks import PLAYERS, Score
from tests.browser.test_operator import answer, choose, found
from tests.browser.windows import Windows, connection, heading, row, sign_in
from tests.support.live import clear
from tests.support.people import Player, set_role, unique
from tests.support.service import Process, Stores, eventually

LONG = "Z\u0351\u036b\u0343\u036aa" * 16
RIGHT_TO_LEFT = "شادي 7 (البطل)"
NAMES = {"Ingrid.S": "李 雷 🦊", "tomasz_w": RIGHT_TO_LEFT, "Mateo": LONG, "Yuki_H": "ゆき", "priya-n": "प्रिया <b>"}


@pytest.fixture
def named(score: Score, stores: Stores) -> None:
    """A full board, of which some have display names."""
    clear(stores)
    score(PLAYERS)
    for username, name in NAMES.items():
        stores.execute("UPDATE users SET display_name = :name WHERE username = :it", name=name, it=username)
    score({"Ingrid.S": 1})


def test_player_chooses_a_name_that_the_board_shows(
    windows: Windows, web: Process, named: None, alice: Player, score: Score
) -> None:
    windows.provoke(f"/users/{alice.user_id}")
    score({alice.username: 100_000})
    page, beside = windows.open(web.url), windows.open(web.url)
    sign_in(page, alice.username)
    expect(heading(page)).to_have_text(alice.username)
    page.get_by_text("Your account").click()
    field, button = page.get_by_label("Name on boards"), page.get_by_role("button", name="Save the name")
    told = page.locator("#account-message")
    field.fill("Zoë 🦊")
    button.click()
    expect(told).to_have_text("Boards show this name now.")
    for window in (page, beside):
        mine = row(window, alice.username)
        expect(mine.locator(".name")).to_have_text("Zoë 🦊")
        expect(mine.locator(".name")).to_have_attribute("title", f"Zoë 🦊 ({alice.username})")
        expect(mine.locator(".username")).to_have_text(alice.username)
    expect(heading(page)).to_have_text("Zoë 🦊")
    field.fill("x" * 33)
    button.click()
    expect(told).to_contain_text("at most 32 characters")
    page.reload()
    page.get_by_text("Your account").click()
    expect(field).to_have_value("Zoë 🦊")
    field.fill("")
    button.click()
    expect(told).to_have_text("Boards show your username now.")
    expect(row(page, alice.username).locator(".name")).to_have_text(alice.username)
    expect(row(page, alice.username).locator(".username")).to_be_hidden()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(field).to_have_value("")


def test_operator_renames_a_player(windows: Windows, web: Process, stores: Stores, alice: Player, bob: Player) -> None:
    set_role(stores, bob.user_id)
    eventually(lambda: bob.http.get("/admin/users").status_code == 200, within=5, what="the role")
    desk = windows.open(f"{web.url}/operator#players")
    sign_in(desk, bob.username)
    choose(found(desk, alice.username), "Rename")
    dialog, new = desk.locator("#ask"), unique("renamed")
    expect(dialog.get_by_label("Name to sign in with")).to_have_value(alice.username)
    dialog.get_by_label("Name to sign in with").fill(new)
    dialog.get_by_label("Name on boards").fill(RIGHT_TO_LEFT)
    answer(desk, "asked for")
    expect(desk.locator("#message")).to_contain_text("The name is")
    user = found(desk, new)
    expect(user.locator("bdi").first).to_have_text(RIGHT_TO_LEFT)
    expect(user.locator(".username")).to_have_text(new)
    choose(user, "Erase")
    expect(dialog.locator("#ask-names")).to_be_hidden()
    desk.get_by_role("button", name="Leave it").click()
    assert stores.rows("SELECT username, display_name FROM users WHERE id = :id", id=alice.user_id) == [
        (new, RIGHT_TO_LEFT)
    ]


def _in_order(page: Page) -> None:
    """Check that each row reads rank, name, score, from left to right, and that nothing leaves its cell."""
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for number in range(10):
        boxes = rows.nth(number).evaluate(
            """row => [".rank", ".player", ".name", ".score"].map((part) => {
                const {left, right, top, bottom} = row.querySelector(part).getBoundingClientRect();
                return [left, right, top, bottom];
            })"""
        )
        rank, player, name, points = boxes
        assert rank[1] <= player[0] + 1
        assert player[1] <= points[0] + 1
        assert player[0] <= name[0]
        assert name[1] <= player[1] + 1
        assert player[2] - 1 <= name[2]
        assert name[3] <= player[3] + 1


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "light"), (1280, 800, "dark")])
def test_names_of_any_script_leave_the_rows_in_order(
    windows: Windows, web: Process, named: None, width: int, height: int, scheme: str, tmp_path: Path
) -> None:
    page = windows.open(web.url, viewport={"width": width, "height": height}, color_scheme=scheme)
    expect(page.locator("#rows .name").first).to_have_text("李 雷 🦊")
    expect(page.locator("#rows .name", has_text=re.compile("<b>"))).to_have_text("प्रिया <b>")
    expect(connection(page)).not_to_have_text("Loading…")
    _in_order(page)
    page.screenshot(path=tmp_path / "board.png", full_page=True)
