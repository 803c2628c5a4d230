"""Strict JSON: rejects anything ambiguous."""

import json
import math
from typing import Any, NoReturn, TypeVar

import msgspec

from app.domain.errors import Malformed

DEEPEST = 8

T = TypeVar("T")


def parse(body: bytes, shape: type[T]) -> T:
    """Read a request's body as `shape`, with no field unknown and none of the wrong type.

    Raises:
        Malformed: naming what is wrong: no JSON object, an unknown field, a wrong type, NaN or Infinity, a duplicate
            key, invalid UTF-8, NUL or a lone surrogate in a string, nesting over 8.
    """
    value = _load(body)
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    _check(value, 1)
    return convert(value, shape)


def convert(value: Any, shape: type[T]) -> T:
    """Return JSON that parse() has read as `shape`.

    Raises:
        Malformed: naming an unknown field, or one of a wrong type.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Malformed(f"{error}.") from None


def _load(body: bytes) -> Any:
    try:
        return _decoder.decode(body.decode())
    except UnicodeDecodeError:
        raise Malformed("The body is not valid UTF-8.") from None
    except RecursionError:
        raise Malformed(f"The body is nested over {DEEPEST} levels.") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not valid JSON: {error.msg} (character {error.pos}).") from None
    except ValueError:  # an integer of thousands of digits
        raise Malformed("The body holds a number that is too long.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(f"Duplicate key {key!r}.")
            seen.add(key)
    return result


def _refuse_constant(word: str) -> NoReturn:
    raise Malformed(f"{word} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("The body holds a number that is too large.")
    return number


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list):
        if depth > DEEPEST:
            raise Malformed(f"The body is nested over {DEEPEST} levels.")
        if isinstance(value, dict):
            for key, member in value.items():
                _check_text(key)
                _check(member, depth + 1)
        else:
            for member in value:
                _check(member, depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Malformed("A string holds the character NUL.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("A string holds a lone surrogate.") from None


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
