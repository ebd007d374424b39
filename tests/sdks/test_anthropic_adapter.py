"""Anthropic's SDK before the gateway, OpenAI's chat format behind it: what the program reads and the model is asked."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import pytest
from anthropic import beta_tool
from anthropic.types import Message, MessageParam

from tests.kit.canaries import GATEWAY_KEYS, OPERATOR
from tests.kit.gateway import Gateway
from tests.kit.openai_server import PLACES, SENTENCE, WORDS, OpenAIServer

KEY = GATEWAY_KEYS["TEAM_KEY"]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\xfb\xff").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
SAY = {"model": "gpt-say", "max_tokens": 100, "messages": HELLO}
WEATHER = {
    "name": "weather",
    "description": "Tells the weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
both_ways = pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])


@contextmanager
def client_of(gateway: Gateway, **how: object) -> Iterator[anthropic.Anthropic]:
    url = f"http://127.0.0.1:{gateway.port}"
    with anthropic.Anthropic(**{"base_url": url, "api_key": KEY, "max_retries": 0, **how}) as client:
        yield client


@pytest.fixture
def client(adapters_gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with client_of(adapters_gateway) as found:
        yield found


def answer(client: anthropic.Anthropic, is_streaming: bool, **asked: object) -> Message:
    if not is_streaming:
        return client.messages.create(**{**SAY, **asked})
    with client.messages.stream(**{**SAY, **asked}) as stream:
        return stream.get_final_message()


@both_ways
def test_an_answer_is_read_whole(client: anthropic.Anthropic, openai_server: OpenAIServer, is_streaming: bool) -> None:
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    how = {"extra_body": {"temperature": 0.5, "top_k": 7}, "stop_sequences": ["END"]}

    got = answer(client, is_streaming, system=system, **how)

    assert [block.text for block in got.content] == [SENTENCE]
    assert (got.id, got.model, got.role) == ("msg_7", "gpt-say", "assistant")
    assert (got.stop_reason, got.stop_sequence) == ("end_turn", None)
    usage = got.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (7, 4, 7)
    assert usage.output_tokens_details.thinking_tokens == 2
    (asked,) = openai_server.asked
    assert asked.fields["authorization"] == f"Bearer {OPERATOR['CREDENTIAL']}"
    assert asked.body["messages"] == [{"role": "system", "content": system}, *HELLO]
    told = {name: asked.body[name] for name in ("model", "max_tokens", "temperature", "top_k", "stop")}
    assert told == {
        "model": "gpt-say", "max_tokens": 100, "temperature": 0.5, "top_k": 7, "stop": ["END"],
    }  # fmt: skip
    assert KEY not in str(asked)


def test_a_stream_is_read_while_it_is_written(client: anthropic.Anthropic, openai_server: OpenAIServer) -> None:
    """By causality: the model says its second word when the SDK has given out the first."""
    with client.messages.stream(**{**SAY, "model": "gpt-paced"}) as stream:
        text = stream.text_stream
        first = next(text)
        openai_server.proceed.set()
        rest = list(text)

    assert [first, *rest] == list(WORDS)


def test_the_events_are_those_of_the_api(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**SAY, stream=True) as response:
        lines = [line for line in response.iter_lines() if line.startswith("event: ")]
        kind = response.headers["content-type"]

    assert kind == "text/event-stream; charset=utf-8"
    assert [line.removeprefix("event: ") for line in lines] == [
        "message_start",
        "ping",
        "content_block_start",
        *["content_block_delta"] * len(WORDS),
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_request_id_is_read(client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(**SAY)

    assert raw.parse()._request_id == raw.headers["x-gateway-request-id"] != ""


@both_ways
def test_tools_are_called_and_their_results_told(
    client: anthropic.Anthropic, openai_server: OpenAIServer, is_streaming: bool
) -> None:
    how = {"model": "gpt-tools", "tools": [WEATHER], "tool_choice": {"type": "any"}}
    got = answer(client, is_streaming, **how)

    text, *calls = got.content
    assert (got.stop_reason, text.text) == ("tool_use", "One moment.")
    assert [(call.name, call.input) for call in calls] == [("weather", place) for place in PLACES]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"mild in {call.input}"} for call in calls]
    turns = [*HELLO, {"role": "assistant", "content": got.content}, {"role": "user", "content": results}]
    assert answer(client, is_streaming, **how, messages=turns).content[0].text == SENTENCE
    first, second = openai_server.asked
    assert (first.body["tool_choice"], first.body["tools"][0]["function"]["name"]) == ("required", "weather")
    _, said, *told = second.body["messages"]
    assert said["content"] == "One moment."
    assert [json.loads(call["function"]["arguments"]) for call in said["tool_calls"]] == list(PLACES)
    assert [(result["role"], result["tool_call_id"]) for result in told] == [("tool", "call_0"), ("tool", "call_1")]
    assert [result["content"] for result in told] == [f"mild in {place}" for place in PLACES]


def test_the_sdks_own_loop_over_tools_ends(client: anthropic.Anthropic, openai_server: OpenAIServer) -> None:
    """It calls the API's beta, `?beta=true`."""

    @beta_tool
    def weather(city: str, days: int = 1) -> str:
        """Tells the weather of a city."""
        return f"mild in {city} for {days}"

    runner = client.beta.messages.tool_runner(
        model="gpt-tools", max_tokens=100, tools=[weather], messages=[{"role": "user", "content": "Weather?"}]
    )
    last = runner.until_done()

    assert last.content[0].text == SENTENCE
    results = [message["content"] for message in openai_server.asked[1].body["messages"] if message["role"] == "tool"]
    assert results == ["mild in Paris for 1", "mild in Łódź for 2"]


