"""An assistant's turn as an OpenAI message: thinking, words and tool calls.

ToolUseBlock and ReasoningContentBlock of the Bedrock runtime API (2023-09-30). Signed thinking goes back the way
litellm gives it (`thinking_blocks`), for Claude refuses a tool's result without it.
"""

from typing import Any

from app.adapters.bedrock.caching import mark
from app.adapters.bedrock.kinds import KINDS, SPOKEN
from app.adapters.bedrock.parts import Part, content, parts
from app.adapters.bedrock.reading import Json, items, kind, members, name, text, written, wrong

Message = dict[str, Json]


class Said:
    """An assistant's turn: thinking, words, and tool calls."""

    def __init__(self, dropped: list[str]) -> None:
        self._dropped = dropped
        self._parts: list[Part] = []
        self._calls: list[Json] = []
        self._thinking: list[Json] = []
        self._unsigned: list[str] = []
        self._last: list[Any] = []

    def read(self, blocks: Json, field: str) -> list[Message]:
        for block, inner in items(blocks, field):
            self._add(*kind(block, inner, KINDS), inner)
        message: Message = {"role": "assistant", "content": content(self._parts) if self._parts else None}
        if self._calls:
            message["tool_calls"] = self._calls
        elif not self._parts:
            message["content"] = ""  # OpenAI wants words where there are no calls
        if self._thinking:
            message["thinking_blocks"] = self._thinking
        if self._unsigned:
            message["reasoning_content"] = "".join(self._unsigned)
        return [message]

    def _add(self, shape: str, value: Json, field: str) -> None:
        inner = f"{field}.{shape}"
        if shape == "toolUse":
            self._add_call(members(value, inner), inner)
        elif shape == "reasoningContent":
            self._add_thinking(value, inner)
        elif shape == "cachePoint":
            mark(self._last, value, inner, self._dropped)
        elif shape in SPOKEN:
            self._parts += parts((shape, value), field, self._dropped)
            self._last += self._parts[-1:]
        elif shape == "toolResult" and "type" not in members(value, inner):
            raise wrong(inner, "can only be in a message of the user")
        else:
            self._dropped.append(inner)  # pictures of a model's own, and what Bedrock's own tools did

    def _add_call(self, value: dict[str, Json], field: str) -> None:
        if "type" in value:
            self._dropped.append(field)  # done by Bedrock: no model here asked for it
            return
        function = {
            "name": name(value.get("name"), f"{field}.name"),
            "arguments": _arguments(value.get("input", {}), f"{field}.input"),
        }
        call_id = name(value.get("toolUseId"), f"{field}.toolUseId")
        self._calls.append({"id": call_id, "type": "function", "function": function})
        self._last.append(self._calls[-1])

    def _add_thinking(self, value: Json, field: str) -> None:
        shape, inner = kind(value, field, frozenset({"reasoningText", "redactedContent"}))
        if shape == "redactedContent":
            self._thinking.append({"type": "redacted_thinking", "data": name(inner, f"{field}.{shape}")})
            return
        told = members(inner, f"{field}.{shape}")
        thought = text(told.get("text"), f"{field}.{shape}.text")
        if "signature" in told:
            signature = text(told["signature"], f"{field}.{shape}.signature")
            self._thinking.append({"type": "thinking", "thinking": thought, "signature": signature})
        else:
            self._unsigned.append(thought)


def _arguments(value: Json, field: str) -> str:
    # What this gateway's answers give as a string was no JSON when the model wrote it, and goes back as it was.
    return value if isinstance(value, str) else written(value, field)
