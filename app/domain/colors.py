"""Colours that can be read, whatever colour somebody chose. Source: WCAG 2.2, relative luminance and contrast ratio."""

from collections.abc import Iterable
from dataclasses import dataclass

Color = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
TEXT = 4.5
"""The contrast that text has at least (level AA)."""
EDGE = 1.5
"""The contrast by which a filled button is told from what it stands on; its text has that of TEXT."""
TINT = 20
"""Hundredths of the chosen colour in the ground of one's own row, where its text allows so much."""
BAR = 35
"""Hundredths of the accent in the bars behind scores."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The colours of the light or the dark scheme that a chosen one must go with."""

    grounds: tuple[Color, ...]
    """What text stands on; the last of them is a card's."""
    inks: tuple[Color, ...]
    """In what text is written."""
    far: Color
    """Away from the grounds: black in the light scheme, white in the dark one."""


@dataclass(frozen=True, slots=True)
class Branded:
    """The colours that a scheme makes of the chosen one."""

    accent: Color
    """Links and marks on any ground, the tinted one as well."""
    button: Color
    button_ink: Color
    own: Color
    """The tinted ground of one's own row."""
    bar: Color
    """The bars behind scores, which nothing is written on."""


def parse(text: str) -> Color:
    """Parse `#rrggbb`."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def written(color: Color) -> str:
    """Write a colour as `#rrggbb`."""
    return "#" + "".join(f"{part:02x}" for part in color)


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio, from 1 (the same) to 21 (black on white)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (it / 255 for it in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def branded(chosen: Color, scheme: Scheme) -> Branded:
    """Return what a scheme makes of a chosen colour: as near to it as can be read."""
    card = scheme.grounds[-1]
    own = next(it for it in _mixes(card, chosen, TINT)[::-1] if _least(it, scheme.inks) >= TEXT)
    towards_far = _mixes(chosen, scheme.far, 100)
    button = next(it for it in towards_far if contrast(it, card) >= EDGE)
    button_ink = max(BLACK, WHITE, key=lambda ink: contrast(ink, button))
    accent = next(it for it in towards_far if _least(it, (*scheme.grounds, own)) >= TEXT)
    return Branded(accent, button, button_ink, own, _mixes(card, accent, BAR)[-1])


def _least(color: Color, others: Iterable[Color]) -> float:
    return min(contrast(color, it) for it in others)


def _mixes(one: Color, other: Color, most: int) -> list[Color]:
    """Return the mixes of two colours, from the one alone to that with `most` hundredths of the other."""
    return [
        (
            round((one[0] * (100 - share) + other[0] * share) / 100),
            round((one[1] * (100 - share) + other[1] * share) / 100),
            round((one[2] * (100 - share) + other[2] * share) / 100),
        )
        for share in range(most + 1)
    ]