def test_images_and_documents_are_seen(client: anthropic.Anthropic, openai_server: OpenAIServer) -> None:
    blocks = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
        {"type": "text", "text": "What is this?"},
    ]

    answer(client, False, messages=[{"role": "user", "content": blocks}])

    (asked,) = openai_server.asked
    assert asked.body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        {"type": "text", "text": "What is this?"},
    ]


@both_ways
def test_thoughts_stand_before_the_text(client: anthropic.Anthropic, is_streaming: bool) -> None:
    thought, text = answer(client, is_streaming, model="gpt-think").content

    assert (thought.type, thought.thinking) == ("thinking", "Let me see.")
    assert text.text == SENTENCE


@both_ways
def test_the_longest_answer_ends_it(client: anthropic.Anthropic, is_streaming: bool) -> None:
    assert answer(client, is_streaming, model="gpt-long").stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("model", "user", "dropped"),
    [
        pytest.param("gpt-4o", "u-1", None, id="known to take it"),
        pytest.param("gpt-say", None, "metadata.user_id", id="of an unknown make"),
    ],
)
def test_the_user_is_told_or_named(
    client: anthropic.Anthropic, openai_server: OpenAIServer, model: str, user: str | None, dropped: str | None
) -> None:
    """litellm tells users to the models that it knows."""
    asked = {**SAY, "model": model, "metadata": {"user_id": "u-1"}}

    raw = client.messages.with_raw_response.create(**asked)

    assert openai_server.asked[0].body.get("user") == user
    assert raw.headers.get("x-gateway-dropped") == dropped


def test_what_cannot_be_carried_is_named(client: anthropic.Anthropic, openai_server: OpenAIServer) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}

    raw = client.messages.with_raw_response.create(
        **SAY, tools=[search], service_tier="auto", extra_body={"api_base": "http://evil.test"}
    )

    assert sorted(raw.headers["x-gateway-dropped"].split(", ")) == ["api_base", "service_tier", "tools[0]"]
    assert {"tools", "service_tier", "api_base"} & set(openai_server.asked[0].body) == set()


