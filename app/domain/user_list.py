"""A list of users as spreadsheets save or copy it: how it is read, and what is wrong with it by itself."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.errors import BlockedName, ListProblem
from app.domain.names import BlockedNames, check_display_name
from app.domain.users import InvalidUser, check_email, check_password, check_username

COLUMNS = {"username": "username", "displayname": "displayName", "email": "email", "password": "password"}
"""The columns that there may be, by their names without case, spaces and dashes; only the first must be there."""

_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r"\Asep=.\r?\n")  # Excel's own, for itself


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A line of the list; None for cells that are empty or not there. `display_name` is in its enforced form."""

    line: int
    username: str
    display_name: str | None
    email: str | None
    password: str | None


@dataclass
class UserList:
    """What was read of a list, and every mistake in it."""

    users: list[ListedUser] = field(default_factory=list)
    problems: list[ListProblem] = field(default_factory=list)

    def wrong(self, line: int, detail: str) -> None:
        self.problems.append(ListProblem(line, detail))


def read_list(text: str, *, most: int, blocked: BlockedNames | None = None) -> UserList:
    """Read a list whose first line names the columns; cells are separated by commas, semicolons or tabs.

    Args:
        most: users at most.
        blocked: names that nobody may take.
    """
    found = UserList()
    text = _SEPARATOR_LINE.sub("\n", text.removeprefix("\ufeff"))
    if "\0" in text:
        found.wrong(text.count("\n", 0, text.index("\0")) + 1, "holds the character NUL.")
        return found
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    columns: list[str] | None = None
    line = 1
    try:
        for cells in rows:
            begun, line = line, rows.line_num + 1
            if not any(map(str.strip, cells)):
                continue
            if columns is None:
                columns = _columns(found, begun, cells)
                if columns is None:
                    return found
                continue
            if len(found.users) == most:
                found.wrong(begun, f"a list has at most {most} users: make two of it.")
                break
            if any(cells[len(columns) :]):
                found.wrong(begun, "has more cells than columns: does one hold a separator, without quotes?")
            found.users.append(_user(found, begun, dict(zip(columns, cells, strict=False)), blocked))
    except csv.Error as error:
        found.wrong(line, f"can't be read: {error}.")
    if columns is None:
        found.wrong(1, "the list is empty: the first line names the columns, as in username,displayName.")
    _check_twice(found)
    return found


def _separator(text: str) -> str:
    first = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=first.count)


def _columns(found: UserList, line: int, cells: list[str]) -> list[str] | None:
    names = [COLUMNS.get(re.sub(r"[\s_-]", "", cell).lower(), "") for cell in cells]
    while names and not (names[-1] or cells[len(names) - 1].strip()):
        names.pop()  # a spreadsheet has empty columns at its end
    for name, cell in zip(names, cells, strict=False):
        if not name:
            found.wrong(line, f"there is no column {cell.strip()[:40]!r}: it may be {', '.join(COLUMNS.values())}.")
        elif names.count(name) > 1:
            found.wrong(line, f"the column {name} is there twice.")
    if "username" not in names:
        found.wrong(line, "names no column username: the first line names the columns, as in username,displayName.")
    return None if found.problems else names


def _user(found: UserList, line: int, cells: dict[str, str], blocked: BlockedNames | None) -> ListedUser:
    username = cells.get("username", "").strip()
    email, display_name = (cells.get(name, "").strip() or None for name in ("email", "displayName"))
    password = cells.get("password") or None

    def check(rule: Callable[[str], object], value: str | None) -> None:
        try:
            if value is not None:
                rule(value)
        except (InvalidUser, BlockedName) as error:
            found.wrong(line, str(error))

    check(check_username, username)
    check(check_email, email)
    check(check_password, password)
    check(check_display_name, display_name)
    if blocked is not None:
        check(lambda name: blocked.check(username=name), username)
        check(lambda name: blocked.check(display_name=name), display_name)
    return ListedUser(line, username, _enforced(display_name), email, password)


def _enforced(display_name: str | None) -> str | None:
    try:
        return display_name and check_display_name(display_name)
    except InvalidUser:
        return None


def _check_twice(found: UserList) -> None:
    for column, values in (
        ("username", [(it.line, it.username) for it in found.users]),
        ("email", [(it.line, it.email) for it in found.users if it.email]),
    ):
        first: dict[str, int] = {}
        for line, value in values:
            earlier = first.setdefault((value or "").casefold(), line)
            if earlier != line and value:
                found.wrong(line, f"{column}: {value[:40]} is on line {earlier} already.")
    found.problems.sort(key=lambda it: it.line)
