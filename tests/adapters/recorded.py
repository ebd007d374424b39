"""The recorded pairs of tests/data: a foreign request and what is made of it, a completion and its answer.

A case is `tests/data/<wire>/<case>.json`; what it leaves out is not looked at, `request` and `path` excepted:

    path         what follows the mount, raw: "" or "/model/m/converse"
    query        decoded: {"alt": "sse"}
    request      the foreign body
    refused      [param, a part of the message]: the request is wrong; nothing else is read then
    model        as the client names it
    arguments    of litellm.completion, exactly
    streaming    true where a stream is asked for
    counting     true where only the tokens are asked for
    dropped      what cannot be carried, exactly; left out: nothing
    completion   a chat.completion, and the foreign `answer` made of it
    chunks       of a chat.completion.chunk stream, and the `frames` made of them, decoded by tests/adapters/decoders.py
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.adapters.schema import CompletionRequest, ForeignRequest, Schema
from tests.adapters.decoders import WIRES, Wire

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Case:
    """One recorded file."""

    wire_name: str
    name: str
    told: dict[str, Any] = field(repr=False)

    @property
    def wire(self) -> Wire:
        return WIRES[self.wire_name]

    def has(self, *names: str) -> bool:
        return all(name in self.told for name in names)

    def __getitem__(self, name: str) -> Any:
        """Return a member, a copy that the caller may spoil."""
        return copy.deepcopy(self.told[name])

    def foreign(self, schema: Schema, **body: Any) -> ForeignRequest:
        operation = schema.operation(self.told.get("path", ""))
        assert operation is not None
        return ForeignRequest(operation, {**self["request"], **body}, dict(self.told.get("query", {})))

    def understood(self, schema: Schema) -> CompletionRequest:
        return schema.understand(self.foreign(schema))


def cases(*names: str) -> list[Case]:
    """Return the recorded cases that have all of these members."""
    found = [
        Case(path.parent.name, path.stem, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(DATA.glob("*/*.json"))
        if path.parent.name in WIRES
    ]
    return [case for case in found if case.has(*names)]
