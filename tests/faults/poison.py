"""Players whose actions do harm to whoever settles them.

The table `poison` says which: the trigger on `standings` does what a database can do to a worker, and the wrapper
`tests.faults.deadly_worker` does the rest.
"""

from tests.support.service import Stores

RAISE, SLEEP, TERMINATE = "raise", "sleep", "terminate"
"""By the trigger: an error, a wait until the statement times out, the end of the connection."""

HANG, DIE = "hang", "die"
"""By the deadly worker: its process never comes back, or is killed."""

_SET_UP = """
    CREATE TABLE poison (user_id uuid PRIMARY KEY, kind text NOT NULL, seconds float NOT NULL DEFAULT 60);
    CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE it poison;
    BEGIN
        SELECT * INTO it FROM poison WHERE user_id = NEW.user_id;
        IF it.kind = 'raise' THEN
            RAISE EXCEPTION 'poison';
        ELSIF it.kind = 'sleep' THEN
            PERFORM pg_sleep(it.seconds);
        ELSIF it.kind = 'terminate' THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON standings FOR EACH ROW
        WHEN (NEW.board_id = 'all-time') EXECUTE FUNCTION poison();  -- once, whatever other boards count the action
"""


def set_up(stores: Stores) -> None:
    """Make the table and the trigger."""
    stores.execute(_SET_UP)


def give(stores: Stores, user_id: str, kind: str, *, seconds: float = 60) -> None:
    """Make a player's actions harmful."""
    statement = """
        INSERT INTO poison VALUES (:user_id, :kind, :seconds)
        ON CONFLICT (user_id) DO UPDATE SET kind = excluded.kind, seconds = excluded.seconds
    """
    stores.execute(statement, user_id=user_id, kind=kind, seconds=seconds)


def take_away(stores: Stores, user_id: str) -> None:
    """Make a player's actions harmless."""
    stores.execute("DELETE FROM poison WHERE user_id = :user_id", user_id=user_id)


def forget(stores: Stores) -> None:
    """Make everybody's actions harmless."""
    stores.execute("DELETE FROM poison")


def asleep(stores: Stores) -> bool:
    """Return whether a worker is in the middle of an action that sleeps."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    return bool(stores.value(query))
