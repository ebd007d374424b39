"""However a model cuts its answer into chunks, boto3's users put together what the whole answer says."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.adapters.schema import ForeignRequest
from tests.adapters.bedrock import sdk
from tests.adapters.bedrock.sdk import Loopback

ASK = [{"role": "user", "content": [{"text": "Say hi"}]}]
WORDS = st.text(min_size=1, max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3).map(json.dumps)


@st.composite
def cut_off(draw: st.DrawFn) -> str:
    whole = draw(OBJECTS)
    return whole[: draw(st.integers(0, len(whole) - 1))]


ARGUMENTS = OBJECTS | OBJECTS | cut_off()
SIGNED = st.builds(lambda text, mark: {"type": "thinking", "thinking": text, "signature": mark}, WORDS, WORDS)
HIDDEN = st.binary(min_size=1, max_size=9).map(
    lambda octets: {"type": "redacted_thinking", "data": base64.b64encode(octets).decode()}
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    has_ids = draw(st.booleans())
    calls = [
        {
            **({"id": f"call_{index}"} if has_ids else {}),
            "function": {"name": f"f{index}", "arguments": draw(ARGUMENTS)},
        }
        for index in range(draw(st.integers(0, 4)))
    ]
    thoughts = draw(st.lists(SIGNED | HIDDEN, max_size=3))
    unsigned = {} if thoughts else {"reasoning_content": draw(st.text(max_size=20))}
    return {"content": draw(st.text(max_size=40)), "tool_calls": calls, "thinking_blocks": thoughts, **unsigned}


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text anywhere; some pieces are empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def deltas(draw: st.DrawFn, message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the message in pieces: thoughts first, then words and calls as they fall, each in its own order."""
    found = [{"reasoning_content": piece} for piece in draw(pieces(message.get("reasoning_content", "")))]
    for thought in message["thinking_blocks"]:
        found += draw(thought_deltas(thought))
    waiting = [[{"content": piece} for piece in draw(pieces(message["content"]))]]
    calls = [draw(call_deltas(index, call)) for index, call in enumerate(message["tool_calls"])]
    while any(waiting) or calls:
        # Calls begin in their order, and may be continued in any.
        if calls and (not any(waiting) or draw(st.booleans())):
            waiting.append(calls.pop(0))
            found.append(waiting[-1].pop(0))
        else:
            found.append(draw(st.sampled_from([queue for queue in waiting if queue])).pop(0))
    return found


@st.composite
def thought_deltas(draw: st.DrawFn, thought: dict[str, Any]) -> list[dict[str, Any]]:
    if "data" in thought:
        return [{"thinking_blocks": [thought]}]
    both = draw(st.booleans())
    found = [
        {
            **({"reasoning_content": piece} if both else {}),
            "thinking_blocks": [{"type": "thinking", "thinking": piece, "signature": ""}],
        }
        for piece in draw(pieces(thought["thinking"]))
    ]
    return [*found, {"thinking_blocks": [{**thought, "thinking": ""}]}]


@st.composite
def call_deltas(draw: st.DrawFn, index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    first, *others = draw(pieces(call["function"]["arguments"]))
    begin = {**call, "index": index, "function": {**call["function"], "arguments": first}}
    found = [begin, *({"index": index, "function": {"arguments": piece}} for piece in others)]
    return [{"tool_calls": [piece]} for piece in found]


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return (chat.completion, its chunks)."""
    message = draw(messages())
    finish_reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    usage = {"prompt_tokens": draw(st.integers(0, 99)), "completion_tokens": 1, "total_tokens": 100}
    chunks = [{"id": "c-1", "choices": [{"index": 0, "delta": delta}]} for delta in draw(deltas(message))]
    chunks += [{"id": "c-1", "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}]
    chunks += [{"id": "c-1", "choices": [], "usage": usage}]
    return {"id": "c-1", "choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage}, chunks


@given(answer=answers())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_of_an_answer_is_lost_in_its_stream(shared_loopback: Loopback, answer: Any) -> None:
    completion, chunks = answer
    shared_loopback.says(completion, chunks)

    whole = shared_loopback.client.converse(modelId="m", messages=ASK)
    events = list(shared_loopback.client.converse_stream(modelId="m", messages=ASK)["stream"])

    assert by_kind(sdk.said(events)) == by_kind(whole["output"]["message"]["content"])
    assert events[-2] == {"messageStop": {"stopReason": whole["stopReason"]}}
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    assert_blocks_never_overlap(events)


@pytest.mark.parametrize(
    ("first", "later", "at_once"),
    [
        pytest.param('{"a": 1}', "", True, id="a whole call lets the next begin"),
        pytest.param('{"a": ', "1}", False, id="half a call does not"),
        pytest.param("", '{"a": 1}', False, id="nor one that has said nothing"),
        pytest.param('"{}', '"', False, id="nor one that only looks whole"),
    ],
)
def test_a_call_waits_until_the_one_before_it_is_whole(first: str, later: str, at_once: bool) -> None:
    seen: list[int] = []
    count = 0

    def chunks() -> Any:
        for index, arguments in ((0, first), (1, "{}"), (0, later)):
            call = {"index": index, "id": f"call_{index}", "function": {"name": f"f{index}", "arguments": arguments}}
            yield {"choices": [{"delta": {"tool_calls": [call]}}]}
            seen.append(count)

    for frame in sdk.SCHEMA.frames(chunks(), _asked()):
        count += b"contentBlockStart" in frame

    assert (seen[1], count) == (2 if at_once else 1, 2)


def test_calls_that_share_an_index_stay_apart() -> None:
    """Some servers number every call of an answer 0, and tell them apart by id."""
    calls = [
        {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"index": 0, "id": "call_2", "function": {"name": "f", "arguments": '{"a": 2}'}},
    ]
    chunks = [{"choices": [{"delta": {"tool_calls": [call]}}]} for call in calls]

    stream = b"".join(sdk.SCHEMA.frames(chunks, _asked()))

    assert [b"call_1" in stream, b"call_2" in stream, stream.count(b"contentBlockStart")] == [True, True, 2]


def by_kind(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the blocks without what may differ: words around calls come in one block or in several."""
    return {
        "text": "".join(block["text"] for block in blocks if "text" in block),
        "thoughts": [block for block in blocks if "reasoningContent" in block],
        "calls": [block for block in blocks if "toolUse" in block],
    }


def assert_blocks_never_overlap(events: list[dict[str, Any]]) -> None:
    indexes = [told["contentBlockIndex"] for event in events for told in event.values() if "contentBlockIndex" in told]
    stops = [event["contentBlockStop"]["contentBlockIndex"] for event in events if "contentBlockStop" in event]
    assert indexes == sorted(indexes)
    assert stops == list(range(len(stops)))


def _asked() -> Any:
    operation = sdk.SCHEMA.operation("/model/m/converse-stream")
    assert operation is not None
    return sdk.SCHEMA.understand(ForeignRequest(operation, {"messages": copy.deepcopy(ASK)}))
