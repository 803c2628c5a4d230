"""GET /users/:userId: one's own account, and what of it stands on the board."""

from app.board.settle import settle
from app.board.vetting import Vetting
from app.domain.fraud import FraudRules
from app.domain.ids import ActionId
from tests.support.board import BOARDS
from tests.support.people import Player
from tests.support.service import Process, Stores


def _settle(stores: Stores) -> None:
    ids = [ActionId(str(row[0])) for row in stores.rows("SELECT id FROM actions WHERE settled_at IS NULL")]
    with stores.engine.begin() as conn:
        settle(conn, BOARDS, ids, Vetting(FraudRules(), 10))


def test_newcomer_has_no_rank(web: Process, alice: Player) -> None:
    answer = alice.http.get(f"/users/{alice.user_id}")
    assert answer.status_code == 200
    assert answer.json() == {
        "userId": alice.user_id,
        "username": alice.username,
        "displayName": None,
        "email": f"{alice.username}@example.org",
        "role": "player",
        "totalScore": 0,
        "score": 0,
        "rank": None,
    }


def test_total_counts_at_once_and_the_score_when_it_is_settled(stores: Stores, alice: Player, bob: Player) -> None:
    alice.score(2)
    bob.score(2)
    before = alice.http.get(f"/users/{alice.user_id}").json()
    assert (before["totalScore"], before["score"], before["rank"]) == (20, 0, None)

    _settle(stores)

    for player, rank in ((alice, 1), (bob, 2)):  # equal points: who reached them first is ahead
        mine = player.http.get(f"/users/{player.user_id}").json()
        assert (mine["totalScore"], mine["score"], mine["rank"]) == (20, 20, rank)


def test_suspended_players_ahead_are_not_counted(stores: Stores, alice: Player, bob: Player) -> None:
    alice.score(9)
    bob.score(8)
    _settle(stores)
    with stores.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE users SET status = 'suspended' WHERE id = %s", (alice.user_id,))
    assert bob.http.get(f"/users/{bob.user_id}").json()["rank"] == 1
    assert alice.http.get(f"/users/{alice.user_id}").json()["rank"] is None


def test_user_is_shown_to_nobody_else(alice: Player, bob: Player) -> None:
    assert bob.http.get(f"/users/{alice.user_id}").status_code == 403


def test_rank_of_those_who_are_level_in_points_and_time_is_by_id(stores: Stores, alice: Player, bob: Player) -> None:
    alice.score(1)
    bob.score(1)
    _settle(stores)
    level = "UPDATE standings SET score = 1000, reached_at = '2026-01-01' WHERE user_id = :id"
    first, second = sorted((alice, bob), key=lambda player: player.user_id)
    for player in (first, second):
        stores.execute(level, id=player.user_id)
    ranks = [player.http.get(f"/users/{player.user_id}").json()["rank"] for player in (first, second)]
    stores.execute("DELETE FROM standings WHERE score = 1000")  # nobody else's rank is to count them
    assert ranks == [1, 2]
