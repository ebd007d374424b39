"""What a program with google-genai gets, and what the model behind is asked for it."""

from __future__ import annotations

import enum
import json

import pytest
from google.genai import errors, types
from pydantic import BaseModel

from app.errors import StreamBroken
from tests.adapters.gemini.sdk import Model, call, chunk, completion

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff"


class Pet(BaseModel):
    name: str
    legs: int


class Way(enum.Enum):
    UP = "up"
    DOWN = "down"


def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"mild in {city}"


def test_a_text_comes_with_its_usage_and_reason():
    model = Model([completion("Hi there")])

    got = model.client().models.generate_content(model="my-model", contents="Hello")

    assert (got.text, got.candidates[0].finish_reason) == ("Hi there", types.FinishReason.STOP)
    assert (got.usage_metadata.prompt_token_count, got.usage_metadata.candidates_token_count) == (5, 2)
    assert (got.model_version, got.response_id) == ("my-model", "chatcmpl-1")
    assert model.asked[0].arguments == {"messages": [{"role": "user", "content": "Hello"}]}


def test_bytes_of_an_image_arrive_in_the_standard_alphabet():
    model = Model([completion("A cat")])
    image = types.Part.from_bytes(data=PNG, mime_type="image/png")

    model.client().models.generate_content(model="m", contents=["What is this?", image])

    (message,) = model.asked[0].arguments["messages"]
    assert message["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgr7/w=="
    assert model.asked[0].dropped == ()


def test_python_functions_are_called_and_their_results_told():
    """The SDK's automatic calls answer without ids; two calls of one function stay apart all the same."""
    calls = [call("call_a", "weather", '{"city": "Rome"}'), call("call_b", "weather", '{"city": "Oslo"}')]
    model = Model([completion(finish_reason="tool_calls", tool_calls=calls), completion("Mild in both.")])

    chat = model.client().chats.create(model="m", config=types.GenerateContentConfig(tools=[weather]))
    got = chat.send_message("Weather?")

    assert got.text == "Mild in both."
    _, said, first, second = model.asked[1].arguments["messages"]
    assert said["tool_calls"] == calls
    assert first == {"role": "tool", "tool_call_id": "call_a", "content": '{"result": "mild in Rome"}'}
    assert second == {"role": "tool", "tool_call_id": "call_b", "content": '{"result": "mild in Oslo"}'}


def test_python_functions_are_called_in_a_stream_too():
    calls = [{"index": 0, **call("call_a", "weather", "")}, {"index": 0, "function": {"arguments": '{"city": "Rome"}'}}]
    first = [chunk(tool_calls=[piece]) for piece in calls]
    model = Model([[*first, chunk("tool_calls")], [chunk(content="Mild"), chunk("stop")]])

    chat = model.client().chats.create(model="m", config=types.GenerateContentConfig(tools=[weather]))
    texts = [got.text or "" for got in chat.send_message_stream("Weather?")]

    assert "".join(texts) == "Mild"
    assert model.asked[1].arguments["messages"][2]["content"] == '{"result": "mild in Rome"}'


def test_a_chat_keeps_a_streamed_turn_as_one_message():
    model = Model([[chunk(content="Hi"), chunk(content=" there"), chunk("stop")], completion("Fine")])

    chat = model.client().chats.create(model="m")
    list(chat.send_message_stream("Hello"))
    chat.send_message("And you?")

    said = [(message["role"], message["content"]) for message in model.asked[1].arguments["messages"]]
    assert said == [("user", "Hello"), ("assistant", "Hi there"), ("user", "And you?")]


def test_a_chat_goes_on_after_an_answer_without_text():
    model = Model([completion(None, "length"), completion("Fine")])

    chat = model.client().chats.create(model="m")
    assert chat.send_message("Hello").text == ""
    chat.send_message("And you?")

    assert [message["role"] for message in model.asked[1].arguments["messages"]] == ["user", "user"]


def test_signed_thoughts_come_back_to_the_model_with_the_calls_result():
    """Anthropic's models refuse the result of a call without the thoughts that led to it."""
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "not base64!"}]
    told = {"tool_calls": [call("call_a", "weather", '{"city": "Rome"}')], "thinking_blocks": blocks}
    model = Model([completion(None, "tool_calls", reasoning_content="Hm.", **told), completion("Mild")])
    config = types.GenerateContentConfig(
        tools=[weather], thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    )

    model.client().chats.create(model="m", config=config).send_message("Weather?")

    assert model.asked[0].arguments["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert model.asked[1].arguments["messages"][1]["thinking_blocks"] == blocks


@pytest.mark.parametrize(("is_asked", "read"), [(True, ["Hm."]), (False, [])])
def test_thoughts_are_shown_where_they_are_asked_for(is_asked, read):
    model = Model([[chunk(reasoning_content="Hm."), chunk(content="Mild"), chunk("stop")]])
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=is_asked))

    stream = model.client().models.generate_content_stream(model="m", contents="Weather?", config=config)

    parts = [part for got in stream for part in got.candidates[0].content.parts]
    assert [part.text for part in parts if part.thought] == read
    assert "".join(part.text for part in parts if not part.thought) == "Mild"


