"""Stores that go away for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dev.embedded.store import Store


@contextmanager
def killed(server: Store, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Kill all of a server's processes, as a power cut does; `meanwhile` runs before it is started again."""
    server.kill()
    try:
        yield
    finally:
        meanwhile()
        server.start()


@contextmanager
def hung(server: Store) -> Iterator[None]:
    """Stop a server's processes (SIGSTOP) for a while."""
    server.pause()
    try:
        yield
    finally:
        server.resume()
