"""JSON that all readers understand alike: each name once, numbers and texts that can be sent on (RFC 7493 §2)."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

# What Python reads at most (sys.int_info.default_max_str_digits).
MOST_DIGITS = 4300
TOO_LARGE = "has a number that is too large"
HALF = "has half of a surrogate pair (RFC 8259 §8.2)"
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


# So much of a name that a client chose.
SHOWN = 64


class Unsound(Exception):
    """A member of the outermost object that readers take for different things."""

    def __init__(self, name: str | None, told: str) -> None:
        super().__init__(told)
        self.name = name
        """None where the name itself is what is wrong."""
        self.told = told
        """To be said after the name: "comes twice"."""

    @property
    def field(self) -> str | None:
        """The name, short enough for a message."""
        return None if self.name is None else shown(self.name)

    @property
    def sentence(self) -> str:
        """What a client is told."""
        return f"{self.field or 'A name'} {self.told}."


def shown(name: str) -> str:
    """Return a name that a client chose, short enough for a message."""
    return name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…"


def read(text: str | bytes) -> object:
    """Return the JSON value. Raises ValueError or RecursionError where there is none, Unsound for a member of it."""
    reading = _Reading()
    value = json.loads(
        text,
        object_pairs_hook=reading.members,
        parse_constant=reading.constant,
        parse_float=reading.float,
        parse_int=reading.int,
    )
    # Octets are decoded by `json`, which lets halves pass; in text only an escape makes one.
    may_have_halves = isinstance(text, bytes) or ESCAPED_HALF.search(text) is not None
    if isinstance(value, dict) and (reading.is_unclear or may_have_halves):
        _refuse_unclear(value)
    return value


@dataclass(frozen=True, slots=True)
class _Unclear:
    """What stands where a value was that readers understand differently."""

    told: str


class _Twice(dict[str, Any]):
    """An object in which a name comes twice: some readers take the first value and some the last (RFC 8259 §4)."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class _Reading:
    """Takes down whether anything was unclear, so that nothing is looked through where nothing was."""

    is_unclear = False

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.is_unclear = True
        return _Twice(pairs)

    def constant(self, _name: str) -> _Unclear:
        self.is_unclear = True
        return _Unclear("has NaN or Infinity, which are not JSON (RFC 8259 §6)")

    def float(self, text: str) -> float | _Unclear:
        number = float(text)
        return number if math.isfinite(number) else self._too_large()

    def int(self, text: str) -> int | _Unclear:
        return int(text) if len(text) <= MOST_DIGITS else self._too_large()

    def _too_large(self) -> _Unclear:
        self.is_unclear = True
        return _Unclear(TOO_LARGE)


def _refuse_unclear(value: dict[str, Any]) -> None:
    names = [name for name, _ in value.pairs] if isinstance(value, _Twice) else []
    for name, member in value.pairs if isinstance(value, _Twice) else value.items():
        if not _is_unicode(name):
            raise Unsound(None, HALF)
        told = "comes twice" if names.count(name) > 1 else _unclear(member)
        if told:
            raise Unsound(name, told)


def _unclear(value: object) -> str:
    """Return what is unclear in the value, at any depth; "" if nothing is."""
    left = [value]
    while left:
        match left.pop():
            case _Unclear(told):
                return told
            case str(text) if not _is_unicode(text):
                return HALF
            case _Twice():
                return "has a name twice in one JSON object"
            case dict(members):
                left += [*members, *members.values()]
            case list(values):
                left += values
    return ""


def _is_unicode(text: str) -> bool:
    """Tell whether the text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
