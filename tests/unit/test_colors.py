"""Whatever colour is chosen, everything can be read, on light and on dark ground."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import colors
from app.domain.colors import BLACK, EDGE, TEXT, WHITE, contrast
from app.routes.brand import STATIC, schemes

SCHEMES = schemes((STATIC / "tokens.css").read_text())
GOLD = colors.parse("#f2b531")
any_part = st.integers(0, 255)


@given(chosen=st.tuples(any_part, any_part, any_part), scheme=st.sampled_from(SCHEMES))
def test_any_chosen_colour_can_be_read(chosen: colors.Color, scheme: colors.Scheme) -> None:
    made = colors.branded(chosen, scheme)
    card = scheme.grounds[-1]
    assert all(contrast(made.accent, ground) >= TEXT for ground in (*scheme.grounds, made.own))
    assert all(contrast(ink, made.own) >= TEXT for ink in scheme.inks)
    assert contrast(made.button_ink, made.button) >= TEXT
    assert contrast(made.button, card) >= EDGE


@given(chosen=st.tuples(any_part, any_part, any_part))
def test_colour_is_the_same_after_it_was_written(chosen: colors.Color) -> None:
    assert colors.parse(colors.written(chosen)) == chosen


def test_colour_that_can_be_read_is_left_as_it_is() -> None:
    light, dark = SCHEMES
    assert colors.branded(BLACK, light).accent == colors.branded(BLACK, light).button == BLACK
    assert colors.branded(GOLD, dark).accent == colors.branded(GOLD, dark).button == GOLD
    assert colors.branded(GOLD, light).button == GOLD
    assert colors.branded(GOLD, light).accent != GOLD


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [(BLACK, WHITE, 21), (WHITE, WHITE, 1), ((119, 119, 119), WHITE, 4.478), ((0, 0, 255), BLACK, 2.444)],
)
def test_contrast_is_that_of_wcag(one: colors.Color, other: colors.Color, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.001)
