"""Chunks of a chat completion as the answers of streamGenerateContent."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from app.adapters.gemini import answer as whole
from app.adapters.gemini.notes import notes_of
from app.adapters.gemini.signatures import signature
from app.adapters.gemini.unwrapping import Unwrapping
from app.adapters.schema import Body, CompletionRequest
from app.adapters.told_calls import ToldCalls

Json = Any
Part = whole.Part
OPENING, BETWEEN, END = b"[", b",\r\n", b"]"


def frames(chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
    """Yield each answer as an event, or as the next item of one JSON array that the last frame closes."""
    is_first = True
    for found in _answers(chunks, request):
        yield frame(json.dumps(found), request, is_first=is_first)
        is_first = False
    if not notes_of(request).is_sse:
        yield OPENING + END if is_first else END


def frame(text: str, request: CompletionRequest, *, is_first: bool) -> bytes:
    if notes_of(request).is_sse:
        return f"data: {text}\n\n".encode()
    return (OPENING if is_first else BETWEEN) + text.encode()


def _answers(chunks: Iterable[Body], request: CompletionRequest) -> Iterator[Json]:
    choices: dict[int, _Choice] = {}
    answer_id = usage = None
    for chunk in chunks:
        answer_id = answer_id or chunk.get("id")
        usage = chunk.get("usage") or usage
        candidates = []
        for told in whole.listed(chunk.get("choices")):
            choice = choices.setdefault(told.get("index") or 0, _Choice(request))
            candidates += choice.read(told)
        if candidates:
            yield whole.response(answer_id, request, candidates, None)
    # Google's last answer has the finish reason and the usage, which OpenAI sends after it: so both wait for the end.
    if choices or usage:
        last = [choice.last(index) for index, choice in sorted(choices.items())]
        yield whole.response(answer_id, request, last, usage)


class _Choice:
    """What one choice has said, as far as later chunks need it."""

    def __init__(self, request: CompletionRequest) -> None:
        self._shows_thoughts = notes_of(request).shows_thoughts
        self._unwrapping = Unwrapping(notes_of(request).wrapped)
        self._told_calls = ToldCalls()
        self._calls: list[list[str]] = []
        self._blocks: list[Json] = []
        self._reasoning = ""
        self._reason: str | None = None
        self._is_refused = False

    def read(self, told: Body) -> list[Json]:
        """Return the candidate that a chunk's choice makes: one, or none where it adds nothing that can be shown."""
        delta = told.get("delta") or {}
        self._reason = told.get("finish_reason") or self._reason
        self._add_calls(delta)
        parts = [*self._thoughts(delta), *self._said(delta)]
        if not parts:
            return []
        return [{**whole.candidate(told, parts), **whole.logprobs(told.get("logprobs"))}]

    def last(self, index: int) -> Json:
        """Return the candidate that ends this choice: its calls, which Google never cuts, and its finish reason."""
        # Pieces of several calls may come in any order; their indexes tell the model's.
        told = sorted(enumerate(self._calls), key=lambda call: self._told_calls.index(call[0]))
        calls, malformed = whole.call_parts((call_id, name, args) for _, (call_id, name, args) in told)
        text = self._unwrapping.finish()
        parts = [*([{"text": text}] if text else []), *calls] or [{"text": ""}]
        held = self._signature(calls_tools=bool(calls))
        return {
            **whole.candidate({"index": index}, whole.signed(parts, held)),
            **whole.finish(self._reason, malformed, is_refused=self._is_refused),
        }

    def _thoughts(self, delta: Body) -> list[Part]:
        for block in whole.listed(delta.get("thinking_blocks")):
            self._add_block(block)
        text = delta.get("reasoning_content") or ""
        self._reasoning += text
        return [whole.thought_part(text)] if text and self._shows_thoughts else []

    def _said(self, delta: Body) -> list[Part]:
        refusal = whole.refusal(delta)
        self._is_refused = self._is_refused or bool(refusal)
        text = self._unwrapping.feed(delta.get("content") or "") + refusal
        parts = [*([{"text": text}] if text else []), *whole.image_parts(delta)]
        return whole.signed(parts, self._signature(calls_tools=False)) if parts else []

    def _signature(self, *, calls_tools: bool) -> str | None:
        """Return the signature of what was thought since the last one; a block that has none yet waits for it."""
        held = signature(self._blocks, self._reasoning, calls_tools=calls_tools)
        if held:
            self._blocks = []
        return held

    def _add_block(self, block: Body) -> None:
        """Put together the pieces of a thinking block, which its signature ends."""
        last = self._blocks[-1] if self._blocks else {"signature": "none before"}
        if block.get("type") != "thinking" or last.get("signature") or last.get("type") != "thinking":
            self._blocks.append(dict(block))
            return
        last["thinking"] = (last.get("thinking") or "") + (block.get("thinking") or "")
        last["signature"] = block.get("signature")

    def _add_calls(self, delta: Body) -> None:
        """Put together the pieces of each call, also of the `function_call` of old."""
        pieces = whole.listed(delta.get("tool_calls")) or whole.listed([{"function": delta.get("function_call")}])
        for number, call in self._told_calls.numbered(piece for piece in pieces if piece.get("function")):
            if number == len(self._calls):
                self._calls.append(["", "", ""])
            made, function = self._calls[number], call["function"]
            made[0] = made[0] or call.get("id") or ""
            made[1] = made[1] or function.get("name") or ""
            made[2] += function.get("arguments") or ""
