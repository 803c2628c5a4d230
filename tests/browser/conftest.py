"""Fixtures: the machine's Chromium, windows of it, and standings that nobody had to play for."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.standings import stand
from tests.browser.windows import Windows
from tests.support.people import Player, unique
from tests.support.service import Process, Service, Stores

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


# Not for the session: as long as the driver runs, no other test could run an event loop of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for this folder."""
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """Opens windows; at the end nothing may have been complained about but what the test provoked."""
    windows = Windows(browser)
    yield windows
    complaints = windows.close()
    assert not complaints


@pytest.fixture(scope="module")
def worker(service: Service) -> Process:
    service.beat()
    return service.worker()


@pytest.fixture
def score(stores: Stores) -> Callable[[dict[str, int]], None]:
    """Adds points to players by name, who are made if need be, and publishes the board."""
    return lambda points: stand(stores, points)


@pytest.fixture
def player(web: Process) -> Iterator[Player]:
    """A player of the page's process."""
    player = Player(web.url, unique("player"))
    yield player
    player.close()
