"""The names that boards show: what a display name may be, and the names that an operator has blocked.

Source: RFC 8266, "Nickname": any script, without control characters and without what turns the text around it.
"""

import unicodedata
from collections.abc import Iterable

import regex
from precis_i18n import get_profile

from app.domain.errors import BlockedName
from app.domain.users import InvalidUser

LONGEST = 32
"""Characters as people count them: extended grapheme clusters."""

LONGEST_BYTES = 512
"""In UTF-8, since one such character can be of any length."""

_NICKNAME, _COMPARED = get_profile("NicknameCasePreserved"), get_profile("NicknameCaseMapped:CaseFold")

# They only ask for an emoji, or for black and white. Phones write them, and PRECIS refuses what can't be seen.
_VARIANTS = {0xFE0E: None, 0xFE0F: None}

_CHARACTER = regex.compile(r"\X")
_BLANK = "\N{BRAILLE PATTERN BLANK}"
# More than any script stacks, and so many that they cover the rows around. Source: UTS 39, section 5.4.
_STACKED = regex.compile(r"[\p{Mn}\p{Me}]{5}")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_SPELLED_OUT = regex.compile(r"(?<=(?:^| )\X) (?=\X(?: |$))")


def check_display_name(text: str, field: str = "displayName") -> str:
    """Return a display name as it is stored and shown: in Unicode's compatibility form, spaces in single ones.

    Raises:
        InvalidUser: naming the field and its rule.
    """
    if len(text) > LONGEST_BYTES:
        raise InvalidUser(f"{field}: at most {LONGEST} characters.")
    try:
        name: str = _NICKNAME.enforce(text.translate(_VARIANTS))
    except UnicodeEncodeError as error:
        if error.reason.endswith("/empty"):
            raise InvalidUser(f"{field}: must not be empty; null takes it away.") from None
        found = ord(error.object[error.start])
        raise InvalidUser(f"{field}: must not contain the character U+{found:04X}.") from None
    if unicodedata.category(name[0]).startswith("M"):
        raise InvalidUser(f"{field}: must not begin with a combining mark.")
    if _BLANK in name:
        raise InvalidUser(f"{field}: must not contain the character U+{ord(_BLANK):04X}.")
    if _STACKED.search(name):
        raise InvalidUser(f"{field}: at most 4 combining marks on one letter.")
    if len(_CHARACTER.findall(name)) > LONGEST or len(name.encode()) > LONGEST_BYTES:
        raise InvalidUser(f"{field}: at most {LONGEST} characters, and {LONGEST_BYTES} bytes of UTF-8.")
    return name


class BlockedNames:
    """Names that nobody may take, compared without regard to case, width and punctuation.

    Args:
        entries: `word` or `several words`: blocked where it stands by itself, also s p e l l e d out; between two
            asterisks, `*word*`, it is blocked anywhere in a name.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._whole: set[str] = set()
        self._anywhere: set[str] = set()
        for entry in entries:
            words = _words(entry)
            if len(entry) > 2 and entry[0] == entry[-1] == "*":
                self._anywhere.add(words.replace(" ", ""))
            else:
                self._whole.add(words)

    def check(self, *, username: str | None = None, display_name: str | None = None) -> None:
        """Check the names that somebody wants to take.

        Raises:
            BlockedName: naming the field.
        """
        for field, name in (("username", username), ("displayName", display_name)):
            if name is not None and self._blocks(name):
                raise BlockedName(f"{field}: this name can't be taken here.")

    def _blocks(self, name: str) -> bool:
        form = _words(name)
        joined = form.replace(" ", "")
        if joined in self._whole or any(entry in joined for entry in self._anywhere):
            return True
        words = form.split(" ")
        ends = range(1, len(words) + 1)
        return any(" ".join(words[start:end]) in self._whole for end in ends for start in range(end))


def parse_blocked(text: str) -> BlockedNames:
    """Parse a file of blocked names: one a line; lines that are empty or begin with # say nothing.

    Raises:
        ValueError: one line that tells which line of the file has no letter or digit.
    """
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if not _words(entry):
            raise ValueError(f"line {number}: {entry[:40]!r} has no letter and no digit")
        entries.append(entry)
    return BlockedNames(entries)


def _words(name: str) -> str:
    """Return the form in which names are compared: its words, one space between them; single letters are one word."""
    try:
        folded: str = _COMPARED.enforce(name)
    except UnicodeEncodeError:  # no name that anybody could have; as an entry of the file it is compared by its letters
        folded = unicodedata.normalize("NFKC", name).casefold()
    return str(_SPELLED_OUT.sub("", " ".join(_WORD.findall(folded))))
