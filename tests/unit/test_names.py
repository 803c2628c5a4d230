"""What display names may be, and which names are blocked."""

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import BlockedName
from app.domain.names import BlockedNames, check_display_name, parse_blocked
from app.domain.users import InvalidUser

NAMES = {
    "Zoë Müller-Lüdenscheidt": "Zoë Müller-Lüdenscheidt",
    "Zoe\u0308": "Zoë",
    "  李\u3000 雷 ": "李 雷",
    "شادي": "شادي",
    "می\u200cشد": "می\u200cشد",  # a joiner where the script asks for one
    "नमस्ते": "नमस्ते",
    "\uff21\uff44\uff4d\uff49\uff4e": "Admin",
    "\u2764\ufe0f 🦊 🇩🇪": "\u2764 🦊 🇩🇪",
    "<b>bold</b> & \"q' \\": "<b>bold</b> & \"q' \\",
    "x": "x",
    "🇩🇪" * 32: "🇩🇪" * 32,
    "q\u0301\u0302\u0303\u0304": "q\u0301\u0302\u0303\u0304",
}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_good_display_name_is_kept_in_its_enforced_form(text: str, name: str) -> None:
    assert check_display_name(text) == name
    assert check_display_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\u3000",
            "\ufe0f",
            "a\0b",
            "a\nb",
            "\tab",
            "a\x1bb",
            "a\x85b",
            "ab\u202ecd",
            "a\u2066b",
            "\u200fab",
        ),
        *("a\u2066b", "\u200fab", "a\u200bb", "a\u200db", "a\u00adb", "\ufeffab", "\ue000"),
        *("\ufffe", "\u3164", "\u2800", "a\u2800", "\ud800"),
        *("\u0301a", "a" * 33, "🦊" * 33, "q" + "\u0301" * 5, "q" + "\u0301\u0488" * 3, "a" * 100_000, "\ufdfa" * 2),
    ],
)
def test_bad_display_name_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidUser, match=r"^displayName: "):
        check_display_name(text)


def test_display_name_is_bounded_in_bytes_too() -> None:
    stacked = "q" + "\U0001e000" * 4
    assert check_display_name(stacked * 30) == stacked * 30
    with pytest.raises(InvalidUser, match="bytes"):
        check_display_name(stacked * 31)


@given(st.text(max_size=80))
def test_accepted_display_name_is_one_line_of_visible_characters(text: str) -> None:
    with contextlib.suppress(InvalidUser):
        name = check_display_name(text)
        assert check_display_name(name) == name
        assert 0 < len(name.encode()) <= 512
        assert name == name.strip()
        assert not {unicodedata.category(it) for it in name} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(it) for it in name} & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"}


BLOCKED = parse_blocked(
    """
    # a comment
    Troll
    two words
    *moderator*
    कुत्ता
    """
)


LIKE_TROLL = "troll TROLL the_troll.1 t.r.o.l.l the-t-r-o-l-l trol_l \uff34\uff32\uff2f\uff2c\uff2c"
LIKE_OTHERS = ["The Troll", "T r O l L", "Two  Words", "these-two_words", "xModerators", "Mode-rator", "मेरा कुत्ता"]


@pytest.mark.parametrize("name", [*LIKE_TROLL.split(), *LIKE_OTHERS])
def test_blocked_name_is_refused_by_its_field(name: str) -> None:
    with pytest.raises(BlockedName, match=r"^username: "):
        BLOCKED.check(username=name)
    with pytest.raises(BlockedName, match=r"^displayName: "):
        BLOCKED.check(username="alice", display_name=name)


@pytest.mark.parametrize("name", ["Trollope", "controller", "words two", "two", "twowordsmith", "कत्ता", "---"])
def test_name_that_only_contains_or_resembles_one_passes(name: str) -> None:
    BLOCKED.check(username=name, display_name=name)


def test_nothing_is_blocked_without_entries() -> None:
    BlockedNames().check(username="alice", display_name="...")
    parse_blocked("# nothing\n\n").check(username="troll", display_name="troll")


@pytest.mark.parametrize("line", ["...", "**", "* *", "_"])
def test_entry_without_a_letter_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 3: "):
        parse_blocked(f"# blocked\ntroll\n{line}\n")
