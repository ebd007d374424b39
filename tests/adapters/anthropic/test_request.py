"""What is wrong with a Messages request is refused with its place, and nothing else is."""

import json

import pytest

from app.errors import InvalidRequest
from tests.adapters.anthropic.sdk import understood

HELLO = {"role": "user", "content": "Hello"}
TOOL = {"name": "t", "input_schema": {"type": "object"}}


def user(*blocks):
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks):
    return {"messages": [HELLO, {"role": "assistant", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["Hello"]}, "messages[0]"),
        ({"messages": [{"content": "Hello"}]}, "messages[0].role"),
        ({"messages": [{"role": "User", "content": "Hello"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "Hello"}]}, "messages[0].role"),
        ({"messages": [HELLO, {"role": "assistant"}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (user("Hello"), "messages[0].content[0]"),
        (user({"text": "Hello"}), "messages[0].content[0].type"),
        (user({"type": "text"}), "messages[0].content[0].text"),
        (user({"type": "text", "text": ["Hello"]}), "messages[0].content[0].text"),
        (user({"type": "text", "text": "Hello", "cache_control": True}), "messages[0].content[0].cache_control"),
        (user({"type": "tool_use", "id": "1", "name": "t", "input": {}}), "messages[0].content[0].type"),
        (user({"type": "image"}), "messages[0].content[0].source"),
        (user({"type": "image", "source": {"type": "ftp"}}), "messages[0].content[0].source.type"),
        (user({"type": "image", "source": {"type": "url"}}), "messages[0].content[0].source.url"),
        (
            user({"type": "image", "source": {"type": "base64", "data": "A"}}),
            "messages[0].content[0].source.media_type",
        ),
        (user({"type": "document", "source": {"type": "content"}}), "messages[0].content[0].source.content"),
        (user({"type": "search_result", "title": "t", "source": "s"}), "messages[0].content[0].content"),
        ({"messages": [{"role": "system"}, HELLO]}, "messages[0].content"),
        (user({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        (user({"type": "tool_result", "tool_use_id": "1", "content": 5}), "messages[0].content[0].content"),
        (
            user({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "tool_use"}]}),
            "messages[0].content[0].content[0].type",
        ),
        (user({"type": "tool_result", "tool_use_id": "1", "is_error": "no"}), "messages[0].content[0].is_error"),
        (assistant({"type": "image", "source": {}}), "messages[1].content[0].type"),
        (assistant({"type": "tool_use", "id": "1", "name": "t", "input": "{}"}), "messages[1].content[0].input"),
        (assistant({"type": "tool_use", "name": "t", "input": {}}), "messages[1].content[0].id"),
        (assistant({"type": "thinking", "signature": "s"}), "messages[1].content[0].thinking"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"max_tokens": "100"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0.5}, "top_k"),
        ({"stream": "true"}, "stream"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": ["END", 5]}, "stop_sequences[1]"),
        ({"metadata": "u-1"}, "metadata"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [TOOL, {"name": "u"}]}, "tools[1].input_schema"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_is_wrong_is_refused_with_its_place(members, param):
    with pytest.raises(InvalidRequest) as refusal:
        understood(**members)

    assert refusal.value.param == param
    assert refusal.value.message.startswith(f"{param}: ")


def test_null_counts_as_left_out():
    optional = "system temperature top_p top_k stop_sequences metadata tools tool_choice thinking output_config".split()

    got = understood(**dict.fromkeys([*optional, "stream", "service_tier"]))

    assert got == understood()


def test_a_choice_without_tools_is_left_out_where_it_means_the_same():
    assert understood(tool_choice={"type": "auto"}) == understood()


def test_tokens_are_counted_without_a_longest_answer():
    assert "max_tokens" not in understood(max_tokens=None).arguments


@pytest.mark.parametrize("depth", [10, 100, 300, 500, 800, 950])
def test_a_deep_body_is_understood_or_refused(depth):
    deep = json.loads('{"a":' * depth + "1" + "}" * depth)
    blocks = {"type": "tool_use", "id": "1", "name": "t", "input": deep}
    form = {"format": {"type": "json_schema", "schema": deep}}

    outcomes = set()
    for members in (assistant(blocks), {"output_config": form}, {"system": deep}, {"metadata": deep}):
        try:
            outcomes.add(type(understood(**members)).__name__)
        except InvalidRequest as refusal:
            outcomes.add(type(refusal).__name__)

    assert outcomes <= {"CompletionRequest", "InvalidRequest"}


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "is_strict"),
    [
        pytest.param(CLOSED, True, id="closed"),
        pytest.param({**CLOSED, "required": []}, False, id="optional property"),
        pytest.param({**CLOSED, "additionalProperties": True}, False, id="open"),
        pytest.param({**CLOSED, "properties": {"a": {"anyOf": [{"type": "object"}]}}}, False, id="open within"),
        pytest.param({**CLOSED, "$defs": {"b": CLOSED}}, True, id="closed within"),
        pytest.param({**CLOSED, "required": [["a"]]}, False, id="no names"),
    ],
)
def test_a_format_is_strict_where_openai_takes_it_as_strict(schema, is_strict):
    got = understood(output_config={"format": {"type": "json_schema", "schema": schema}})

    told = got.arguments["response_format"]["json_schema"]
    assert told["schema"] == schema
    assert told.get("strict", False) is is_strict


def test_the_older_place_of_a_format_is_read_and_named():
    got = understood(output_format={"type": "json_schema", "schema": CLOSED}, stop_sequences=["END"])

    assert got.arguments["response_format"]["json_schema"]["schema"] == CLOSED
    assert got.origins == {"response_format": "output_format", "stop": "stop_sequences"}
