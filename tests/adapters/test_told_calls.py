"""Pieces of tool calls find their call, however a server counts them; and every schema goes by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.adapters.schema import ForeignRequest, Operation
from app.adapters.told_calls import ToldCalls
from tests.adapters.decoders import WIRES


def piece(arguments: str, name: str | None = None, **told: Any) -> dict[str, Any]:
    return {**told, "function": {"arguments": arguments, **({"name": name} if name else {})}}


ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'


@pytest.mark.parametrize(
    ("chunks", "numbers"),
    [
        pytest.param([[piece(ROME, "f", index=0)], [piece(OSLO, "f", index=1)]], [0, 1], id="by index"),
        pytest.param(
            [[piece(ROME, "f", index=0, id="a")], [piece(OSLO, "f", index=0, id="b")]], [0, 1], id="one index, two ids"
        ),
        pytest.param(
            [
                [piece('{"', "f", index=0, id="a")],
                [piece(OSLO, "f", index=0, id="b")],
                [piece('a":1}', index=0, id="a")],
            ],
            [0, 1, 0],
            id="one index, mixed by id",
        ),
        pytest.param([[piece(ROME, "f", index=0)], [piece(OSLO, "f", index=0)]], [0, 1], id="one index, no ids"),
        pytest.param(
            [[piece(ROME, "f", index=0, id="a")], [piece(OSLO, "f", index=1, id="a")]], [0, 1], id="one id, two indexes"
        ),
        pytest.param(
            [[piece("", "f", index=0, id="a")], [piece('{"a', "f", index=0, id="a")], [piece('":1}', "f", index=0)]],
            [0, 0, 0],
            id="name and id in each piece",
        ),
        pytest.param(
            [[piece("", "f", index=0, id="a")], [piece('{"a', index=0, id="b")], [piece('":1}', index=0, id="c")]],
            [0, 0, 0],
            id="a new id in each piece, no name",
        ),
        pytest.param([[piece('{"ci', "f"), piece("{}", "g")]], [0, 1], id="nothing, in one chunk"),
        pytest.param([[piece(ROME, "f")], [piece(OSLO, "f")]], [0, 1], id="nothing, one after the other"),
        pytest.param(
            [
                [piece('{"', "f", id="a")],
                [piece('{"', "f", id="b")],
                [piece('a":1}', id="a")],
                [piece('b":1}', id="b")],
            ],
            [0, 1, 0, 1],
            id="ids alone",
        ),
        pytest.param(
            [[piece('{"a', "f", id="a"), piece('{"b', "f", id="b")], [piece('":1}', id="b")], [piece('":1}', id="a")]],
            [0, 1, 1, 0],
            id="ids alone, two in one chunk",
        ),
        pytest.param(
            [[piece('{"', "f", index=n, id="a")] for n in (0, 1)] + [[piece('":1}', index=n, id="a")] for n in (0, 1)],
            [0, 1, 0, 1],
            id="one id, two indexes, mixed",
        ),
        pytest.param([[None, {"function": None}, {"index": 0}]], [0, 1, 0], id="empty pieces"),
    ],
)
def test_a_piece_finds_its_call(chunks, numbers):
    calls = ToldCalls()

    assert [number for pieces in chunks for number, _ in calls.numbered(pieces)] == numbers


ASKED = {
    "anthropic": (
        Operation("messages"),
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "-"}]},
    ),
    "bedrock": (
        Operation("converse-stream", {"model": "m"}),
        {"messages": [{"role": "user", "content": [{"text": "-"}]}]},
    ),
    "gemini": (Operation("streamGenerateContent", {"model": "m"}), {"contents": [{"parts": [{"text": "-"}]}]}),
}


@pytest.mark.parametrize("wire", ASKED)
@pytest.mark.parametrize("ids", [("call_1", "call_2"), (None, None)], ids=["ids", "no ids"])
def test_calls_of_one_index_are_two_in_every_schema(wire, ids):
    """Ollama's way: each call whole, all with the index 0."""
    schema = WIRES[wire].schema()
    operation, body = ASKED[wire]
    request = schema.understand(ForeignRequest(operation, body, {"alt": "sse"}))
    pieces = [
        piece(arguments, "weather", index=0, **({"id": call_id} if call_id else {}))
        for call_id, arguments in zip(ids, (ROME, OSLO), strict=True)
    ]
    chunks = [{"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"tool_calls": [told]}}]} for told in pieces]
    end = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}

    frames = WIRES[wire].decode(b"".join(schema.frames([*chunks, end], request)))

    assert READ[wire](frames) == [("weather", json.loads(ROME)), ("weather", json.loads(OSLO))]


def of_anthropic(frames: list[Any]) -> list[Any]:
    told = [frame["data"] for frame in frames]
    names = [event["content_block"]["name"] for event in told if event["type"] == "content_block_start"]
    texts = [event["delta"]["partial_json"] for event in told if event["type"] == "content_block_delta"]
    return [(name, json.loads(text)) for name, text in zip(names, texts, strict=True)]


def of_bedrock(frames: list[Any]) -> list[Any]:
    told = [frame["payload"] for frame in frames]
    names = [event["start"]["toolUse"]["name"] for event in told if "start" in event]
    texts = [event["delta"]["toolUse"]["input"] for event in told if "delta" in event]
    return [(name, json.loads(text)) for name, text in zip(names, texts, strict=True)]


def of_gemini(frames: list[Any]) -> list[Any]:
    parts = [part for frame in frames for part in frame["candidates"][0]["content"]["parts"]]
    return [(part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part]


READ = {"anthropic": of_anthropic, "bedrock": of_bedrock, "gemini": of_gemini}
