"""What every wire schema promises, over the recorded pairs of tests/data and over what hypothesis makes of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolChoiceOptionParam, ChatCompletionToolParam
from pydantic import TypeAdapter

from app.adapters.schema import CompletionRequest, ForeignRequest
from app.dialects import DIALECTS
from app.errors import InvalidRequest, StreamBroken
from tests.adapters import garbled
from tests.adapters.decoders import WIRES
from tests.adapters.recorded import Case, cases

RECORDED = sorted({case.wire_name for case in cases()})
# What litellm.completion takes as its own connection: never a client's to say (RELIABILITY AD-01, CVE-2024-6587).
CONNECTION = {
    "api_base": "http://evil.test",
    "base_url": "http://evil.test",
    "api_key": "stolen",
    "extra_headers": {"a": "b"},
    "custom_llm_provider": "evil",
    "callbacks": ["evil"],
    "mock_response": "evil",
    "fallbacks": ["evil"],
}
# What ends a stream of each wire.
END = {"anthropic": "message_stop", "bedrock": "metadata", "gemini": None}
OPENAI = {
    "messages": TypeAdapter(list[ChatCompletionMessageParam]),
    "tools": TypeAdapter(list[ChatCompletionToolParam]),
    "tool_choice": TypeAdapter(ChatCompletionToolChoiceOptionParam),
}


def over(*names: str, without: str = "refused") -> Any:
    """Run a test once per recorded case that has these members."""
    found = [case for case in cases(*names) if not case.has(without)]
    return pytest.mark.parametrize("case", found, ids=lambda case: f"{case.wire_name}-{case.name}")


@over("request")
def test_a_request_becomes_the_arguments_of_a_completion(case):
    got = case.understood(case.wire.schema())

    assert got.dropped == tuple(case.told.get("dropped", ()))
    assert got.is_streaming == case.told.get("streaming", False)
    assert got.counts_tokens == case.told.get("counting", False)
    assert got.model == case.told.get("model", got.model)
    assert got.arguments == case.told.get("arguments", got.arguments)


@over("refused", without="arguments")
def test_a_wrong_request_is_refused_with_the_name_of_the_field(case):
    param, part = case["refused"]

    with pytest.raises(InvalidRequest) as refusal:
        case.understood(case.wire.schema())

    assert (refusal.value.param, part in refusal.value.message) == (param, True), refusal.value.message


@over("completion", "answer")
def test_a_completion_becomes_the_answer(case):
    schema = case.wire.schema()

    assert schema.answer(case["completion"], case.understood(schema)) == case["answer"]


@over("chunks", "frames")
def test_chunks_become_frames(case):
    assert case.wire.decode(streamed(case, case["chunks"])) == case["frames"]


@over("request")
def test_nothing_that_is_read_is_changed(case):
    """Requests of one body may share it, and litellm's own objects are cached here and there."""
    schema = case.wire.schema()
    foreign = case.foreign(schema)

    request = schema.understand(foreign)
    seen = copy.deepcopy(request)
    completion, chunks = case.told.get("completion"), case.told.get("chunks", [])
    told = copy.deepcopy((completion, chunks))
    if completion is not None:
        schema.answer(completion, request)
    list(schema.frames(chunks, request))

    assert foreign.body == case["request"]
    assert (completion, chunks) == told
    assert request == seen


@over("request")
def test_arguments_are_what_openai_takes(case):
    arguments = case.understood(case.wire.schema()).arguments

    for name in set(arguments) & set(OPENAI):
        exhaust(OPENAI[name].validate_python(arguments[name]))
    assert set(arguments) & {"model", "stream", "stream_options"} == set()


@over("request")
def test_every_dropped_field_is_spelled_as_the_client_spells_it(case):
    got = case.understood(case.wire.schema())

    for spelled in (*got.dropped, *got.origins.values()):
        assert spelled.partition(".")[0].partition("[")[0] in case["request"]
    assert len(set(got.dropped)) == len(got.dropped)


@over("request")
def test_a_client_never_says_whom_the_gateway_calls(case):
    """AD-01: such members are named as dropped, or the request is refused."""
    schema = case.wire.schema()

    try:
        got = schema.understand(case.foreign(schema, **CONNECTION))
    except InvalidRequest:
        return

    assert set(CONNECTION) <= set(got.dropped)
    assert set(got.arguments) & set(CONNECTION) == set()


@over("chunks")
def test_text_leaves_before_the_next_chunk_comes(case):
    written: list[bytes] = []
    at_each_pull: list[tuple[bool, int]] = []

    def pulled() -> Iterator[Any]:
        for chunk in case["chunks"]:
            yield chunk
            choices = chunk.get("choices") or [{}]
            at_each_pull.append((bool((choices[0].get("delta") or {}).get("content")), len(written)))

    schema = case.wire.schema()
    for frame in schema.frames(pulled(), case.understood(schema)):
        written.append(frame)

    counts = [0, *(count for _, count in at_each_pull)]
    held_back = [index for index, (has_text, count) in enumerate(at_each_pull) if has_text and count == counts[index]]
    assert held_back == []


