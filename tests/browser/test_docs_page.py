"""The page at /docs: what is described can be read, found and tried there, without anything from elsewhere."""

import json
import subprocess
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import SCHEMES, findings
from tests.browser.windows import Windows, sign_in
from tests.support.people import Player
from tests.support.service import Process, Service


def test_every_operation_and_the_socket_can_be_read(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs", viewport={"width": 1280, "height": 900})
    rest = httpx2.get(f"{web.url}/openapi.json", timeout=10).json()
    described = {it["operationId"]: it for methods in rest["paths"].values() for it in methods.values()}
    expect(page.locator("section.operation")).to_have_count(len(described) + 1)
    for name, it in described.items():
        section = page.locator(f"#{name}")
        expect(section.get_by_role("heading")).to_have_text(it["summary"])
        for status in it["responses"]:
            expect(section.get_by_role("rowheader", name=status, exact=True)).to_be_visible()
    expect(page.locator("#endAction")).to_contain_text('status: "cancelled" | "completed"')
    expect(page.locator("#websocket")).to_contain_text("top_scores_update")
    expect(page.locator("#topScores").get_by_text("If-None-Match", exact=True)).to_have_js_property("tagName", "CODE")
    expect(page.locator("body")).not_to_contain_text("`")
    page.get_by_role("link", name="Log in", exact=True).click()
    expect(page.locator("#login")).to_be_in_viewport()


def test_phone_scrolls_it_down_only(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs", viewport={"width": 360, "height": 700}, color_scheme="dark")
    expect(page.locator("#websocket")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_description_that_cannot_be_had_is_told(windows: Windows, web: Process) -> None:
    windows.provoke("/openapi.json")
    page = windows.open(f"{web.url}/docs")
    page.route("**/openapi.json", lambda route: route.abort())
    page.reload()
    expect(page.locator("#state")).to_contain_text("can't be loaded")


def opened(page: Page, name: str) -> Locator:
    """Open the form of an operation."""
    section = page.locator(f"#{name}")
    section.get_by_text("Try it", exact=True).click()
    return section.locator("form")


def sent(form: Locator, status: int) -> Any:
    """Send the form, and return the answer's body."""
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".answer strong")).to_contain_text(str(status))
    return json.loads(form.get_by_label("Body", exact=True).last.inner_text())


def test_round_is_played_by_forms(windows: Windows, web: Process, alice: Player) -> None:
    page = windows.open(f"{web.url}/docs")
    sign_in(page, alice.username)
    expect(page.locator("#access-state")).to_contain_text("Signed in")
    start = opened(page, "startAction")
    expect(start.get_by_label("userId")).to_have_value(alice.user_id)
    action_id = sent(start, 201)["actionId"]
    expect(start.get_by_label("Headers")).to_contain_text(f"location: /users/{alice.user_id}/actions/{action_id}")
    end = opened(page, "endAction")
    end.get_by_label("actionId").fill(action_id)
    end.get_by_label("Body, JSON").fill('{"status": "completed"}')
    assert sent(end, 200)["awardedPoints"] == 10
    assert alice.http.get(f"/users/{alice.user_id}/actions/{action_id}").json()["status"] == "completed"
    found = opened(page, "listActions")
    found.get_by_label("status").select_option("cancelled")
    found.get_by_label("limit").fill("5")
    assert sent(found, 200)["items"] == []


def test_refusal_is_shown_as_it_is_answered(windows: Windows, web: Process, alice: Player) -> None:
    windows.provoke("/auth/login", "/users/")
    page = windows.open(f"{web.url}/docs")
    sign_in(page, alice.username, "wrong password")
    expect(page.locator("#access-state")).to_contain_text("The username or the password is wrong.")
    read = opened(page, "readAccount")
    read.get_by_label("userId").fill("a/b?c")
    assert sent(read, 404)["code"] == "not-found"
    read.get_by_label("userId").fill(alice.user_id)
    assert sent(read, 401)["code"] == "unauthorized"
    expect(read.get_by_label("Headers")).to_contain_text("www-authenticate: Bearer")
    page.get_by_label("Token or service key").fill(alice.token)
    assert sent(read, 200)["username"] == alice.username
    page.route("**/users/**", lambda route: route.abort())
    read.get_by_role("button", name="Send").click()
    expect(read.locator(".answer")).to_have_text("No answer: the service can't be reached.")


def test_curl_line_is_run_by_a_shell(windows: Windows, web: Process, alice: Player) -> None:
    page = windows.open(f"{web.url}/docs")
    page.get_by_label("Token or service key").fill(alice.token)
    form = opened(page, "startAction")
    form.get_by_label("userId").fill(alice.user_id)
    form.get_by_label("Body, JSON").fill('{"status": "started", "metadata": {"it\'s": "$(id) `id` \\"quoted\\""}}')
    line = form.locator(".curl").inner_text()
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith("HTTP/1.1 201 ")
    assert json.loads(done.stdout.splitlines()[-1])["metadata"] == {"it's": '$(id) `id` "quoted"'}
    assert subprocess.run(["bash", "-nc", line], check=True).returncode == 0
    bare = opened(page, "topScores").locator(".curl")
    expect(bare).to_contain_text(f"'{web.url}/top-scores'")
    expect(bare).not_to_contain_text("--request")


def test_search_shows_what_has_all_words(windows: Windows, web: Process) -> None:
    page = windows.open(f"{web.url}/docs")
    shown = page.locator("section.operation:visible")
    expect(page.locator("#websocket")).to_be_visible()
    total = shown.count()
    page.get_by_role("searchbox", name="Search").fill("Complete cancel")
    expect(shown).to_have_count(1)
    expect(shown).to_have_id("endAction")
    expect(page.get_by_text(f"1 of {total} operations")).to_be_visible()
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(1)
    expect(page.get_by_role("heading", name="Operators")).to_be_hidden()
    page.get_by_role("searchbox", name="Search").fill("no such thing")
    expect(shown).to_have_count(0)
    page.get_by_role("searchbox", name="Search").fill("")
    expect(shown).to_have_count(total)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_in_an_open_form(windows: Windows, web: Process, alice: Player, scheme: str) -> None:
    page = windows.open(f"{web.url}/docs", color_scheme=scheme, viewport={"width": 390, "height": 844})
    sign_in(page, alice.username)
    expect(page.locator("#access-state")).to_contain_text("Signed in")
    sent(opened(page, "startAction"), 201)
    opened(page, "listActions")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_sign_in_is_not_offered_where_there_are_no_passwords(windows: Windows, service: Service) -> None:
    page = windows.open(f"{service.web(PASSWORD_LOGIN='off').url}/docs")
    expect(page.get_by_label("Token or service key")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_hidden()