@pytest.mark.parametrize(
    ("model", "raised", "part"),
    [
        pytest.param("nobody", anthropic.NotFoundError, "nobody", id="unknown model"),
        pytest.param("gpt-404", anthropic.NotFoundError, "", id="model gone"),
        pytest.param("gpt-400", anthropic.BadRequestError, "temperature", id="refused"),
        pytest.param("gpt-overlong", anthropic.BadRequestError, "8 tokens", id="too long"),
        pytest.param("gpt-401", anthropic.InternalServerError, "", id="the gateway's credential"),
        pytest.param("gpt-429", anthropic.RateLimitError, "", id="provider's limit"),
        pytest.param("gpt-503", anthropic.InternalServerError, "", id="overloaded"),
        pytest.param("unreachable", anthropic.InternalServerError, "", id="nobody there"),
    ],
)
@both_ways
def test_errors_of_the_model_are_the_sdks_own(
    client: anthropic.Anthropic, model: str, raised: type[anthropic.APIStatusError], part: str, is_streaming: bool
) -> None:
    with pytest.raises(raised) as refusal:
        answer(client, is_streaming, model=model)

    error = refusal.value
    assert part in error.message
    assert error.body["type"] == "error"
    assert error.request_id == error.response.headers["x-gateway-request-id"]
    if raised is anthropic.RateLimitError:
        assert error.response.headers["retry-after"] == "17"
    if model in ("gpt-401", "unreachable"):
        assert error.status_code == 502


def test_a_model_that_is_too_slow_is_a_timeout(adapters_gateway: Gateway) -> None:
    class Hasty(anthropic.Anthropic):
        """The SDK's path is fixed; this route stands elsewhere."""

        def _prepare_url(self, url: str) -> object:
            return super()._prepare_url(url.replace("/v1/messages", "/hasty"))

    url = f"http://127.0.0.1:{adapters_gateway.port}"
    with (
        Hasty(base_url=url, api_key=KEY, max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as refusal,
    ):
        answer(client, False, model="gpt-silent")

    assert refusal.value.status_code == 504
    assert refusal.value.body["error"]["type"] == "timeout_error"


def test_a_model_that_dies_in_mid_stream_raises(client: anthropic.Anthropic) -> None:
    """AD-05: no event says that the message is over."""
    seen = []

    with pytest.raises(anthropic.APIStatusError) as refusal:  # noqa: SIM117 - the events before it count
        with client.messages.stream(**{**SAY, "model": "gpt-breaks"}) as stream:
            seen.extend(event.type for event in stream)

    assert refusal.value.body["error"]["type"] == "api_error"
    assert "text" in seen
    assert "message_stop" not in seen


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\]\.role"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, r"messages\[0\]\.content\[0\]\.type"),
    ],
)
@both_ways
def test_a_wrong_field_is_named(
    client: anthropic.Anthropic, openai_server: OpenAIServer, asked: dict[str, object], place: str, is_streaming: bool
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=place) as refusal:
        answer(client, is_streaming, **asked)

    assert refusal.value.body["error"]["type"] == "invalid_request_error"
    assert openai_server.asked == []


def test_an_unknown_key_is_refused(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    with (
        client_of(adapters_gateway, api_key="sk-nobody-knows") as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        answer(client, False)

    assert openai_server.asked == []


def test_a_key_may_be_a_token(adapters_gateway: Gateway) -> None:
    with client_of(adapters_gateway, api_key=None, auth_token=KEY) as client:
        assert answer(client, False).content[0].text == SENTENCE


def test_tokens_are_counted(client: anthropic.Anthropic, openai_server: OpenAIServer) -> None:
    got = client.messages.count_tokens(model="gpt-say", messages=HELLO, system="Be brief.", tools=[WEATHER])

    assert 5 < got.input_tokens < 200
    assert openai_server.asked == []


def test_a_hundred_streams_run_at_once(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    """None ends before all have begun: the models wait for it."""
    url = f"http://127.0.0.1:{adapters_gateway.port}"

    async def texts() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(streamed(client, openai_server) for _ in range(100)))

    assert asyncio.run(texts()) == [SENTENCE] * 100
    assert len(openai_server.asked) == 100


async def streamed(client: anthropic.AsyncAnthropic, openai_server: OpenAIServer) -> str:
    text = ""
    async with client.messages.stream(**{**SAY, "model": "gpt-paced"}) as stream:
        async for piece in stream.text_stream:
            text += piece
            if len(openai_server.asked) == 100:
                openai_server.proceed.set()
    return text
