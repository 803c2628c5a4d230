"""A service's own look: on its pages, in GET /about, and as files."""

import re

import httpx2
import pytest

from app.domain.colors import TEXT, contrast, parse
from tests.support.service import Process, Service

LOGO = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9" style="fill: teal"/></svg>'


@pytest.fixture(scope="module")
def branded(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Process:
    file = tmp_path_factory.mktemp("brand") / "Logo.SVG"
    file.write_text(LOGO)
    return service.web(
        BRAND_NAME='Club "Röd" & <b>',
        BRAND_LOGO=str(file),
        BRAND_COLOR="#FD0",
        BRAND_WELCOME="Welcome, <everybody>!",
        ROOT_PATH="/board",
    )


def test_about_tells_the_brand_with_paths_that_work(branded: Process) -> None:
    brand = httpx2.get(f"{branded.url}/about").json()["brand"]
    logo = brand.pop("logo")
    assert brand == {"name": 'Club "Röd" & <b>', "color": "#ffdd00", "welcome": "Welcome, <everybody>!"}
    answer = httpx2.get(branded.url + logo)
    assert (answer.text, answer.headers["content-type"]) == (LOGO, "image/svg+xml")
    assert "immutable" in answer.headers["cache-control"]
    assert "sandbox" in answer.headers["content-security-policy"]
    assert httpx2.get(f"{branded.url}/brand-logo").headers["cache-control"] == "no-cache"


def test_page_is_written_in_the_brand(branded: Process) -> None:
    page = httpx2.get(branded.url).text
    assert '<title data-brand="name">Club "Röd" &amp; &lt;b&gt;</title>' in page
    assert "Welcome, &lt;everybody&gt;!" in page
    assert re.search(r'<img data-brand="logo" src="/board/brand-logo\?v=\w+"', page)
    (sheet,) = re.findall(r'href="/board(/brand\.css\?v=\w+)"', page)
    answer = httpx2.get(branded.url + sheet)
    assert answer.headers["content-type"].startswith("text/css")
    (light,) = re.findall(r"--accent: var\(--light, (#\w{6})\)", answer.text)
    assert contrast(parse(light), (255, 255, 255)) >= TEXT, "yellow is not written on white"


def test_service_without_a_brand_has_its_own_look(web: Process) -> None:
    page = httpx2.get(web.url).text
    assert "brand.css" not in page
    assert '<title data-brand="name">Scoreboard</title>' in page
    assert httpx2.get(f"{web.url}/brand-logo").json()["code"] == "not-found"
    assert httpx2.get(f"{web.url}/brand.css").text == ""
    assert "img-src 'self' data:;" in httpx2.get(web.url).headers["content-security-policy"]


def test_logo_of_another_host_is_allowed_alone(service: Service) -> None:
    process = service.web(BRAND_LOGO="https://cdn.example.com:8443/a/logo.png?v=1")
    answer = httpx2.get(process.url)
    assert "img-src 'self' data: https://cdn.example.com:8443;" in answer.headers["content-security-policy"]
    assert 'src="https://cdn.example.com:8443/a/logo.png?v=1"' in answer.text
