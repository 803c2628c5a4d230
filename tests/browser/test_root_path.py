"""Below a path of a host that has others: every page, address and socket, behind a proxy that strips it and one not."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.windows import Windows, connection, expect_score, message, play, sign_in
from tests.support import nginx
from tests.support.people import Player
from tests.support.service import Process, Service, free_port

BELOW = "/games/board"
PROXY = """
worker_processes 1;
events {{ worker_connections 256; }}
error_log {folder}/error.log;
pid {folder}/nginx.pid;
http {{
{folders}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        access_log off;
        location / {{ return 404; }}
        location {below} {{
            {strip}
            proxy_pass http://127.0.0.1:{web};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""
STRIPS = f"rewrite ^{BELOW}/?(.*)$ /$1 break;"


SIGNING_KEY = "ed25519:" + "A" * 43 + "="


@pytest.fixture(scope="module")
def web(service: Service) -> Process:
    service.worker(SIGNING_KEY=SIGNING_KEY)
    service.beat(SIGNING_KEY=SIGNING_KEY)
    return service.web(ROOT_PATH=BELOW, SIGNING_KEY=SIGNING_KEY)


@pytest.fixture(scope="module", params=["", STRIPS], ids=["as it is", "stripped"])
def site(
    request: pytest.FixtureRequest, service: Service, web: Process, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The address below the path; nothing else is on that host, so whatever misses the path fails."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    configuration = PROXY.format(
        folder=folder, folders=nginx.folders(folder), port=port, below=BELOW, strip=request.param, web=web.port
    )
    nginx.start(service, folder, configuration, port)
    return f"http://127.0.0.1:{port}{BELOW}"


def test_player_signs_in_and_plays_live(windows: Windows, site: str, alice: Player) -> None:
    page = windows.open(site)  # without the slash at its end
    sign_in(page, alice.username)
    expect(connection(page)).to_have_text("Live")
    play(page)
    expect(message(page)).to_have_text("+10 for Action")
    expect_score(page, alice.username, int(alice.http.get(f"/users/{alice.user_id}").json()["totalScore"]))
    page.goto(f"{site}/?wall")
    expect(page.locator("#state")).to_have_text("Live")
    assert urlsplit(page.url).path == f"{BELOW}/"


def test_signed_boards_are_verified_by_keys_of_the_path(windows: Windows, site: str, alice: Player) -> None:
    page = windows.open(f"{site}/")
    shown = page.evaluate(
        """async ([base, token]) => {
          const { follow } = await import(`${base}/scoreboard.js`);
          return new Promise((told) => {
            const board = follow(base, { token, keys: true });
            board.subscribe((value) => value && told({ type: value.type, via: board.via }));
            board.addEventListener("error", ({ code }) => told(code));
          });
        }""",
        [site, alice.token],
    )
    assert shown == {"type": "top_scores_update", "via": "socket"}


def test_operator_signs_in_there(windows: Windows, site: str, operator: Player) -> None:
    page = windows.open(f"{site}/operator")
    sign_in(page, operator.username)
    expect(page.locator("#now")).to_be_visible()


def test_documentation_is_read_there(windows: Windows, site: str) -> None:
    page = windows.open(f"{site}/docs")
    expect(page.locator("#startAction")).to_be_visible()
    page.get_by_role("link", name="The board", exact=True).click()
    expect(page.locator("#rows")).to_be_attached()
    assert urlsplit(page.url).path == f"{BELOW}/"
