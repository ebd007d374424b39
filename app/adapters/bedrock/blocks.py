"""One content block of a stream, while it grows.

ContentBlockStart and ContentBlockDelta of the Bedrock runtime API (2023-09-30).
"""

import json

from app.adapters.bedrock.answer import at
from app.adapters.schema import Json


class Block:
    """Text or thinking: what its deltas said, and whether it may be ended."""

    def __init__(self, sort: str) -> None:
        self.sort = sort
        self.unsent: list[Json] = []
        self.is_whole = False
        """Nothing may be added: what follows is a block of its own."""

    @property
    def start(self) -> Json:
        """What a contentBlockStart tells; None where there is none."""
        return None

    @property
    def may_start(self) -> bool:
        return True

    @property
    def may_end(self) -> bool:
        return True

    def last_delta(self) -> Json:
        """Return a delta without which the block would not be whole; None for none."""
        return None


class Call(Block):
    """A tool call, whose pieces may come mixed with another's."""

    def __init__(self, spare_id: str) -> None:
        super().__init__("call")
        self.id, self.name = "", ""
        self._spare_id = spare_id
        self._arguments: list[str] = []

    def say(self, piece: Json) -> None:
        function = at(piece, "function", dict)
        self.id = self.id or at(piece, "id", str)
        self.name = self.name or at(function, "name", str)
        arguments = at(function, "arguments", str)
        if arguments:
            self._arguments.append(arguments)
            self.unsent.append({"toolUse": {"input": arguments}})

    @property
    def start(self) -> Json:
        return {"toolUse": {"toolUseId": self.id or self._spare_id, "name": self.name}}

    @property
    def may_start(self) -> bool:
        return bool(self.name)

    @property
    def may_end(self) -> bool:
        """Whether the arguments are a whole object, after which no more can come."""
        if not self._arguments or not self._arguments[-1].rstrip().endswith("}"):
            return False
        self._arguments = ["".join(self._arguments)]
        try:
            return isinstance(json.loads(self._arguments[0]), dict)
        except (ValueError, RecursionError):
            return False

    def last_delta(self) -> Json:
        return None if self._arguments else {"toolUse": {"input": "{}"}}
