"""A user's turn as OpenAI messages: the results of tools, then what the user says and shows.

ToolResultBlock of the Bedrock runtime API (2023-09-30). OpenAI's tool messages hold text alone: what else a tool has
to show comes in the user's message behind them.
"""

from typing import Any

from app.adapters.bedrock.caching import mark
from app.adapters.bedrock.kinds import ASSISTANT_ONLY, KINDS, TOOL_LISTS
from app.adapters.bedrock.parts import Part, content, parts, text_part
from app.adapters.bedrock.reading import Json, items, kind, members, name, one_of, written, wrong

Message = dict[str, Json]

RESULT_KINDS = frozenset({"text", "json", "image", "document", "video", "searchResult"})


class Asked:
    """A user's turn: the results of tools, then what the user says and shows."""

    def __init__(self, dropped: list[str]) -> None:
        self._dropped = dropped
        self._results: list[Message] = []
        self._shown_by_tools: list[Part] = []
        self._parts: list[Part] = []
        self._last: list[Any] = []
        """What a cache point would mark, last."""

    def read(self, blocks: Json, field: str) -> list[Message]:
        for block, inner in items(blocks, field):
            self._add(*kind(block, inner, KINDS), inner)
        found = [*self._shown_by_tools, *self._parts]
        return [*self._results, *([{"role": "user", "content": content(found)}] if found else [])]

    def _add(self, shape: str, value: Json, field: str) -> None:
        if shape in ASSISTANT_ONLY:
            raise wrong(f"{field}.{shape}", "can only be in a message of the assistant")
        if shape in TOOL_LISTS:
            self._dropped.append(f"{field}.{shape}")
        elif shape == "cachePoint":
            mark(self._last, value, f"{field}.{shape}", self._dropped)
        elif shape == "toolResult":
            self._add_result(members(value, f"{field}.{shape}"), f"{field}.{shape}")
        else:
            self._parts += parts((shape, value), field, self._dropped)
            self._last += self._parts[-1:]

    def _add_result(self, value: dict[str, Json], field: str) -> None:
        call_id = name(value.get("toolUseId"), f"{field}.toolUseId")
        failed = _failed(value, field)
        texts: list[str] = []
        shown: list[Part] = []
        for block, inner in items(value.get("content"), f"{field}.content"):
            shape, result = kind(block, inner, RESULT_KINDS)
            found = _result_parts(shape, result, inner, self._dropped)
            texts += [part["text"] for part in found if part["type"] == "text"]
            shown += [part for part in found if part["type"] != "text"]
        if failed and texts:
            self._dropped.append(f"{field}.status")
        said = "\n".join(texts) if texts else "error" if failed else "Shown by the user's message." if shown else ""
        self._results.append({"role": "tool", "tool_call_id": call_id, "content": said})
        self._last.append(self._results[-1])
        if shown:
            self._shown_by_tools += [text_part(f"Shown by the tool call {call_id}:"), *shown]


def _result_parts(shape: str, value: Json, field: str, dropped: list[str]) -> list[Part]:
    if shape == "json":
        return [text_part(written(value, f"{field}.json"))]
    return parts((shape, value), field, dropped)


def _failed(value: dict[str, Json], field: str) -> bool:
    status = value.get("status", "success")
    return one_of(status, f"{field}.status", {"success": "", "error": "error"}) == "error"
