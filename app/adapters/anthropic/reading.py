"""A request's JSON, read member by member: what is wrong is refused by place, what is never read can be named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from app.errors import InvalidRequest

Json = Any


def refuse(place: str, fault: str) -> NoReturn:
    """Refuse the request for what stands in this place: "messages[0].role"."""
    raise InvalidRequest(f"{place}: {fault}", param=place)


class Members:
    """One JSON object of a request. A member that is null counts as left out, as the API takes it."""

    __slots__ = ("_read", "_value", "place")

    def __init__(self, value: Json, place: str) -> None:
        if not isinstance(value, dict):
            refuse(place or "body", "must be an object.")
        self.place = place
        self._value = value
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """Return the place of a member, as the client would write it."""
        return f"{self.place}.{name}" if self.place else name

    def unread(self) -> list[str]:
        """Return the places of the members that nobody asked for."""
        return [self.at(name) for name, value in self._value.items() if name not in self._read and value is not None]

    def raw(self, name: str) -> Json:
        """Return a member of any kind, None where there is none."""
        self._read.add(name)
        return self._value.get(name)

    def _a(self, name: str, kind: str, is_right: Callable[[Json], bool]) -> Json:
        value = self.raw(name)
        if value is not None and not is_right(value):
            refuse(self.at(name), f"must be {kind}.")
        return value

    def _required(self, name: str, value: Json) -> Json:
        return refuse(self.at(name), "is required.") if value is None else value

    def text_or_none(self, name: str) -> str | None:
        found: str | None = self._a(name, "a string", lambda value: isinstance(value, str))
        return found

    def text(self, name: str) -> str:
        found: str = self._required(name, self.text_or_none(name))
        return found

    def one_of(self, name: str, known: Iterable[str]) -> str:
        """Return a text that must be one of these."""
        found = self.text(name)
        if found not in known:
            refuse(self.at(name), f"must be one of {', '.join(known)}, not {found[:60]!r}.")
        return found

    def integer_or_none(self, name: str, least: int) -> int | None:
        found: int | None = self._a(name, f"a whole number from {least} on", lambda value: _is_integer(value, least))
        return found

    def number_or_none(self, name: str) -> float | None:
        found: float | None = self._a(name, "a number", _is_number)
        return found

    def flag(self, name: str) -> bool:
        """Return a boolean, False where it is left out."""
        return bool(self._a(name, "true or false", lambda value: isinstance(value, bool)))

    def values(self, name: str) -> list[tuple[Json, str]]:
        """Return (item, its place) of a list, nothing where it is left out."""
        found = self._a(name, "a list", lambda value: isinstance(value, list)) or []
        return [(item, f"{self.at(name)}[{index}]") for index, item in enumerate(found)]

    def object(self, name: str) -> dict[str, Json]:
        """Return a member that is an object of the client's own, whatever is in it."""
        found: dict[str, Json] = self._required(name, self._a(name, "an object", lambda value: isinstance(value, dict)))
        return found

    def members_or_none(self, name: str) -> Members | None:
        value = self.raw(name)
        return None if value is None else Members(value, self.at(name))

    def members(self, name: str) -> Members:
        return Members(self._required(name, self.raw(name)), self.at(name))


def _is_integer(value: Json, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
