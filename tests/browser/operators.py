"""Operators, for the page at /operator."""

from tests.support.people import Player, unique
from tests.support.service import Process, Stores, eventually


def make_operator(web: Process, stores: Stores) -> Player:
    """Make a player who may operate, and wait until the process knows."""
    player = Player(web.url, unique("operator"))
    stores.execute("UPDATE users SET role = 'admin' WHERE id = :id", id=player.user_id)
    event = "INSERT INTO audit_events (kind, user_id, actor) VALUES ('role_changed', :id, 'shell')"
    stores.execute(event, id=player.user_id)
    eventually(lambda: player.http.get("/admin/flags").status_code == 200, what="that it may operate")
    return player
