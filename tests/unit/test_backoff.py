"""How long a process that ended is waited with."""

from dev.backoff import Backoff


def test_backoff_doubles_up_to_a_bound() -> None:
    backoff = Backoff()
    assert [backoff.after(1) for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]


def test_backoff_begins_again_after_a_steady_life() -> None:
    backoff = Backoff()
    assert [backoff.after(lived) for lived in (1, 1, 31, 1)] == [0.5, 1, 0.5, 1]
