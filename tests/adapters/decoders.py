"""The wires that the contract knows: where a schema stands, and an independent reading of its streams."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.eventstream import EventStreamBuffer

from app.adapters.schema import Schema


@dataclass(frozen=True)
class Wire:
    """One schema by its folder in tests/data."""

    module: str
    schema_class: str
    decode: Callable[[bytes], list[Any]]
    """Takes all bytes of a stream, returns its frames as plain values; raises where they are no whole frames."""
    given: dict[str, Any] = field(default_factory=dict)
    """What the schema is made with: a clock that stands, say."""

    def schema(self) -> Schema:
        made: Schema = getattr(importlib.import_module(self.module), self.schema_class)(**self.given)
        return made


def server_sent_events(stream: bytes) -> list[Any]:
    """Return [{"event", "data"}] of an event stream (WHATWG HTML §9.2); `event` only where it is named."""
    assert stream == b"" or stream.endswith(b"\n\n")
    return [_event(block) for block in stream.decode().split("\n\n") if block]


def _event(block: str) -> dict[str, Any]:
    fields = [tuple(line.split(": ", 1)) for line in block.split("\n")]
    data = json.loads("\n".join(value for name, value in fields if name == "data"))
    return {**dict(field for field in fields if field[0] == "event"), "data": data}


def aws_events(stream: bytes) -> list[Any]:
    """Return [{"headers", "payload"}] of an AWS event stream, both checksums judged by botocore."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    messages = list(buffer)
    assert sum(got.prelude.total_length for got in messages) == len(stream)  # botocore waits for the rest of one
    return [{"headers": got.headers, "payload": json.loads(got.payload)} for got in messages]


def google_stream(stream: bytes) -> list[Any]:
    """Return the answers of a stream, which comes as events (`alt=sse`) or as one JSON array."""
    if stream.lstrip().startswith((b"[", b"]")):
        found: list[Any] = json.loads(stream)
        return found
    return [event["data"] for event in server_sent_events(stream)]


WIRES = {
    "anthropic": Wire("app.adapters.anthropic.schema", "AnthropicSchema", server_sent_events),
    "bedrock": Wire("app.adapters.bedrock.schema", "BedrockSchema", aws_events, {"clock_s": lambda: 0.0}),
    "gemini": Wire("app.adapters.gemini.schema", "GeminiSchema", google_stream),
}
