"""Content blocks that grow while a stream runs, each telling what is new of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.adapters.anthropic.answer import RAW_ARGUMENTS
from app.adapters.schema import Body

Json = Any


class Text:
    """What the model says; `pieces` are those that have not been told yet, here and below."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._has_begun = False

    def is_whole(self) -> bool:
        """Tell whether the block may end, now that another one follows."""
        return True

    def events(self, index: int, *, is_done: bool) -> Iterator[Json]:
        """Yield what is new, and the end where the block is done."""
        yield from self._begin(index, {"type": "text", "text": ""})
        yield from self._grow(index, "text_delta", "text")
        if is_done:
            yield _stop(index)

    def _begin(self, index: int, block: Json) -> Iterator[Json]:
        if not self._has_begun:
            self._has_begun = True
            yield {"type": "content_block_start", "index": index, "content_block": block}

    def _grow(self, index: int, kind: str, member: str) -> Iterator[Json]:
        if piece := "".join(self.pieces):
            yield _delta(index, kind, member, piece)
        self.pieces.clear()


class Thought(Text):
    """What the model thinks. Its signature is told once and last: the SDK keeps the last one alone."""

    def __init__(self) -> None:
        super().__init__()
        self._signature = ""

    def is_other(self, thought: Body) -> bool:
        """Tell whether this piece is of another thought: a signature seals one, though it may come in pieces."""
        return bool(self._signature and thought.get("thinking"))

    def take(self, thought: Body) -> None:
        self.pieces.append(thought.get("thinking") or "")
        self._signature += thought.get("signature") or ""

    def events(self, index: int, *, is_done: bool) -> Iterator[Json]:
        yield from self._begin(index, {"type": "thinking", "thinking": "", "signature": ""})
        yield from self._grow(index, "thinking_delta", "thinking")
        if is_done and self._signature:
            yield _delta(index, "signature_delta", "signature", self._signature)
        if is_done:
            yield _stop(index)


class Redacted(Text):
    """A thought that only its provider can read."""

    def __init__(self, data: str) -> None:
        super().__init__()
        self._data = data

    def events(self, index: int, *, is_done: bool) -> Iterator[Json]:
        yield from self._begin(index, {"type": "redacted_thinking", "data": self._data})
        if is_done:
            yield _stop(index)


class ToolUse(Text):
    """A call. It begins with its first argument, when the name is sure to be whole."""

    def __init__(self, own_id: str, long_names: dict[str, str]) -> None:
        super().__init__()
        self.id = ""
        self._own_id = own_id
        self._long_names = long_names
        self._name = ""
        self._arguments: list[str] = []
        self._opening = ""

    def take(self, call: Body) -> None:
        function = call.get("function") or {}
        self.id = self.id or call.get("id") or ""
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if not self._has_begun and name != self._name:  # Some servers repeat it in each piece.
            self._name += name
        self.pieces.append(arguments)
        self._arguments.append(arguments)
        self._opening = self._opening or arguments.lstrip()[:1]

    def is_whole(self) -> bool:
        try:
            json.loads("".join(self._arguments))
        except (ValueError, RecursionError):
            return False
        return True

    def events(self, index: int, *, is_done: bool) -> Iterator[Json]:
        if is_done or any(self.pieces):
            yield from self._begin(index, self._beginning())
        if is_done and self._opening not in ("", "{"):
            # No object, whatever follows: it was held back, and is told as in a whole answer.
            self.pieces = [json.dumps({RAW_ARGUMENTS: "".join(self._arguments)})]
            self._opening = "{"
        if self._opening == "{":
            yield from self._grow(index, "input_json_delta", "partial_json")
        if is_done:
            yield _stop(index)

    def _beginning(self) -> Json:
        name = self._long_names.get(self._name, self._name)
        return {"type": "tool_use", "id": self.id or self._own_id, "name": name, "input": {}}


def _delta(index: int, kind: str, member: str, piece: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, member: piece}}


def _stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}
