"""A dictionary that forgets: for what is looked up at every request."""

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """Holds at most `most` entries; one more, and it forgets the tenth of them that came first, whether used or not.

    A look-up costs what a dict's does, a tenth of an LRUCache's. Whoever must keep what is in use takes an LRUCache.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= self._most and key not in self:
            for oldest in [*islice(self, max(1, self._most // 10))]:
                del self[oldest]
        super().__setitem__(key, value)

    def remember(self, pairs: Iterable[tuple[K, V]]) -> None:
        """Set many; `update` would know no bound."""
        for key, value in pairs:
            self[key] = value
