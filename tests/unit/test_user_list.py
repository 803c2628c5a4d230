"""A list of users: read as spreadsheets write it, and every mistake told with its line."""

import pytest

from app.domain.names import BlockedNames
from app.domain.user_list import ListedUser, read_list


def read(text: str, most: int = 100) -> list[tuple[int, str, str | None, str | None, str | None]]:
    found = read_list(text, most=most)
    assert found.problems == []
    return [(it.line, it.username, it.display_name, it.email, it.password) for it in found.users]


def wrong(text: str, most: int = 100) -> list[tuple[int, str]]:
    return [(it.line, it.detail.partition(":")[0]) for it in read_list(text, most=most).problems]


ADA = "ada,Ada L.,ada@example.org,correct horse"
HEAD = "username,displayName,email,password"
READ = [(2, "ada", "Ada L.", "ada@example.org", "correct horse")]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\n{ADA}\n",
        f"{HEAD}\n{ADA}",
        f"\ufeff{HEAD}\r\n{ADA}\r\n",
        f"{HEAD}\r{ADA}\r",
        f"{HEAD}\n{ADA}\n".replace(",", ";"),
        f"{HEAD}\n{ADA}\n".replace(",", "\t"),
        'password,email,"display name",USERNAME\ncorrect horse,ada@example.org,Ada L.,ada\n',
        '"User-Name";"E-Mail";"Display_Name";"Password"\n" ada ";ada@example.org;" Ada  L. ";"correct horse"\n',
        f"{HEAD},,\n{ADA},,\n,,,,,\n\n",
    ],
)
def test_list_is_read_however_a_spreadsheet_writes_it(text: str) -> None:
    assert read(text) == READ


def test_lines_are_those_of_the_file() -> None:
    text = 'sep=;\r\nusername;displayName\r\n\r\nada;"Ada; or\r\nL."\r\nbob\r\n'
    found = read_list(text, most=9)
    assert [(it.line, it.username) for it in found.users] == [(4, "ada"), (6, "bob")]
    assert [it.line for it in found.problems] == [4]  # a name has no line breaks


def test_username_alone_is_enough_and_the_password_is_kept_as_it_is() -> None:
    assert read("username\nada\nbob\n") == [(2, "ada", None, None, None), (3, "bob", None, None, None)]
    assert read("username,password\nada, with spaces \n") == [(2, "ada", None, None, " with spaces ")]


def test_every_mistake_is_told_with_its_line() -> None:
    text = (
        f"{HEAD}\nab,,x,short\nada,,,\nADA,,,\nbob,\u202e,bob@example.org,\ncarol,,BOB@example.org,\n"
        "dave,,,correct horse,surplus\n,Nobody,,\n"
    )
    assert wrong(text) == [
        (2, "username"),
        (2, "email"),
        (2, "password"),
        (4, "username"),
        (5, "displayName"),
        (6, "email"),
        (7, "has more cells than columns"),
        (8, "username"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "ada\nbob\n",
        "displayName\nAda\n",
        "username,pasword\nada,correct horse\n",
        "username,Username\nada,bob\n",
        'username\n"ada\n',
        'username\n"ada"x\n',
        "username\nada\0\n",
    ],
)
def test_list_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    assert wrong(text)


def test_list_is_bounded() -> None:
    assert len(read("username\nada\nbob\n", most=2)) == 2
    assert wrong("username\nada\nbob\ncarol\n", most=2) == [(4, "a list has at most 2 users")]


def test_blocked_names_are_told_where_there_are_any() -> None:
    text = "username,displayName\nrudeword,\nada,Rudeword\nbob,Bob\n"
    found = read_list(text, most=9, blocked=BlockedNames(["rudeword"]))
    assert [it.line for it in found.problems] == [2, 3]
    assert [it.username for it in read_list(text, most=9).users] == ["rudeword", "ada", "bob"]


def test_listed_user_holds_the_display_name_in_its_enforced_form() -> None:
    assert read_list("username,displayName\nzoe, Zoë  M \n", most=1).users == [
        ListedUser(2, "zoe", "Zoë M", None, None)
    ]
