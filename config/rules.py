"""Reads the rule files. What they mean is decided in `app.domain`."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from config import settings

T = TypeVar("T")


class RulesError(Exception):
    """A rule file is malformed; the message is one line that names the file and the key."""


def read(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RulesError: if it can't be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(f"{path.name}: {error}") from None


def read_text(path: Path) -> str:
    """Read a file of plain text.

    Raises:
        RulesError: if it can't be read or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path.name}: {error}") from None


def load_or_exit(variable: str, path: Path, parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Read and parse the rule file that a variable names, or end the process with one line."""
    return _or_exit(variable, lambda: parse(read(path)))


def load_text_or_exit(variable: str, path: Path, parse: Callable[[str], T]) -> T:
    """Read and parse the file of plain text that a variable names, or end the process with one line."""
    return _or_exit(variable, lambda: parse(read_text(path)))


def _or_exit(variable: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except (RulesError, ValueError) as error:
        settings.exit_with([f"{variable}: {error}"])
