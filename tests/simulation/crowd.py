"""Who plays, and how: seeded, so that every run sees the same day. Times are seconds since its beginning."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

DEFAULT, QUEST, RAID = ("default", 10), ("quest", 50), ("raid", 200)
"""Types with their points; the last one is an operator's own."""

QUEST_STEPS = 5
"""What a quest takes, in the time of default actions: points pay for effort, and it is worth five times as much."""

DAY = 8 * 3600.0
HISTORY_ENDS = 6 * 3600.0


@dataclass
class Person:
    """One account: what it is, its address, and its completions as (second, type, points)."""

    group: str
    name: str
    address: str
    plays: list[tuple[float, str, int]] = field(default_factory=list)
    cheats_from: float = 0.0
    """When the cheating begins, for those who do."""


def crowd(seed: int) -> list[Person]:
    """Make 10,000 honest players and 80 cheats; those who replay are told apart by `app.actions`, not by their pace."""
    chance = random.Random(seed)
    people: list[Person] = []
    for group, number, play in _GROUPS:
        for place in range(number):
            person = Person(group, f"{group.replace(' ', '-')}-{place}", _address(chance))
            play(person, place, chance)
            people.append(person)
    return people


def _address(chance: random.Random) -> str:
    return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def _session(
    start: float, number: int, pause: float, chance: random.Random, *, quests: float = 0.1
) -> Iterator[tuple[float, str, int]]:
    """Complete so many actions, with pauses of a person: lognormal, `pause` seconds at the median, 1.5 at least."""
    at = start
    for _ in range(number):
        name, points = QUEST if chance.random() < quests else DEFAULT
        for _ in range(QUEST_STEPS if name == "quest" else 1):
            at += max(1.5, pause * chance.lognormvariate(0, 0.5))
        yield at, name, points


def _sessions(
    person: Person, total: int, pause: float, chance: random.Random, *, until: float = DAY, streaks: int = 0
) -> None:
    """Play so many actions in sessions spread over the day, one after the other: nobody plays two at once.

    Args:
        streaks: sessions of eight besides, mostly quests.
    """
    sizes = [0] * streaks
    while total > 0:
        sizes.append(min(total, 1 + int(chance.expovariate(1 / 25))))
        total -= sizes[-1]
    chance.shuffle(sizes)
    starts = sorted(chance.uniform(0, until) for _ in sizes)
    free = 0.0
    for start, size in zip(starts, sizes, strict=True):
        quests = 0.1 if size else 0.8
        person.plays += _session(max(start, free), size or 8, pause, chance, quests=quests)
        free = person.plays[-1][0] + 30


def _casual(person: Person, place: int, chance: random.Random) -> None:
    """Most play a little, a few a lot: a Pareto distribution cut off at 300 actions."""
    _sessions(person, min(300, int(2 * chance.paretovariate(1.2))), chance.uniform(5, 20), chance)


def _devoted(person: Person, place: int, chance: random.Random) -> None:
    """Hours of play, with streaks of quests among them."""
    _sessions(person, chance.randrange(200, 400), chance.uniform(6, 12), chance, streaks=3)


def _late(person: Person, place: int, chance: random.Random) -> None:
    """Comes at the end of the day, with no history, and in a hurry."""
    person.plays += _session(DAY - chance.uniform(60, 900), chance.randrange(3, 30), chance.uniform(2.5, 5), chance)


def _classroom(person: Person, place: int, chance: random.Random) -> None:
    """Thirty pupils behind one address, for one lesson."""
    person.address = "192.0.2.1"
    person.plays += _session(3600 + chance.uniform(0, 60), 60, chance.uniform(15, 25), chance)


def _macro(person: Person, place: int, chance: random.Random) -> None:
    """A program that completes an action every 1.1 s."""
    start = person.cheats_from = chance.uniform(0, DAY - 600)
    person.plays += [(start + 1.1 * turn + chance.uniform(0, 0.05), *DEFAULT) for turn in range(300)]


def _teleport(person: Person, place: int, chance: random.Random) -> None:
    """Plays for an hour like others, and then earns within a minute what took half of it."""
    _sessions(person, 300, 12, chance, until=HISTORY_ENDS)
    start = person.cheats_from = person.plays[-1][0] + chance.uniform(120, 1800)
    person.plays += [(start + 3 * turn, *QUEST) for turn in range(18)]


def _farm(person: Person, place: int, chance: random.Random) -> None:
    """Twenty accounts behind one address, each at a person's pace, all day."""
    person.address = "198.51.100.7"
    start = person.cheats_from = 7200 + chance.uniform(0, 5)
    person.plays += [(start + 6 * turn + chance.uniform(0, 1), *DEFAULT) for turn in range(100)]


def _drip(person: Person, place: int, chance: random.Random) -> None:
    """No faster than a person, but with the dearest actions, a little over the cap."""
    start = person.cheats_from = chance.uniform(0, DAY - 1900)
    person.plays += [(start + 7 * turn + chance.uniform(0, 0.5), *RAID) for turn in range(120)]


Play = Callable[[Person, int, random.Random], None]
_GROUPS: list[tuple[str, int, Play]] = [
    ("casual", 9_470, _casual),
    ("devoted", 200, _devoted),
    ("late joiner", 300, _late),
    ("classroom", 30, _classroom),
    ("macro", 20, _macro),
    ("teleport", 20, _teleport),
    ("farm", 20, _farm),
    ("drip", 20, _drip),
]
HONEST = ("casual", "devoted", "late joiner", "classroom")
CHEATS = ("macro", "teleport", "farm", "drip")
