"""What is nested too deep is refused before anything recurses into it."""

from __future__ import annotations

from typing import Any

import pytest

from app.adapters.gemini.reading import DEEPEST, check_depth
from app.adapters.gemini.schema import GeminiSchema
from app.adapters.schema import ForeignRequest, Operation
from app.errors import InvalidRequest

# body, contents, content, parts, part, call, args
ABOVE = 7


def body(levels: int) -> Any:
    """Return a body of so many levels, most of them in the arguments of a call."""
    call = {"name": "f", "args": {"deep": nested(levels - ABOVE)}}
    return {"contents": [{"parts": [{"text": "-"}]}, {"role": "model", "parts": [{"functionCall": call}]}]}


def nested(levels: int) -> Any:
    value: Any = "innermost"
    for level in range(levels):
        value = {"inner": value} if level % 2 else [value]
    return value


def test_what_protobuf_takes_is_taken():
    asked = ForeignRequest(Operation("generateContent", {"model": "m"}), body(DEEPEST - 1))

    (_, called) = GeminiSchema().understand(asked).arguments["messages"]

    assert called["tool_calls"][0]["function"]["arguments"].count("innermost") == 1


@pytest.mark.parametrize("levels", [DEEPEST, 100_000], ids=["a little", "far"])
def test_what_is_deeper_is_refused(levels):
    with pytest.raises(InvalidRequest, match="100 levels"):
        check_depth(body(levels))