@over("chunks")
def test_a_stream_that_breaks_anywhere_ends_with_whole_frames_and_an_error(case):
    """AD-05: and the frames before it are those that would have come anyway."""
    schema = case.wire.schema()
    request = case.understood(schema)
    whole = streamed(case, case["chunks"])

    for cut in range(len(case["chunks"])):
        frames, error = broken_off(schema.frames(breaking(case["chunks"][:cut]), request))
        assert isinstance(error, ConnectionError)
        sent = b"".join(frames)
        assert whole.startswith(sent)
        last = schema.broken(StreamBroken("It broke."), request, "id-1", is_first=not frames)
        assert last
        assert "It broke." in json.dumps(case.wire.decode(sent + last)[-1])


@over("completion")
def test_a_completion_that_lacks_a_member_still_becomes_an_answer(case):
    schema = case.wire.schema()
    request = case.understood(schema)
    always = set(schema.answer({}, request))

    for spoiled in lacking_one(case["completion"]):
        answer = schema.answer(spoiled, request)
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        assert always <= set(answer)


@over("chunks")
def test_chunks_that_lack_a_member_still_become_frames(case):
    for spoiled in lacking_one(case["chunks"]):
        frames = case.wire.decode(streamed(case, [chunk or {} for chunk in spoiled]))
        assert ends(frames) in ([END[case.wire_name]], [])
        assert bool(frames) or not any(chunk and (chunk.get("choices") or chunk.get("usage")) for chunk in spoiled)


@over("chunks")
def test_an_empty_stream_has_whole_frames(case):
    frames = case.wire.decode(streamed(case, []))

    assert ends(frames) == ([] if case.wire_name == "gemini" else [END[case.wire_name]])


@pytest.mark.parametrize("name", RECORDED)
def test_errors_are_told_in_a_known_dialect(name):
    assert WIRES[name].schema().dialect in DIALECTS


@pytest.mark.parametrize("name", RECORDED)
def test_no_other_path_means_anything(name):
    schema = WIRES[name].schema()

    assert [schema.operation(path) for path in ("/nothing", "/nothing/at/all", "/%", "//")] == [None] * 4


# Made once: to make strategies costs more than to draw from them.
SPOILED = {
    name: [(case, garbled.bodies(case["request"])) for case in cases("request") if case.wire_name == name]
    for name in RECORDED
}


@given(st.data())
@settings(deadline=None, max_examples=200)
@pytest.mark.parametrize("name", RECORDED)
def test_whatever_json_comes_is_understood_or_refused(name, data):
    """Nothing but InvalidRequest is raised."""
    schema = WIRES[name].schema()
    case, bodies = data.draw(st.sampled_from(SPOILED[name]))
    foreign = case.foreign(schema)

    try:
        got = schema.understand(ForeignRequest(foreign.operation, data.draw(bodies), foreign.query))
    except InvalidRequest as refusal:
        got = refusal

    if isinstance(got, CompletionRequest):
        assert isinstance(got.model, str)
        json.dumps(got.arguments)
    assert isinstance(got, CompletionRequest) or got.message


def streamed(case: Case, chunks: Iterable[Any]) -> bytes:
    schema = case.wire.schema()
    return b"".join(schema.frames(chunks, case.understood(schema)))


def ends(frames: list[Any]) -> list[str | None]:
    """Return the name of the last frame, where there is one; Gemini's have none."""
    return [frame.get("event") or frame.get("headers", {}).get(":event-type") for frame in frames[-1:]]


def breaking(chunks: Iterable[Any]) -> Iterator[Any]:
    yield from chunks
    raise ConnectionError


def broken_off(frames: Iterator[bytes]) -> tuple[list[bytes], Exception | None]:
    """Return the frames that came before an error, and the error."""
    written: list[bytes] = []
    try:
        written.extend(iter(frames))
    except ConnectionError as error:
        return written, error
    return written, None


def lacking_one(value: Any) -> Iterator[Any]:
    """Yield the value without each one of its members, and with null in its place."""
    for place in garbled.places(value):
        yield garbled.without(value, place)
        yield garbled.with_(value, place, None)


def exhaust(value: Any) -> None:
    """Walk through a value: pydantic judges what is annotated as Iterable only when it is read."""
    if isinstance(value, dict):
        value = value.values()
    if not isinstance(value, str | bytes) and isinstance(value, Iterable):
        for inner in value:
            exhaust(inner)
