"""The client's types name what the client has: its exports, its options, its states."""

import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "app" / "static"
CLIENT = (STATIC / "scoreboard.js").read_text()
TYPES = (STATIC / "scoreboard.d.ts").read_text()


def interface(name: str) -> dict[str, bool]:
    """An interface's members, and whether each may be left out."""
    found = re.search(rf"^export interface {name}\b.*?\{{\n(.*?)^\}}", TYPES, re.MULTILINE | re.DOTALL)
    assert found
    return {member: bool(mark) for member, mark in re.findall(r"^  (\w+)(\??):", found[1], re.MULTILINE)}


def test_same_functions_and_constants_are_exported() -> None:
    exported = re.findall(r"^export (?:async )?(const|function) (\w+)", CLIENT, re.MULTILINE)
    declared = re.findall(r"^export declare (const|function) (\w+)", TYPES, re.MULTILINE)
    assert sorted(exported) == sorted(declared)
    for name, value in re.findall(r"^export const (\w+) = (\d+);", CLIENT, re.MULTILINE):
        assert f"export declare const {name}: {value};" in TYPES


def test_same_options_are_taken_and_the_same_may_be_left_out() -> None:
    signature = re.search(r"^export function connect\(\{\n(.+?)\n\}\) \{$", CLIENT, re.MULTILINE | re.DOTALL)
    assert signature
    taken = re.findall(r"^  (\w+)", signature[1], re.MULTILINE)
    described = {name: bool(mark) for mark, name in re.findall(r"@param \{.+\} (\[?)options\.(\w+)", CLIENT)}
    assert interface("Options") == described
    assert set(taken) == set(described)


def test_state_is_told_with_the_same_particulars() -> None:
    described = {name: bool(mark) for mark, name in re.findall(r"@property \{.+?\} (\[?)(\w+)", CLIENT)}
    assert interface("StateInfo") == described


def test_same_states_and_reasons_have_names() -> None:
    for name in ("State", "Reason"):
        in_client = re.search(rf'@typedef \{{("[^}}]+")\}} {name}\b', CLIENT)
        in_types = re.search(rf"^export type {name} = (.+);$", TYPES, re.MULTILINE)
        assert in_client
        assert in_types
        assert in_client[1] == in_types[1]
