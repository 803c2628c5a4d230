"""GET /join-qr.svg: the page's address as a picture."""

import httpx2

from app.routes.join_qr import qr_svg
from tests.support.service import Process, Service


def test_picture_leads_to_the_page_with_and_without_a_code(web: Process, service: Service) -> None:
    plain = httpx2.get(f"{web.url}/join-qr.svg")
    assert (plain.status_code, plain.headers["content-type"].partition(";")[0]) == (200, "image/svg+xml")
    assert plain.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in plain.headers["content-security-policy"]
    assert plain.text == qr_svg(web.url)
    # However it is typed, and whether there is such a code or not.
    for typed in ("CDFG2345", "cdfg-2345", " cdfg 2345"):
        assert httpx2.get(f"{web.url}/join-qr.svg", params={"code": typed}).text == qr_svg(f"{web.url}/?join=CDFG2345")
    for wrong in ("", "CDFG234", "CDFG2345X", "<script>", "A" * 4000):
        answer = httpx2.get(f"{web.url}/join-qr.svg", params={"code": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    public = service.web(PUBLIC_URL="https://play.example/board/")
    assert httpx2.get(f"{public.url}/join-qr.svg").text == qr_svg("https://play.example/board")
    assert httpx2.get(f"{public.url}/about").json()["url"] == "https://play.example/board"
    assert "url" not in httpx2.get(f"{web.url}/about").json()


def test_wall_is_a_page_at_both_of_its_addresses(web: Process) -> None:
    wall = httpx2.get(f"{web.url}/wall")
    assert "score-board" in wall.text
    assert wall.headers["content-security-policy"] == httpx2.get(web.url).headers["content-security-policy"]
    assert httpx2.get(f"{web.url}/?wall").text == wall.text
    assert httpx2.get(f"{web.url}/?wall&board=daily").text == wall.text
    assert 'id="guest"' not in wall.text
