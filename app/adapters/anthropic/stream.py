"""A completion's chunks as the events of a Message stream (API reference, Streaming Messages).

The API tells one content block after the other, each whole; chunks may mix them. So the blocks stand in a queue:
the first is told as it grows, the others wait until it is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from app.adapters.anthropic.answer import (
    Json,
    beginning,
    call_id,
    ending,
    first_choice,
    message_id,
    refusal_of,
    text_of,
    usage,
)
from app.adapters.anthropic.blocks import Redacted, Text, Thought, ToolUse
from app.adapters.anthropic.request import Notes
from app.adapters.schema import Body, CompletionRequest
from app.adapters.told_calls import ToldCalls


def events(chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
    """Yield the stream, the events that one chunk gives reason for together."""
    stream = _MessageStream(request)
    for chunk in chunks:
        if told := b"".join(map(_event, stream.take(chunk))):
            yield told
    yield b"".join(map(_event, stream.end()))


def _event(told: Json) -> bytes:
    # ASCII alone: a server may cut a character in two halves of a surrogate pair, which UTF-8 has no octets for.
    return f"event: {told['type']}\ndata: {json.dumps(told, separators=(',', ':'))}\n\n".encode("ascii")


class _MessageStream:
    """What is known of the message so far, and what has been told of it."""

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._notes: Notes = request.notes or Notes()
        self._id = ""
        self._blocks: list[Text] = []
        self._told_calls = ToldCalls()
        self._calls: list[ToolUse] = []
        self._told = 0
        self._refusal = ""
        self._usage: Body | None = None
        self._choice: Body = {}

    def take(self, chunk: Body) -> Iterator[Json]:
        """Yield the events of a chunk."""
        if not self._id:
            yield from self._begin(chunk)
        self._usage = chunk.get("usage") or self._usage
        choice = first_choice(chunk)
        if choice.get("finish_reason"):
            self._choice = choice
        self._read(choice.get("delta") or {})
        yield from self._advance()

    def end(self) -> Iterator[Json]:
        """Yield the last events: what waits, the reason to stop, the usage."""
        if not self._id:
            yield from self._begin({})
        yield from self._advance(is_last=True)
        told = ending(self._choice, self._notes, has_calls=bool(self._calls), refusal=self._refusal or None)
        yield {"type": "message_delta", "delta": told, "usage": usage(self._usage)}
        yield {"type": "message_stop"}

    def _begin(self, chunk: Body) -> Iterator[Json]:
        self._id = message_id(chunk)
        begun = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage(None)}
        yield {"type": "message_start", "message": {**beginning(chunk, self._request), **begun}}
        yield {"type": "ping"}

    def _read(self, delta: Body) -> None:
        if not self._notes.hides_thinking:
            self._read_thoughts(delta)
        refusal = refusal_of(delta) or ""
        self._refusal += refusal
        text = text_of(delta.get("content")) + refusal
        if text:
            self._read_text(text)
        for number, call in self._told_calls.numbered(delta.get("tool_calls") or ()):
            if number == len(self._calls):
                self._calls.append(ToolUse(call_id({}, number, self._id), self._notes.long_names))
                self._blocks.append(self._calls[-1])
            self._calls[number].take(call)

    def _read_thoughts(self, delta: Body) -> None:
        thoughts = delta.get("thinking_blocks") or ({"thinking": delta.get("reasoning_content")},)
        for thought in thoughts:
            if thought and thought.get("type") == "redacted_thinking":
                self._blocks.append(Redacted(thought.get("data") or ""))
            elif thought and (thought.get("thinking") or thought.get("signature")):
                self._read_thought(thought)

    def _read_thought(self, thought: Body) -> None:
        last = self._blocks[-1] if self._blocks else None
        if not isinstance(last, Thought) or last.is_other(thought):
            last = Thought()
            self._blocks.append(last)
        last.take(thought)

    def _read_text(self, text: str) -> None:
        # Its subclasses are blocks of another kind.
        if not self._blocks or type(self._blocks[-1]) is not Text:
            self._blocks.append(Text())
        self._blocks[-1].pieces.append(text)

    def _advance(self, *, is_last: bool = False) -> Iterator[Json]:
        """Yield what is new of the first block in the queue, and of those behind it once it is done."""
        while self._blocks:
            block = self._blocks[0]
            is_done = is_last or (len(self._blocks) > 1 and block.is_whole())
            yield from block.events(self._told, is_done=is_done)
            if not is_done:
                return
            del self._blocks[0]
            self._told += 1
