"""google-genai before the gateway, OpenAI's chat format behind it: what the program reads, what the model is asked."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from tests.kit.canaries import GATEWAY_KEYS, OPERATOR
from tests.kit.gateway import Gateway
from tests.kit.openai_server import PLACES, SENTENCE, WORDS, OpenAIServer

KEY = GATEWAY_KEYS["TEAM_KEY"]
PNG = b"\x89PNG\r\n\x1a\n\xfb\xff"
GENERATE = "/v1beta/models/gpt-say:generateContent"
STREAM = "/v1beta/models/gpt-say:streamGenerateContent"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@contextmanager
def client_of(gateway: Gateway, **how: object) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}/gemini")
    with genai.Client(**{"api_key": KEY, "http_options": options, **how}) as client:
        yield client


@pytest.fixture
def client(adapters_gateway: Gateway) -> Iterator[genai.Client]:
    with client_of(adapters_gateway) as found:
        yield found


def answers(client: genai.Client, is_streaming: bool, **how: object) -> list[types.GenerateContentResponse]:
    if is_streaming:
        return list(client.models.generate_content_stream(**how))
    return [client.models.generate_content(**how)]


def weather(city: str, days: int = 1) -> str:
    """Tells the weather of a city."""
    return f"mild in {city} for {days}"


def test_an_answer_is_read_whole(client: genai.Client, openai_server: OpenAIServer) -> None:
    config = types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.5, max_output_tokens=100)

    got = client.models.generate_content(model="gpt-say", contents="Hello", config=config)

    usage = got.usage_metadata
    assert (got.text, got.candidates[0].finish_reason) == (SENTENCE, types.FinishReason.STOP)
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (11, 5, 18)
    assert (usage.cached_content_token_count, usage.thoughts_token_count) == (4, 2)
    (asked,) = openai_server.asked
    assert asked.fields["authorization"] == f"Bearer {OPERATOR['CREDENTIAL']}"
    assert asked.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (asked.model, asked.body["temperature"], asked.body["max_tokens"]) == ("gpt-say", 0.5, 100)
    assert KEY not in str(asked)


def test_a_stream_is_read_while_it_is_written(client: genai.Client, openai_server: OpenAIServer) -> None:
    """By causality: the model says its second word when the SDK has given out the first."""
    stream = client.models.generate_content_stream(model="gpt-paced", contents="Hello")

    first = next(stream).text
    openai_server.proceed.set()
    rest = list(stream)

    assert [first, *(got.text for got in rest)] == [*WORDS, ""]
    assert rest[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert rest[-1].usage_metadata.total_token_count == 18


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
def test_tools_are_called_and_their_results_told(
    client: genai.Client, openai_server: OpenAIServer, is_streaming: bool
) -> None:
    chat = client.chats.create(model="gpt-tools", config=types.GenerateContentConfig(tools=[weather]))

    if is_streaming:
        text = "".join(got.text or "" for got in chat.send_message_stream("Weather?"))
    else:
        text = chat.send_message("Weather?").text

    assert text.endswith(SENTENCE)
    _, asked = openai_server.asked
    _, said, *results = asked.body["messages"]
    assert [json.loads(call["function"]["arguments"]) for call in said["tool_calls"]] == list(PLACES)
    assert [(result["role"], result["tool_call_id"]) for result in results] == [("tool", "call_0"), ("tool", "call_1")]
    assert [json.loads(result["content"])["result"] for result in results] == [weather(**place) for place in PLACES]


def test_an_image_is_seen(client: genai.Client, openai_server: OpenAIServer) -> None:
    image = types.Part.from_bytes(data=PNG, mime_type="image/png")
    named = types.Part.from_uri(file_uri="https://example.org/a", mime_type="image/png")

    client.models.generate_content(model="gpt-say", contents=["What is this?", image, named])

    (asked,) = openai_server.asked
    assert asked.body["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgr7/w=="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a"}},
    ]


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
def test_thoughts_are_shown_where_they_are_asked_for(client: genai.Client, is_streaming: bool) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True)
    how = {"model": "gpt-think", "contents": "Hello", "config": types.GenerateContentConfig(thinking_config=thinking)}

    parts = [part for got in answers(client, is_streaming, **how) for part in got.candidates[0].content.parts]
    assert "".join(part.text for part in parts if part.thought) == "Let me see."
    assert "".join(part.text for part in parts if not part.thought) == SENTENCE


def test_what_cannot_be_carried_is_named(client: genai.Client, openai_server: OpenAIServer) -> None:
    config = types.GenerateContentConfig(
        cached_content="cachedContents/1", tools=[types.Tool(google_search=types.GoogleSearch())]
    )

    got = client.models.generate_content(model="gpt-say", contents="Hello", config=config)

    assert got.sdk_http_response.headers["x-gateway-dropped"] == "tools[0].googleSearch, cachedContent"
    assert "tools" not in openai_server.asked[0].body


@pytest.mark.parametrize(
    ("model", "raised", "status", "part"),
    [
        pytest.param("nobody", (errors.ClientError, 404), "NOT_FOUND", "nobody", id="unknown model"),
        pytest.param("gpt-404", (errors.ClientError, 404), "NOT_FOUND", "", id="model gone"),
        pytest.param("gpt-400", (errors.ClientError, 400), "INVALID_ARGUMENT", "temperature", id="refused"),
        pytest.param("gpt-overlong", (errors.ClientError, 400), "INVALID_ARGUMENT", "8 tokens", id="too long"),
        pytest.param("gpt-401", (errors.ServerError, 502), "UNAVAILABLE", "", id="the gateway's credential"),
        pytest.param("gpt-429", (errors.ClientError, 429), "RESOURCE_EXHAUSTED", "", id="provider's limit"),
        pytest.param("gpt-503", (errors.ServerError, 503), "UNAVAILABLE", "", id="overloaded"),
        pytest.param("unreachable", (errors.ServerError, 502), "UNAVAILABLE", "", id="nobody there"),
    ],
)
@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
def test_errors_of_the_model_are_the_sdks_own(
    client: genai.Client,
    model: str,
    raised: tuple[type[errors.APIError], int],
    status: str,
    part: str,
    is_streaming: bool,
) -> None:
    kind, code = raised

    with pytest.raises(kind) as refusal:
        answers(client, is_streaming, model=model, contents="Hello")

    assert (refusal.value.code, refusal.value.status) == (code, status)
    assert part in refusal.value.message
    if code == 429:
        assert refusal.value.response.headers["retry-after"] == "17"


def test_a_model_that_dies_in_mid_stream_raises(client: genai.Client) -> None:
    """AD-05."""
    stream = client.models.generate_content_stream(model="gpt-breaks", contents="Hello")

    assert next(stream).text == WORDS[0]
    with pytest.raises(errors.ServerError) as refusal:
        list(stream)

    assert (refusal.value.code, refusal.value.status) == (502, "UNAVAILABLE")


def test_a_wrong_field_is_named(client: genai.Client, openai_server: OpenAIServer) -> None:
    contents = [types.Content(role="system", parts=[types.Part(text="Hello")])]

    with pytest.raises(errors.ClientError, match=r"contents\[0\]\.role") as refusal:
        client.models.generate_content(model="gpt-say", contents=contents)

    assert (refusal.value.code, refusal.value.status) == (400, "INVALID_ARGUMENT")
    assert openai_server.asked == []


def test_an_unknown_key_is_refused(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    with client_of(adapters_gateway, api_key="sk-nobody-knows") as client, pytest.raises(errors.ClientError) as refusal:
        client.models.generate_content(model="gpt-say", contents="Hello")

    assert (refusal.value.code, refusal.value.status) == (401, "UNAUTHENTICATED")
    assert openai_server.asked == []


def test_tokens_are_counted(client: genai.Client, openai_server: OpenAIServer) -> None:
    got = client.models.count_tokens(model="gpt-say", contents="Hello, how are you?")

    assert 3 < got.total_tokens < 30
    assert openai_server.asked == []


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="express mode"),
        pytest.param(
            {"api_key": None, "project": "p", "location": "eu", "credentials": Credentials(KEY)}, id="project"
        ),
    ],
)
def test_vertex_is_served(adapters_gateway: Gateway, openai_server: OpenAIServer, how: dict[str, object]) -> None:
    """The gateway key comes as an API key, or as the token of Google's credentials."""
    with client_of(adapters_gateway, vertexai=True, **how) as client:
        got = client.models.generate_content(model="gpt-say", contents="Hello")

    assert got.text == SENTENCE
    assert KEY not in str(openai_server.asked[0])


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # the SDK's own
def test_a_hundred_streams_run_at_once(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    """None ends before all have begun: the models wait for it."""
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{adapters_gateway.port}/gemini")

    async def texts() -> list[str]:
        async with genai.Client(api_key=KEY, http_options=options).aio as client:
            return await asyncio.gather(*(streamed(client, openai_server) for _ in range(100)))

    assert asyncio.run(texts()) == [SENTENCE] * 100
    assert len(openai_server.asked) == 100


async def streamed(client: genai.client.AsyncClient, openai_server: OpenAIServer) -> str:
    stream = await client.models.generate_content_stream(model="gpt-paced", contents="Hello")
    text = ""
    async for got in stream:
        text += got.text
        if len(openai_server.asked) == 100:
            openai_server.proceed.set()
    return text


def posted(gateway: Gateway, path: str, **fields: str) -> tuple[str, bytes]:
    """Return the content type and the body of an answer that no SDK reads."""
    url = f"http://127.0.0.1:{gateway.port}/gemini{path}"
    request = urllib.request.Request(url, json.dumps(HELLO).encode(), {"Content-Type": "application/json", **fields})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["content-type"], response.read()


def test_a_stream_without_events_is_one_array(adapters_gateway: Gateway) -> None:
    kind, body = posted(adapters_gateway, f"{STREAM}?key={KEY}")

    answers = json.loads(body)
    assert kind == "application/json"
    assert [got["candidates"][0]["content"]["parts"][0]["text"] for got in answers] == [*WORDS, ""]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        pytest.param("", {"x-goog-api-key": KEY}, id="x-goog-api-key"),
        pytest.param(f"?key={KEY}", {}, id="key"),
        pytest.param(f"?$alt=json;enum-encoding=int&key={KEY}", {}, id="key among others"),
        pytest.param("", {"Authorization": f"Bearer {KEY}"}, id="Bearer"),
    ],
)
def test_the_gateway_key_comes_as_googles_programs_send_it(
    adapters_gateway: Gateway, openai_server: OpenAIServer, query: str, fields: dict[str, str]
) -> None:
    _, body = posted(adapters_gateway, GENERATE + query, **fields)

    assert json.loads(body)["candidates"][0]["content"]["parts"] == [{"text": SENTENCE}]
    assert KEY not in str(openai_server.asked[0])
