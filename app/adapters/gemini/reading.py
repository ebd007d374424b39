"""A JSON object of a request, read field by field: each in either spelling, each named with its place.

The protobuf JSON mapping takes `inlineData` and `inline_data`, one object where a list of them is
meant, numbers in quotes, and null for a field that is not there; Google's own examples use all of it.
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from app.errors import InvalidRequest

Json = Any
# Protobuf's own parsers stop here, and Google's API with them.
DEEPEST = 100


def check_depth(value: Json) -> None:
    """Refuse what is nested deeper than protobuf takes it, before anything recurses into it."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return
    raise InvalidRequest(f"The body is nested deeper than {DEEPEST} levels.")


def _members(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@cache
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


class Given:
    """An object, its place in the client's spelling, and which of its fields nobody has read yet."""

    __slots__ = ("_dropped", "_unread", "_value", "place")

    def __init__(self, value: Json, place: str, dropped: list[str]) -> None:
        """Fields that are dropped, here and below, are added to `dropped`."""
        if not isinstance(value, Mapping):
            raise InvalidRequest(f"{place or 'The body'} must be an object.", param=place or None)
        self._value, self.place, self._dropped = value, place, dropped
        self._unread = {name: None for name, inner in value.items() if inner is not None}

    def at(self, name: str) -> str:
        """Return the place of a field, spelled as the client spells it."""
        return self._join(self._spelled(name) or name)

    def has(self, name: str) -> bool:
        return self._spelled(name) is not None

    def raw(self, name: str) -> Json:
        """Return the value as it is, None where there is none; the field is read now."""
        spelled = self._spelled(name)
        if spelled is None:
            return None
        self._unread.pop(spelled, None)
        return self._value[spelled]

    def string(self, name: str) -> str | None:
        found = self.raw(name)
        if found is not None and not isinstance(found, str):
            raise self.wrong(name, "must be a string")
        return found

    def needed(self, name: str) -> str:
        """Return a string that must be there and not be empty."""
        found = self.string(name)
        if not found:
            raise self.wrong(name, "is missing")
        return found

    def boolean(self, name: str) -> bool | None:
        found = self.raw(name)
        if found is not None and not isinstance(found, bool):
            raise self.wrong(name, "must be true or false")
        return found

    def number(self, name: str) -> int | float | None:
        found = self.raw(name)
        try:
            return None if found is None else _number(found)
        except ValueError as error:
            raise self.wrong(name, "must be a number") from error

    def whole(self, name: str) -> int | None:
        found = self.number(name)
        if found is not None and found != int(found):
            raise self.wrong(name, "must be a whole number")
        return None if found is None else int(found)

    def object(self, name: str) -> "Given | None":
        found = self.raw(name)
        return None if found is None else Given(found, self.at(name), self._dropped)

    def mapping(self, name: str) -> Mapping[str, Json]:
        """Return a free-form object, whose names are the client's own; empty where there is none."""
        found = self.raw(name)
        if found is not None and not isinstance(found, dict):
            raise self.wrong(name, "must be an object")
        return found or {}

    def objects(self, name: str) -> "list[Given]":
        """Return a list of objects, or the one object that stands for it."""
        found, place = self.raw(name), self.at(name)
        if isinstance(found, dict):
            return [Given(found, place, self._dropped)]
        if found is not None and not isinstance(found, list):
            raise self.wrong(name, "must be a list")
        return [Given(inner, f"{place}[{index}]", self._dropped) for index, inner in enumerate(found or ())]

    def strings(self, name: str) -> list[str]:
        found = self.raw(name)
        one_or_more = [found] if isinstance(found, str) else found or []
        if not isinstance(one_or_more, list) or not all(isinstance(inner, str) for inner in one_or_more):
            raise self.wrong(name, "must be a list of strings")
        return one_or_more

    def drop(self, name: str) -> None:
        """Name a field, where it is there, as one that cannot be carried over."""
        if self.raw(name) is not None:
            self._dropped.append(self.at(name))

    def drop_rest(self) -> None:
        """Name every field that nobody has read."""
        self._dropped += [self._join(name) for name in self._unread]
        self._unread = {}

    def unread(self) -> list[str]:
        return list(self._unread)

    def wrong(self, name: str, claim: str) -> InvalidRequest:
        """Return the refusal of a field: `claim` is what it must be, or is."""
        place = self.at(name)
        return InvalidRequest(f"{place} {claim}.", param=place)

    def _spelled(self, name: str) -> str | None:
        return next((way for way in (name, _snake(name)) if self._value.get(way) is not None), None)

    def _join(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name


def _number(found: Json) -> int | float:
    """Return a finite number, whole ones as int; raises ValueError for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise ValueError
    if isinstance(found, int):
        return found
    exact = float(found)
    if not math.isfinite(exact):
        raise ValueError
    return int(exact) if exact.is_integer() else exact
