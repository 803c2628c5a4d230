"""Flower, in which operators read the queues: tasks by name, with arguments, on queues."""

import os
import re
import sys

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.windows import Windows
from tests.support.people import Player
from tests.support.service import ROOT, Process, Service, Stores, eventually, free_port


@pytest.fixture
def flower(service: Service, stores: Stores) -> Process:
    port = free_port()
    env = stores.environment(FLOWER_PORT=str(port))
    process = service.start("flower", [sys.executable, "-m", "workers.flower"], env, port)
    eventually(lambda: _answers(process), within=20, what=f"Flower ({process.log})")
    return process


def _answers(process: Process) -> bool:
    try:
        return httpx2.get(process.url, timeout=1).status_code == 200
    except httpx2.TransportError:
        return False


def test_tasks_can_be_read(windows: Windows, web: Process, worker: Process, flower: Process, alice: Player) -> None:
    alice.score(3)
    page = windows.open(f"{flower.url}/tasks", viewport={"width": 1500, "height": 640}, timezone_id="UTC")

    def settled() -> bool:
        page.reload()
        return bool(rows.count())

    rows = page.locator("tr", has=page.locator("td", has_text="scoreboard.settle"))
    eventually(settled, what="the task")
    task = rows.first
    expect(task).to_contain_text("SUCCESS")
    expect(task).to_contain_text(re.compile(r"\[\['[0-9a-f-]{36}'"))  # its argument: the actions' ids
    if os.environ.get("UPDATE_SCREENSHOTS"):
        page.screenshot(path=ROOT / "docs" / "flower.png")
    task.locator("a[href^='/task/']").click()
    expect(page.locator("body")).to_contain_text(re.compile("[0-9a-f-]{36}'"))  # the actions' ids
    page.goto(f"{flower.url}/broker")
    for queue in ("settle", "sweep", "webhooks"):
        expect(page.get_by_role("cell", name=queue, exact=True)).to_be_visible()