def test_a_list_that_is_asked_for_is_parsed():
    model = Model([completion(json.dumps({"value": [{"name": "Tom", "legs": 4}]}))])
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=list[Pet])

    got = model.client().models.generate_content(model="m", contents="Pets?", config=config)

    assert got.parsed == [Pet(name="Tom", legs=4)]
    asked = model.asked[0].arguments["response_format"]["json_schema"]
    assert (asked["strict"], asked["schema"]["properties"]["value"]["type"]) == (True, "array")


def test_an_enumeration_that_is_asked_for_is_parsed():
    model = Model([completion('{"value": "up"}')])
    config = types.GenerateContentConfig(response_mime_type="text/x.enum", response_schema=Way)

    got = model.client().models.generate_content(model="m", contents="Where?", config=config)

    assert (got.text, got.parsed) == ("up", Way.UP)


def test_every_chunk_of_a_stream_has_a_text_to_print():
    usage = {**chunk(), "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
    model = Model([[chunk(content="Hi"), chunk("stop"), usage]])

    got = list(model.client().models.generate_content_stream(model="m", contents="Hello"))

    assert [one.text for one in got] == ["Hi", ""]
    assert got[-1].usage_metadata.total_token_count == 7
    assert got[-1].candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize("before", [[], [chunk(content="Hi")]], ids=["at once", "in mid-stream"])
def test_a_stream_that_breaks_raises_the_sdks_error(before):
    """AD-05."""
    model = Model([[*before, StreamBroken("The model broke off.")]])
    stream = model.client().models.generate_content_stream(model="m", contents="Hello")

    with pytest.raises(errors.ServerError, match="The model broke off") as raised:
        list(stream)

    assert (raised.value.code, raised.value.status) == (502, "UNAVAILABLE")


def test_tokens_are_counted():
    model = Model([12])

    assert model.client().models.count_tokens(model="m", contents="Hello").total_tokens == 12


def test_vertex_names_a_models_publisher():
    model = Model([completion("Hi"), completion("Hi")])
    client = model.client(vertexai=True)

    client.models.generate_content(model="my-model", contents="Hello")
    client.models.generate_content(model="meta/llama 3", contents="Hello")

    assert [asked.model for asked in model.asked] == ["my-model", "meta/llama 3"]


def test_images_of_the_model_can_be_saved():
    url = "data:image/png;base64,iVBORw0KGgr7/w=="
    model = Model([completion("Here", images=[{"image_url": {"url": url}}])])
    config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])

    got = model.client().models.generate_content(model="m", contents="A cat!", config=config)

    assert [part.inline_data.data for part in got.candidates[0].content.parts if part.inline_data] == [PNG]
    assert model.asked[0].arguments["modalities"] == ["text", "image"]
