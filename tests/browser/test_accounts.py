"""Accounts on the pages: an operator makes users, prints their slips, and gives a link to who forgot the password."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.test_operator import choose, desk_of, found, leave
from tests.browser.windows import Windows, heading, sign_in
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import Process, Stores

NEW = "another horse battery"
SLIP = re.compile(r"Username(?P<username>\S+)Password(?P<password>[a-z2-9-]{14})$")


def test_one_user_is_made_and_signs_in_with_the_slip(windows: Windows, web: Process, operator: Player) -> None:
    desk, name = desk_of(windows, web, operator, "players"), unique("zoe")
    desk.get_by_role("button", name="Add a player").click()
    form = desk.locator("#make-user")
    form.get_by_label("Name to sign in with").fill(name)
    form.get_by_label("Name to show").fill("Zoë")
    desk.get_by_role("button", name="Add the player").click()
    password = desk.locator("#made-users .password").inner_text()
    expect(desk.locator("#made-users")).to_contain_text("Zoë")
    page = windows.open(web.url)
    sign_in(page, name, password)
    expect(heading(page)).not_to_be_empty()
    leave(desk, "Sign out")
    expect(desk.locator("#slips .slip")).to_have_count(0)
    expect(desk.locator("#made-users li")).to_have_count(0)


def test_list_is_checked_made_and_printed_on_slips(
    windows: Windows, web: Process, operator: Player, stores: Stores, tmp_path: Path
) -> None:
    windows.provoke("/admin/users/import")
    desk = desk_of(windows, web, operator, "players")
    desk.get_by_role("button", name="Import a list").click()
    names = [unique("pupil") for _ in range(12)]
    listed = "".join(f"{name};Pupil {number}\n" for number, name in enumerate(names, 1))
    desk.get_by_label("List").fill(f"username;displayName\n{listed}x;\n")
    desk.get_by_role("button", name="Check the list").click()
    expect(desk.locator("#import-problems li")).to_have_count(1)
    expect(desk.locator("#import-problems")).to_contain_text("Line 14")

    file = tmp_path / "class.csv"
    file.write_bytes(f"\ufeffusername;displayName\r\n{listed}".encode())
    desk.get_by_label("File").set_input_files(file)
    expect(desk.locator("#message")).to_contain_text("12 players would be added")
    desk.get_by_role("button", name="Add them").click()
    expect(desk.locator("#message")).to_contain_text("12 players were added")
    assert stores.value("SELECT count(*) FROM users WHERE username = ANY(:names)", names=names) == 12

    desk.emulate_media(media="print")
    expect(desk.locator("main")).to_be_hidden()
    slips = desk.locator("#slips .slip")
    expect(slips).to_have_count(12)
    desk.evaluate("window.print = () => { window.printed = true }")
    pdf = desk.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2, "ten on a page"
    expect(slips.first).to_contain_text("Pupil 1")
    expect(slips.first).to_contain_text(web.url)
    found = SLIP.search("".join(slips.last.inner_text().split()))
    assert found is not None
    assert found["username"] == names[-1]
    desk.emulate_media(media="screen")
    desk.get_by_role("button", name="Print slips").click()
    assert desk.evaluate("window.printed") is True

    page = windows.open(web.url)
    sign_in(page, found["username"], found["password"])
    expect(heading(page)).not_to_be_empty()
    desk.get_by_label("List").fill(f"username;displayName\n{listed}")
    desk.get_by_role("button", name="Add them").click()
    expect(desk.locator("#message")).to_contain_text("0 players were added. 12 are there already")


def test_link_sets_a_new_password_and_signs_in(
    windows: Windows, web: Process, operator: Player, player: Player
) -> None:
    windows.provoke("/auth/reset")
    desk = desk_of(windows, web, operator, "players")
    choose(found(desk, player.username), "New password")
    expect(desk.locator("#reset-link-itself")).to_have_value(re.compile(rf"^{re.escape(web.url)}/#reset="))
    url = desk.locator("#reset-link-itself").input_value()

    page = windows.open(url)
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    assert page.url == f"{web.url}/", "the token is not in the address bar"
    page.get_by_label("Password from now on").fill(NEW)
    page.get_by_role("button", name="Set it and sign in").click()
    expect(heading(page)).to_have_text(player.username)
    expect(page.locator("#reset-card")).to_be_hidden()
    page.reload()
    expect(heading(page)).to_have_text(player.username)

    again = windows.open(url)
    again.get_by_label("Password from now on").fill(PASSWORD)
    again.get_by_role("button", name="Set it and sign in").click()
    expect(again.locator("#reset-message")).to_contain_text("This link is not valid")
    sign_in(again, player.username, NEW)
    expect(heading(again)).to_have_text(player.username)
