"""No text, argument or thought is lost on a stream, however a completion is cut into chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai.models import Models
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.gemini.sdk import Model, call, completion

ARGUMENTS = st.dictionaries(
    st.text(max_size=5), st.text(max_size=8) | st.integers() | st.lists(st.booleans()), max_size=3
)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text into pieces, some of them empty."""
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """Return a completion and chunks that tell it: thoughts, text, then its calls' pieces in any order of calls."""
    thoughts, text, reason = draw(TEXT), draw(TEXT), draw(st.sampled_from(["stop", "length", "tool_calls"]))
    calls = [
        call(f"call_{index}", draw(st.sampled_from(["now", "weather"])), json.dumps(arguments) if arguments else "")
        for index, arguments in enumerate(draw(st.lists(ARGUMENTS, max_size=3)))
    ]
    deltas = [{"reasoning_content": piece} for piece in draw(cut(thoughts))]
    deltas += [{"content": piece} for piece in draw(cut(text))]
    deltas += interleaved(draw, [pieces_of(draw, index, told) for index, told in enumerate(calls)])
    more = {"tool_calls": calls} if calls else {}
    whole = completion(text, reason, reasoning_content=thoughts, **more)
    return whole, chunks(whole, deltas, reason)


def pieces_of(draw: st.DrawFn, index: int, told: Any) -> list[Any]:
    first = {"index": index, **told, "function": {"name": told["function"]["name"], "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in draw(cut(told["function"]["arguments"]))]
    return [first, *rest]


def interleaved(draw: st.DrawFn, calls: list[list[Any]]) -> list[Any]:
    found = []
    while any(calls):
        pieces = draw(st.sampled_from([pieces for pieces in calls if pieces]))
        found.append({"tool_calls": [pieces.pop(0)]})
    return found


def chunks(whole: Any, deltas: list[Any], reason: str) -> list[Any]:
    head = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    told = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    return [*told, last, {**head, "choices": [], "usage": whole["usage"]}]


def read(answers: list[Any]) -> Any:
    """Return all that an SDK's answers say, texts joined."""
    parts = [part for got in answers for part in got.candidates[0].content.parts]
    calls = [
        (part.function_call.id, part.function_call.name, part.function_call.args)
        for part in parts
        if part.function_call
    ]
    signatures = [part.thought_signature for part in parts if part.thought_signature]
    thoughts = "".join(part.text for part in parts if part.thought)
    text = "".join(part.text for part in parts if part.text and not part.thought)
    last = answers[-1]
    return thoughts, text, calls, signatures, last.candidates[0].finish_reason, last.usage_metadata, last.response_id


@pytest.fixture(scope="module")
def model() -> Model:
    return Model([])


@pytest.fixture(scope="module")
def models(model: Model) -> Models:
    """The SDK's client, which takes longer to make than to use."""
    return model.client().models


@given(told=streams(), pieces=st.integers(1, 40))
@settings(deadline=None)
def test_a_stream_says_what_the_whole_answer_says(model, models, told, pieces):
    """As google-genai reads both, its stream in pieces of any size."""
    whole, chunks = told
    model.completions, model.pieces = [whole, chunks], pieces
    how = {"model": "m", "contents": "Hello", "config": {"thinking_config": {"include_thoughts": True}}}

    answered = read([models.generate_content(**how)])
    streamed = read(list(models.generate_content_stream(**how)))

    assert streamed == answered
    message = whole["choices"][0]["message"]
    assert answered[:2] == (message["reasoning_content"], message["content"])
