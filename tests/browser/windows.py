"""Windows on the page, each with a storage of its own, and what players do in them."""

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, WebError, expect

from tests.browser.older import make_older, make_tv
from tests.support.people import PASSWORD

# The browser's own lines about requests, which no page can keep from the console.
_REQUEST_FAILED = re.compile(r"Failed to load resource: |WebSocket connection to ")


class Windows:
    """Opens windows and collects what they complain about: errors, policy violations, requests to elsewhere."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []
        self._provoked: set[str] = set()

    def open(
        self,
        url: str,
        *,
        fake_clock: bool = False,
        older: bool = False,
        tv: bool = False,
        beside: tuple[str, ...] = (),
        **options: Any,
    ) -> Page:
        """Open the page in a window of its own, without animations unless asked for by `reduced_motion`.

        Args:
            fake_clock: its timers can be put forward; they run by themselves nevertheless.
            beside: other addresses whose servers may be asked.
            older: what browsers have learned in the last five years is taken away.
            tv: and what Chromium 79 hadn't learned yet.
        """
        context = self._browser.new_context(**{"reduced_motion": "reduce", "locale": "en-GB", **options})
        self._contexts.append(context)

        def on_console(line: ConsoleMessage) -> None:
            if line.type not in ("error", "warning"):
                return
            where = f"{line.text} {line.location['url']}"
            if not (_REQUEST_FAILED.match(line.text) and any(path in where for path in self._provoked)):
                self._complaints.append(where)

        def on_error(error: WebError) -> None:
            self._complaints.append(str(error.error))

        def on_request(request: Request) -> None:
            if urlsplit(request.url).netloc not in {urlsplit(it).netloc for it in (url, *beside)}:
                self._complaints.append(f"a request to {request.url}")

        context.on("console", on_console)
        context.on("weberror", on_error)
        context.on("request", on_request)
        if older:
            make_older(context)
        if tv:
            make_tv(context)
        page = context.new_page()
        if fake_clock:
            page.clock.install()
        page.goto(url)
        return page

    def open_beside(self, page: Page, url: str) -> Page:
        """Open the page in another tab of the same browser."""
        other = page.context.new_page()
        other.goto(url)
        return other

    def provoke(self, *paths: str) -> None:
        """Expect requests to these paths to fail."""
        self._provoked.update(paths)

    def close(self) -> list[str]:
        """Close all windows and give the complaints."""
        for context in self._contexts:
            # A handler that is cut short would fail the next test.
            for page in context.pages:
                page.unroute_all(behavior="wait")
            context.unroute_all(behavior="wait")
            context.close()
        return self._complaints


def open_form(page: Page, *, joining: bool) -> None:
    """Have the player's page show the form that makes an account, or the one that signs in; others show theirs."""
    page.wait_for_load_state()
    if page.locator("#joining").count() == 0:
        return
    expect(page.locator("#join")).to_be_visible()
    if page.locator("#joining").is_hidden():
        page.locator("#join").click()
    switch = page.locator("#switch")
    if switch.is_visible() and (switch.get_attribute("aria-pressed") == "true") != joining:
        switch.click()


def act(page: Page, title: str) -> Locator:
    """The button of a type of action: it starts one, and finishes it."""
    return page.locator(".act", has=page.get_by_text(re.compile(f"^(Finish )?{title}$"))).locator(".act-main")


def play(page: Page, title: str = "Action") -> None:
    """Start an action and finish it."""
    act(page, title).click()
    expect(act(page, title)).to_contain_text("Finish")
    act(page, title).click()


def sign_up(page: Page, username: str) -> None:
    """Make an account and be signed in."""
    open_form(page, joining=True)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(heading(page)).to_have_text(username)


def sign_in(page: Page, username: str, password: str = PASSWORD) -> None:
    """Fill in the form and send it."""
    open_form(page, joining=False)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.locator("form").get_by_role("button", name="Sign in", exact=True).click()


def heading(page: Page) -> Locator:
    """The name of the one who is signed in."""
    return page.locator("#player-name")


def connection(page: Page) -> Locator:
    return page.locator("#connection")


def message(page: Page) -> Locator:
    """What the player is told."""
    return page.locator("#player-message")


def guest_message(page: Page) -> Locator:
    """What the one who isn't signed in is told."""
    return page.locator("#guest-message")


def row(page: Page, username: str) -> Locator:
    """A player's row on the board."""
    return page.locator("#rows tr", has=page.get_by_text(username, exact=True))


def expect_score(page: Page, username: str, points: int, *, within: float = 10) -> None:
    """Wait until the board shows a player with these points; `within` seconds."""
    expect(row(page, username).locator(".score")).to_have_text(f"{points:,}", timeout=within * 1000)
