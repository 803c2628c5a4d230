"""The picture of imports in docs/architecture.md is the one that the code gives."""

from dev import picture


def test_picture_of_the_page_is_up_to_date() -> None:
    shown = picture.PAGE.read_text().split(picture.BEGIN)[1].split(picture.END)[0].strip()
    assert shown == picture.picture(), "run bin/picture"


def test_arrows_are_those_of_the_imports() -> None:
    found = picture.arrows()
    assert {"app/board", "app/domain", "db", "config"} <= found["app"]
    assert found["app/domain"] == set()
    assert "app" not in found["app/board"]


def test_reduced_leaves_out_what_follows_from_others() -> None:
    arrows = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert picture.reduced(arrows) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_reduced_keeps_the_arrows_of_a_circle() -> None:
    arrows = {"a": {"b"}, "b": {"a", "c"}, "c": set()}
    assert picture.reduced(arrows) == arrows
