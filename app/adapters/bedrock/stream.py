"""Completion chunks as the events of ConverseStream.

ConverseStreamOutput of the Bedrock runtime API (2023-09-30, service model of botocore 1.44): messageStart, content
blocks, messageStop, metadata. As from Bedrock, only tool calls have a contentBlockStart, and no block begins before
the one before it has ended: SDK users put the deltas together in that faith.
"""

from collections.abc import Callable, Iterable, Iterator

from app.adapters.bedrock.answer import (
    at,
    blob,
    call_id,
    first_choice,
    refusal_of,
    service_tier,
    stop_reason,
    token_usage,
)
from app.adapters.bedrock.blocks import Block, Call
from app.adapters.eventstream import event
from app.adapters.schema import Body, Json
from app.adapters.told_calls import ToldCalls


def converse_frames(chunks: Iterable[Body], latency_ms: Callable[[], int]) -> Iterator[bytes]:
    """Yield the messages of the stream; `latency_ms` is asked for at its end."""
    talk = _Talk()
    has_begun = False
    for chunk in chunks:
        if not has_begun:
            yield event("messageStart", {"role": "assistant"})
            has_begun = True
        yield from talk.hear(chunk)
    if not has_begun:
        yield event("messageStart", {"role": "assistant"})
    yield from talk.end()
    yield event("messageStop", {"stopReason": talk.stop_reason})
    metadata = {"usage": token_usage(talk.usage), "metrics": {"latencyMs": latency_ms()}, **talk.tier}
    yield event("metadata", metadata)


class _Talk:
    """The state of one stream: the open block, and those that wait until it may end."""

    def __init__(self) -> None:
        self.usage: Json = {}
        self.tier: dict[str, Json] = {}
        self._finish_reason: Json = None
        self._has_refusal = False
        self._index = -1
        self._open: Block | None = None
        self._waiting: list[Block] = []
        self._told_calls = ToldCalls()
        self._calls: list[Call] = []

    @property
    def stop_reason(self) -> str:
        return stop_reason(self._finish_reason, has_calls=bool(self._calls), has_refusal=self._has_refusal)

    def hear(self, chunk: Body) -> Iterator[bytes]:
        """Yield what can be told after one more chunk."""
        self.usage = at(chunk, "usage", dict) or self.usage
        self.tier = service_tier(chunk) or self.tier
        choice = first_choice(chunk)
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = at(choice, "delta", dict)
        self._hear_thinking(delta)
        refusal = refusal_of(delta)
        for said in (at(delta, "content", str), refusal):
            self._add("text", {"text": said} if said else None)
        self._has_refusal = self._has_refusal or bool(refusal)
        self._hear_calls(delta, at(chunk, "id", str))
        yield from self._tell(is_over=False)

    def end(self) -> Iterator[bytes]:
        """Yield what was held back, and the end of the last block."""
        yield from self._tell(is_over=True)
        yield from self._close()

    def _hear_thinking(self, delta: dict[str, Json]) -> None:
        spoken = at(delta, "reasoning_content", str)
        blocks = at(delta, "thinking_blocks", list)
        # litellm gives one thought under both names.
        for thought in [spoken] if spoken else [at(block, "thinking", str) for block in blocks]:
            self._add("thinking", {"reasoningContent": {"text": thought}} if thought else None)
        for block in blocks:
            signature, hidden = at(block, "signature", str), at(block, "data", str)
            if signature:
                self._add("thinking", {"reasoningContent": {"signature": signature}}, is_last=True)
            if hidden:
                self._add("hidden", {"reasoningContent": {"redactedContent": blob(hidden)}}, is_last=True)

    def _add(self, sort: str, delta: Json, *, is_last: bool = False) -> None:
        if delta is None:
            return
        newest = self._waiting[-1] if self._waiting else self._open
        if newest is None or newest.sort != sort or newest.is_whole:
            newest = Block(sort)
            self._waiting.append(newest)
        newest.unsent.append(delta)
        newest.is_whole = is_last

    def _hear_calls(self, delta: dict[str, Json], completion_id: str) -> None:
        pieces = at(delta, "tool_calls", list)
        function = at(delta, "function_call", dict)
        if function and not pieces:
            pieces = [{"function": function}]
        for number, piece in self._told_calls.numbered(pieces):
            if number == len(self._calls):
                self._calls.append(Call(call_id(completion_id, number)))
                self._waiting.append(self._calls[-1])
            self._calls[number].say(piece)

    def _tell(self, *, is_over: bool) -> Iterator[bytes]:
        while True:
            if self._open:
                yield from self._deltas(self._open)
            if not self._waiting or not (is_over or self._waiting[0].may_start):
                return
            if self._open and not (is_over or self._open.may_end):
                return
            yield from self._close()
            yield from self._begin(self._waiting.pop(0))

    def _begin(self, block: Block) -> Iterator[bytes]:
        self._open = block
        self._index += 1
        if block.start is not None:
            yield event("contentBlockStart", {"start": block.start, "contentBlockIndex": self._index})

    def _deltas(self, block: Block) -> Iterator[bytes]:
        for delta in block.unsent:
            yield event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._index})
        block.unsent = []

    def _close(self) -> Iterator[bytes]:
        if self._open is None:
            return
        last = self._open.last_delta()
        if last is not None:
            yield event("contentBlockDelta", {"delta": last, "contentBlockIndex": self._index})
        yield event("contentBlockStop", {"contentBlockIndex": self._index})
        self._open = None
