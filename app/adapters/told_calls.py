"""Which tool call a piece of a stream is of: its index says so, and its id where a server counts badly.

Servers of OpenAI's format differ: some give every call the index 0, some give none, some no id either, and some
repeat id and name in each piece. litellm counts calls without an index anew in each chunk, and so does this.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from app.adapters.schema import Body


class ToldCalls:
    """The calls of one message, as far as telling them apart needs it."""

    def __init__(self) -> None:
        self._calls: list[_Told] = []

    def numbered(self, pieces: Iterable[Any]) -> list[tuple[int, Body]]:
        """Return the pieces of one chunk, each with the number of its call: 0, 1, 2 in the order they began."""
        unnumbered = count()
        found: list[tuple[int, Body]] = []
        for piece in pieces:
            told: Body = piece if isinstance(piece, Mapping) else {}
            index = told.get("index")
            is_counted = isinstance(index, int)
            found.append((self._number(told, index if is_counted else next(unnumbered), is_counted=is_counted), told))
        return found

    def index(self, number: int) -> int:
        """Return the index that the server gave the call."""
        return self._calls[number].index

    def _number(self, piece: Body, index: Any, *, is_counted: bool) -> int:
        call = self._by_id(piece.get("id"), index if is_counted else None) or self._latest(index)
        if call is None or call.ends_before(piece):
            call = _Told(len(self._calls), index)
            self._calls.append(call)
        call.take(piece)
        return call.number

    def _by_id(self, call_id: Any, index: Any) -> "_Told | None":
        fitting = (call for call in reversed(self._calls) if index is None or call.index == index)
        return next((call for call in fitting if call_id and call.id == call_id), None)

    def _latest(self, index: int) -> "_Told | None":
        return next((call for call in reversed(self._calls) if call.index == index), None)


class _Told:
    """What is known of one call."""

    def __init__(self, number: int, index: int) -> None:
        self.number, self.index = number, index
        self.id = ""
        self._arguments: list[str] = []

    def take(self, piece: Body) -> None:
        self.id = self.id or piece.get("id") or ""
        arguments = _arguments(piece)
        if arguments.strip():
            self._arguments.append(arguments)

    def ends_before(self, piece: Body) -> bool:
        """Tell whether the piece begins another call; only a piece with a name does."""
        if not _function(piece).get("name"):
            return False
        if self.id and piece.get("id") and piece["id"] != self.id:
            return True
        return bool(_arguments(piece).strip()) and self._is_whole()

    def _is_whole(self) -> bool:
        """Tell whether the arguments are an object, after which nothing can follow."""
        if not self._arguments or not self._arguments[-1].rstrip().endswith("}"):
            return False
        self._arguments = ["".join(self._arguments)]
        try:
            json.loads(self._arguments[0])
        except (ValueError, RecursionError):
            return False
        return True


def _function(piece: Body) -> Body:
    found = piece.get("function")
    return found if isinstance(found, Mapping) else {}


def _arguments(piece: Body) -> str:
    found = _function(piece).get("arguments")
    return found if isinstance(found, str) else ""
