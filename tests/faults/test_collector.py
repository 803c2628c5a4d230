"""The collector of traces is away, or hangs: nobody waits for it."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.integration.test_traces import traced
from tests.support.clock import now
from tests.support.people import Player, unique
from tests.support.service import Service


def test_collector_that_is_away_or_hangs_holds_up_nobody(service: Service) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as never_answers:  # it listens, nobody serves
        for url in (f"http://127.0.0.1:{never_answers.server_port}", "http://127.0.0.1:9"):
            web = service.web(**traced(url))
            player = Player(web.url, unique("carol"))
            began = now()
            player.score(times=20)
            assert now() - began < 5
            player.close()
            began = now()
            assert web.stop() == 0
            assert now() - began < 10
            assert "Traceback" not in web.output()
