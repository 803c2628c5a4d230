"""The organizer's page: what an organizer does there moves the board in other windows, and can be undone."""

import os
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.windows import Windows, connection, expect_score, guest_message, row, sign_in
from tests.support.people import PASSWORD, Player, unique
from tests.support.service import ROOT, Process, Service, Stores, eventually

RULES = "[velocity]\ncompletions_per_minute = 3\n"


@pytest.fixture(scope="module")
def worker(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """A worker that holds what a player completes beyond three in a minute."""
    rules = tmp_path_factory.mktemp("rules") / "fraud.toml"
    rules.write_text(RULES)
    service.beat()
    return service.worker(FRAUD_FILE=str(rules))


@pytest.fixture
def desk(windows: Windows, web: Process, operator: Player) -> Page:
    """The page, with an organizer signed in."""
    return desk_of(windows, web, operator)


@pytest.fixture
def fine(windows: Windows, web: Process) -> Page:
    """The page, with nobody signed in."""
    return windows.open(f"{web.url}/operator")


def desk_of(windows: Windows, web: Process, operator: Player, section: str = "now") -> Page:
    page = windows.open(f"{web.url}/operator#{section}", viewport={"width": 1280, "height": 900})
    sign_in(page, operator.username)
    expect(page.locator(f"#{section}")).to_be_visible()
    return page


def go(desk: Page, name: str) -> None:
    """Go to another section by its link."""
    desk.get_by_role("navigation").get_by_role("link", name=name).click()


def answer(page: Page, reason: str, points: str | None = None) -> None:
    """Fill in the dialog, and do it."""
    dialog = page.get_by_role("dialog")
    if points is not None:
        dialog.get_by_label("Points").fill(points)
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_be_hidden()


def found(desk: Page, query: str) -> Locator:
    """Look for a player, and return the row of the table."""
    go(desk, "Players")
    desk.get_by_label("Find by name").fill(query)
    rows = desk.locator("#users tr")
    expect(rows).to_have_count(1)
    return rows


def choose(row: Locator, what: str) -> None:
    """Choose from a row's menu."""
    row.locator(".menu > summary").click()
    row.locator(".menu").get_by_role("button", name=what).click()


def leave(desk: Page, how: str) -> None:
    """Sign out by the menu of the account."""
    desk.locator("#account > summary").click()
    desk.locator("#account").get_by_role("button", name=how, exact=True).click()


def check_everything(desk: Page) -> None:
    desk.get_by_role("button", name="Check everything now").click()
    expect(desk.locator("#audit")).to_have_attribute("aria-busy", "false")


def undo(desk: Page) -> None:
    desk.locator("#message").get_by_role("button", name="Undo").click()
    expect(desk.locator("#message")).to_contain_text("Undone")


def reasons(stores: Stores, player: Player) -> list[tuple[str, str | None]]:
    events = "SELECT kind, reason FROM audit_events WHERE user_id = :id AND kind <> 'held' ORDER BY id"
    return [tuple(it) for it in stores.rows(events, id=player.user_id)]


def test_held_points_are_decided_and_the_decision_is_undone(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page, stores: Stores
) -> None:
    board = windows.open(web.url)
    player.score(times=5)
    settled = "SELECT count(*) FROM actions WHERE user_id = :id AND settlement = :state"
    eventually(lambda: stores.value(settled, id=player.user_id, state="held") == 2, what="two held actions")
    expect_score(board, player.username, 30)
    expect(desk.locator("#now .case").first).to_be_visible()
    if os.environ.get("UPDATE_SCREENSHOTS"):
        desk.screenshot(path=ROOT / "docs" / "operator.png")
    go(desk, "To decide")
    case = desk.locator("#cases .case", has_text=player.username)
    expect(case).to_contain_text("held: +20")
    expect(case).to_contain_text("5 completions in a minute, more than 3.")
    expect(case.locator(".legend")).to_contain_text("limit: 3")
    case.get_by_role("button", name="Let all 2 count").click()
    expect(case).to_have_count(0)
    expect_score(board, player.username, 50)
    undo(desk)
    expect(case).to_be_visible()
    expect_score(board, player.username, 30)
    case.get_by_role("button", name="Take back").click()
    asked = case.get_by_role("group", name="Why take it back")
    expect(asked.get_by_role("button", name="too fast")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    expect(case.get_by_role("button", name="Take back")).to_be_focused()
    case.get_by_role("button", name="Take back").click()
    asked.get_by_role("button", name="too fast").click()
    expect(case).to_have_count(0)
    assert stores.value(settled, id=player.user_id, state="reversed") == 2
    assert ("reversed", "too fast") in reasons(stores, player)


def test_player_is_suspended_by_one_tap_and_everything_can_be_undone(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page, stores: Stores
) -> None:
    board = windows.open(web.url)
    player.score()
    expect_score(board, player.username, 10)
    user = found(desk, player.username)
    choose(user, "Suspend")
    user.get_by_role("button", name="Other").click()
    user.get_by_label("Reason").fill("plays with four hands")
    desk.keyboard.press("Enter")
    expect(row(board, player.username)).to_have_count(0)
    expect(user).to_contain_text("suspended")
    undo(desk)
    expect_score(board, player.username, 10)
    expect(user).not_to_contain_text("suspended")
    choose(user, "Hide")
    expect(user).to_contain_text("hidden")
    expect(row(board, player.username)).to_have_count(0)
    choose(user, "Show")
    expect_score(board, player.username, 10)
    choose(user, "Give points")
    answer(desk, "a prize", points="15")
    expect_score(board, player.username, 25)
    expect(user).to_contain_text("25")
    choose(user, "Give points")
    desk.get_by_role("button", name="Leave it").click()
    choose(user, "Rename")
    desk.get_by_label("Name on boards").fill("Zoë")
    answer(desk, "asked for it")
    expect(user).to_contain_text("Zoë")
    wanted = ["suspended", "reinstated", "hidden", "shown", "adjusted", "renamed"]
    assert [kind for kind, _ in reasons(stores, player)][-6:] == wanted

    choose(user, "What happened")
    events = desk.locator("#trail li")
    expect(events.first).to_contain_text(f"You renamed {player.username}: asked for it")
    expect(events.nth(1)).to_contain_text(f"You gave {player.username} 15 points: a prize")
    expect(events.nth(5)).to_contain_text("plays with four hands")
    events.first.get_by_role("button", name="Undo").click()
    expect(events.first).to_contain_text(f"You renamed {player.username}: Undone")
    desk.get_by_label("Kind").select_option("hidden")
    expect(events).to_have_count(1)
    windows.provoke("/adjust")
    go(desk, "Players")
    choose(user, "Give points")
    answer(desk, "too much", points="-500")
    expect(desk.locator("#message")).to_have_attribute("data-tone", "bad")


def test_points_go_to_several_and_are_taken_back(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page, stores: Stores
) -> None:
    other = Player(web.url, unique("player"))
    desk.get_by_role("button", name="Give points").click()
    dialog = desk.get_by_role("dialog")
    for name in (player.username, other.username):
        dialog.get_by_label("To whom").fill(name)
        dialog.locator("#give-found").get_by_role("button", name=name).click()
    expect(dialog.locator("#give-chosen li")).to_have_count(2)
    answer(desk, "won the quiz", points="250")
    total = "SELECT total_score FROM users WHERE id = :id"
    eventually(lambda: {stores.value(total, id=it.user_id) for it in (player, other)} == {250}, what="points of both")
    undo(desk)
    assert {stores.value(total, id=it.user_id) for it in (player, other)} == {0}
    other.close()


def test_one_sentence_says_what_is_wrong(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page, stores: Stores
) -> None:
    board = windows.open(web.url)
    sign_in(board, player.username)
    player.score()
    expect_score(board, player.username, 10)
    verdict = desk.locator("#verdict")
    pause = desk.locator("#lever-pause")
    pause.click()
    expect(pause).to_contain_text("Resume updates")
    undo(desk)
    expect(pause).to_contain_text("Pause updates")
    player.score()
    expect_score(board, player.username, 20)
    desk.get_by_text("For engineers").click()
    check_everything(desk)
    expect(desk.locator("#checks li", has_text="top-scores")).to_contain_text("right")
    expect(desk.locator("#checks .bad")).to_have_count(0)
    counter = desk.locator("#counters div", has_text="completions/min").locator("dd")
    expect(counter).to_have_text(re.compile(r"^[1-9]"))
    expect(desk.locator("#hour i")).to_have_count(60)
    expect(desk.locator("#hour-points")).to_have_text(re.compile(r"^[1-9]"))
    own = desk.locator("#preview tr", has_text=player.username)
    expect(own.locator(".score")).to_have_text("20")
    stores.execute("UPDATE users SET total_score = total_score + 1 WHERE id = :id", id=player.user_id)
    check_everything(desk)
    expect(desk.locator("#checks .bad").first).to_be_visible()
    expect(verdict).to_have_attribute("data-tone", "bad")
    expect(verdict).to_contain_text("The check found")
    stores.execute("UPDATE users SET total_score = total_score - 1 WHERE id = :id", id=player.user_id)


@pytest.mark.parametrize(
    ("news", "tone", "words"),
    [
        ("", "good", "Everything is fine. All points are on the board and nothing is held."),
        ("reachable: false", "bad", "The service can't be reached."),
        ("stats: null", "wait", "Looking …"),
        ("stats: {held: 0, settleLagSeconds: 40.4, unsettled: 3}", "bad", "Points are late by 40 s"),
        ("stats: {held: 3, settleLagSeconds: 0}", "wait", "3 scores wait for you. All other points"),
        (
            "audit: {ok: false, at: new Date(), checks: [{name: 'a', violations: 2}]}",
            "bad",
            "The check found 2 mistakes.",
        ),
        ("flags: [{name: 'broadcast', enabled: false}]", "wait", "Updates are paused"),
        ("boards: [{frozen: true}, {frozen: false}]", "good", "Everything is fine. One board is frozen"),
    ],
)
def test_sentence_says_the_worst_first(fine: Page, news: str, tone: str, words: str) -> None:
    told = fine.evaluate(
        f"""async () => {{
            const {{ judge }} = await import(new URL("static/organize/verdict.js", document.baseURI).href);
            const stats = {{held: 0, settleLagSeconds: 0, unsettled: 0}};
            return judge({{stats, reachable: true, flags: [], boards: [], audit: null, {news}}});
        }}"""
    )
    assert told["tone"] == tone
    assert f"{told['words']} {told['about']}".startswith(words)


def test_settings_and_snippets_are_made_and_undone(web: Process, worker: Process, desk: Page) -> None:
    go(desk, "Settings")
    desk.get_by_role("button", name="Mine", exact=True).click()
    form = desk.locator("#network-form")
    expect(form.get_by_label("Address or network")).to_have_value(re.compile(r"^127\.0\.0\.1"))
    form.get_by_label("Reason").fill("the hall")
    form.get_by_role("button", name="Trust it").click()
    network = desk.locator("#networks li", has_text="the hall")
    expect(network).to_be_visible()
    undo(desk)
    expect(network).to_have_count(0)

    hook = desk.locator("#webhook-form")
    hook.get_by_label("Address").fill("http://127.0.0.1:9/never-answers")
    hook.get_by_label("points that are held").check()
    hook.get_by_role("button", name="Make a webhook").click()
    expect(desk.locator("#new-secret-itself")).to_have_value(re.compile("^whsec_"))
    made = desk.locator("#webhooks > li", has_text="never-answers")
    made.get_by_role("button", name="Pause").click()
    expect(made).to_contain_text("paused")
    undo(desk)
    expect(made).not_to_contain_text("paused")
    first = desk.locator("#new-secret-itself").input_value()
    made.get_by_role("button", name="New secret").click()
    answer(desk, "the yearly change")
    expect(desk.locator("#new-secret-itself")).not_to_have_value(first)
    expect(desk.locator("#new-secret-itself")).to_have_value(re.compile("^whsec_"))
    made.get_by_role("button", name="Delete").click()
    answer(desk, "it was a test")
    expect(made).to_have_count(0)

    go(desk, "Share")
    snippet = desk.locator("#snippet-form")
    snippet.get_by_label("Rows").fill("5")
    snippet.get_by_label("transparent").check()
    expect(desk.locator("#snippet")).to_have_value(
        re.compile('^<iframe src="[^"]*/embed.board=all-time&amp;rows=5&amp;transparent=1"')
    )
    with desk.expect_download() as saved:
        desk.get_by_role("button", name="Save the players").click()
    lines = Path(saved.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("rank,username,")
    assert any("operator" in line for line in lines[1:])


def test_section_has_an_address_and_keeps_the_focus_when_it_is_refreshed(
    windows: Windows, web: Process, worker: Process, player: Player, desk: Page
) -> None:
    user = found(desk, player.username)
    assert desk.url.endswith("/operator#players")
    expect(desk).to_have_title(re.compile("^Players · "))
    dots = user.locator(".menu > summary")
    dots.focus()
    player.score()
    with desk.expect_response("**/admin/players?*"):
        desk.get_by_label("Order").select_option("name")
    dots.focus()
    expect(user).to_contain_text("10")
    expect(dots).to_be_focused()
    desk.reload()
    expect(desk.locator("#players")).to_be_visible()
    desk.go_back()
    expect(desk.locator("#now")).to_be_visible()


def test_erased_user_is_named_so_and_nothing_is_offered(
    web: Process, player: Player, operator: Player, desk: Page
) -> None:
    player.score()
    answer = operator.http.post(f"/admin/users/{player.user_id}/erase", json={"reason": "asked for it"})
    assert answer.status_code == 200
    user = found(desk, player.user_id)
    expect(user).to_contain_text("An erased user")
    expect(user).to_contain_text("erased")
    expect(user.locator(".menu")).to_have_count(0)


def test_held_action_of_an_erased_user_names_nobody(
    web: Process, worker: Process, player: Player, operator: Player, desk: Page, stores: Stores
) -> None:
    player.score(times=4)
    held = "SELECT id::text FROM actions WHERE user_id = :id AND settlement = 'held'"
    eventually(lambda: stores.rows(held, id=player.user_id), what="a held action")
    assert operator.http.post(f"/admin/users/{player.user_id}/erase", json={"reason": "left"}).status_code == 200
    desk.reload()
    go(desk, "To decide")
    expect(desk.locator("#cases .case", has_text="An erased user").first).to_contain_text("+10")
    expect(desk.locator("#cases")).not_to_contain_text("null")


def test_player_is_turned_away_and_stays_signed_in_elsewhere(windows: Windows, web: Process, player: Player) -> None:
    page = windows.open(web.url)
    sign_in(page, player.username)
    expect(connection(page)).to_have_text("Live")
    desk = windows.open_beside(page, f"{web.url}/operator")
    sign_in(desk, player.username)
    expect(guest_message(desk)).to_contain_text("for organizers")
    expect(desk.locator("#desk")).to_be_hidden()
    assert desk.evaluate("() => sessionStorage.length") == 0
    page.reload()
    expect(connection(page)).to_have_text("Live")
    assert player.http.get(f"/users/{player.user_id}").status_code == 200


def test_operator_signs_out_here_and_everywhere(windows: Windows, web: Process, operator: Player, desk: Page) -> None:
    leave(desk, "Sign out")
    expect(guest_message(desk)).to_have_text("You are signed out on this device.")
    assert operator.http.get("/admin/flags").status_code == 200
    sign_in(desk, operator.username)
    leave(desk, "Sign out everywhere")
    expect(guest_message(desk)).to_have_text("You are signed out, on every device.")
    eventually(lambda: operator.http.get("/admin/flags").status_code == 401, what="that the older token is over")


def test_service_goes_away_and_comes_back(windows: Windows, service: Service, operator: Player) -> None:
    web = service.web()
    windows.provoke("/admin/", "/top-scores", "/boards", "/ws")
    page = windows.open(f"{web.url}/operator")
    sign_in(page, operator.username)
    expect(connection(page)).to_have_text("Live")
    web.kill()
    expect(connection(page)).to_have_text("The service can't be reached.")
    service.web(port=web.port)
    expect(connection(page)).to_have_text("Live", timeout=30_000)


@pytest.mark.parametrize("width", [320, 390, 1280, 3840])
def test_organizers_page_fits_the_window(
    windows: Windows, web: Process, worker: Process, operator: Player, player: Player, width: int
) -> None:
    player.score(times=4)
    page = windows.open(f"{web.url}/operator?lang=de", viewport={"width": width, "height": 900})
    page.locator("#sign-in").get_by_label("Benutzername").fill(operator.username)
    page.locator("#sign-in").get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden", exact=True).click()
    expect(page.locator("#first-cases .case").first).to_be_visible()
    for section in ("now", "decide", "players", "boards", "share", "activity", "settings"):
        page.evaluate("(section) => { location.hash = section }", section)
        expect(page.locator(f"#{section}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), section


def test_service_key_is_made_shown_once_and_revoked(web: Process, desk: Page) -> None:
    name = unique("server")
    go(desk, "Settings")
    broadcast = desk.locator("#flags li", has_text="broadcast")
    broadcast.get_by_role("button", name="Switch off").click()
    expect(broadcast).to_contain_text("no screen gets an update")
    undo(desk)
    expect(broadcast).not_to_contain_text("no screen")
    desk.get_by_label("Name of the key").fill(name)
    desk.get_by_role("button", name="Make a key").click()
    expect(desk.locator("#message")).to_contain_text("Choose what the key may do")
    desk.get_by_label("report actions of any player").check()
    desk.get_by_role("button", name="Make a key").click()
    shown = desk.get_by_label(f"The key {name}")
    expect(shown).to_have_value(re.compile(r"sbk_[\w-]{43}"))
    expect(shown).to_be_focused()
    key = shown.input_value()
    desk.locator("#copy-key").click()
    expect(desk.locator("#message")).to_contain_text(re.compile("Copied|selected"))
    card = desk.locator("#keys li", has_text=name)
    expect(card).to_contain_text("actions")
    expect(card).to_contain_text("never used")
    with httpx2.Client(base_url=web.url, headers={"authorization": f"Bearer {key}"}) as server:
        assert server.get("/top-scores").status_code == 200
        desk.reload()
        expect(card).to_be_visible()
        expect(shown).to_be_hidden()
        assert key not in desk.content()
        card.get_by_role("button", name="Revoke").click()
        answer(desk, "no longer needed")
        expect(card).to_have_count(0)
        assert server.get("/top-scores").status_code == 401
