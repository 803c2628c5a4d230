"""Players and actions in the database, and the board as it stands there."""

import sqlalchemy as sa

from app import actions
from app.board.vetting import Vetting
from app.domain import board_rules, scoring
from app.domain.actions import CompletedAction, End, Start
from app.domain.fraud import FraudRules
from app.domain.ids import DEFAULT_BOARD, ActionId, UserId, new_id
from app.domain.periods import Period
from config import rules
from config.settings import HERE
from db.transaction import in_transaction

VETTING = Vetting(FraudRules(), default_award=10)
BOARDS = board_rules.parse(rules.read(HERE / "boards.toml"))
ALL_TIME = BOARDS[DEFAULT_BOARD]
ONE_BOARD = {DEFAULT_BOARD: BOARDS[DEFAULT_BOARD]}
"""The board of all times alone, for what is the same on every board."""

WHOLE = Period(DEFAULT_BOARD, DEFAULT_BOARD, None, None, None)
"""The only period of the board of all times."""

RULES = scoring.parse(rules.read(HERE / "scoring.toml"))


def completed(engine: sa.Engine, *user_ids: UserId) -> list[ActionId]:
    """Complete an action of the default type for each of the users."""
    starts = [Start(ActionId(new_id()), user_id, 0, "default", "192.0.2.1", "{}") for user_id in user_ids]
    ends = [End(start.action_id, start.user_id, 0, "completed", "192.0.2.1") for start in starts]
    in_transaction(engine, lambda conn: actions.start(conn, starts, max_open=1000))
    done = in_transaction(engine, lambda conn: actions.end(conn, ends, RULES))
    assert all(isinstance(action, CompletedAction) for action in done), done
    return [start.action_id for start in starts]


def top(engine: sa.Engine) -> list[tuple[str, int]]:
    with engine.connect() as conn:
        return [
            tuple(row)
            for row in conn.execute(
                sa.text("SELECT user_id::text, score FROM top_scores WHERE board_id = 'all-time' ORDER BY rank")
            )
        ]


def first_ten(engine: sa.Engine) -> list[tuple[str, int]]:
    """The ten as SQL sees them, from all standings."""
    query = """
        SELECT user_id::text, score FROM standings JOIN users ON users.id = user_id
        WHERE board_id = 'all-time' AND score > 0 AND status = 'active' AND NOT users.hidden
        ORDER BY score DESC, reached_at, user_id LIMIT 10
    """
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(sa.text(query))]
