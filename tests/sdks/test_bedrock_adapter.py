"""boto3 before the gateway, OpenAI's chat format behind it: what the program reads, what the model is asked."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.adapters.bedrock.sdk import said
from tests.kit.canaries import GATEWAY_KEYS, OPERATOR
from tests.kit.gateway import Gateway
from tests.kit.openai_server import PLACES, SENTENCE, WORDS, OpenAIServer

KEY = GATEWAY_KEYS["TEAM_KEY"]
PNG = b"\x89PNG\r\n\x1a\n\xfb\xff"
STREAMS = 100
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "weather",
                "description": "Tells the weather of a city",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        }
    ]
}


@contextmanager
def client_of(gateway: Gateway, key: str = KEY) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"http://127.0.0.1:{gateway.port}/bedrock",
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=STREAMS),
    )
    with closing(made):
        yield made


@pytest.fixture
def client(adapters_gateway: Gateway) -> Iterator[Any]:
    with client_of(adapters_gateway) as found:
        yield found


def ask(client: Any, is_streaming: bool, **how: Any) -> tuple[dict[str, Any], str]:
    """Return the assistant's message, and why it stopped."""
    how = {"modelId": "gpt-say", "messages": HELLO, **how}
    if not is_streaming:
        got = client.converse(**how)
        return got["output"]["message"], got["stopReason"]
    events = list(client.converse_stream(**how)["stream"])
    return {"role": "assistant", "content": said(events)}, events[-2]["messageStop"]["stopReason"]


def both_ways(test: Any) -> Any:
    return pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])(test)


def test_an_answer_is_read_whole(client: Any, openai_server: OpenAIServer) -> None:
    inference = {"maxTokens": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}

    got = client.converse(modelId="gpt-say", messages=HELLO, system=[{"text": "Be brief."}], inferenceConfig=inference)

    assert got["output"]["message"] == {"role": "assistant", "content": [{"text": SENTENCE}]}
    assert got["stopReason"] == "end_turn"
    assert got["usage"] == {
        "inputTokens": 7,
        "outputTokens": 7,
        "totalTokens": 18,
        "cacheReadInputTokens": 4,
        "cacheWriteInputTokens": 0,
    }
    assert got["metrics"]["latencyMs"] >= 0
    assert got["ResponseMetadata"]["RequestId"] == got["ResponseMetadata"]["HTTPHeaders"]["x-gateway-request-id"]
    (asked,) = openai_server.asked
    assert asked.fields["authorization"] == f"Bearer {OPERATOR['CREDENTIAL']}"
    assert asked.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert [asked.body[name] for name in ("max_tokens", "temperature", "top_p", "stop")] == [100, 0.5, 0.9, ["END"]]
    assert KEY not in str(asked)


def test_a_stream_is_read_while_it_is_written(client: Any, openai_server: OpenAIServer) -> None:
    """By causality: the model says its second word when the SDK has given out the first."""
    events = iter(client.converse_stream(modelId="gpt-paced", messages=HELLO)["stream"])

    first = [next(events), next(events)]
    openai_server.proceed.set()
    rest = list(events)

    assert first == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": WORDS[0]}, "contentBlockIndex": 0}},
    ]
    assert said([*first, *rest]) == [{"text": SENTENCE}]
    assert rest[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert rest[-1]["metadata"]["usage"]["totalTokens"] == 18


@both_ways
def test_tools_are_called_and_their_results_told(client: Any, openai_server: OpenAIServer, is_streaming: bool) -> None:
    how = {"modelId": "gpt-tools", "toolConfig": TOOLS}

    message, reason = ask(client, is_streaming, **how)
    calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"json": {"in": call["input"]["city"]}}]}}
        for call in calls
    ]
    end, _ = ask(client, is_streaming, messages=[*HELLO, message, {"role": "user", "content": results}], **how)

    assert (message["content"][0], reason) == ({"text": "One moment."}, "tool_use")
    assert [call["input"] for call in calls] == list(PLACES)
    assert end["content"] == [{"text": SENTENCE}]
    first, second = openai_server.asked
    (tool,) = first.body["tools"]
    assert tool["function"]["parameters"] == TOOLS["tools"][0]["toolSpec"]["inputSchema"]["json"]
    _, called, *told = second.body["messages"]
    assert [json.loads(call["function"]["arguments"]) for call in called["tool_calls"]] == list(PLACES)
    assert [(result["role"], result["tool_call_id"]) for result in told] == [("tool", "call_0"), ("tool", "call_1")]
    assert [json.loads(result["content"]) for result in told] == [{"in": place["city"]} for place in PLACES]


def test_an_image_and_a_document_are_seen(client: Any, openai_server: OpenAIServer) -> None:
    blocks = [
        {"text": "What is this?"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"document": {"format": "pdf", "name": "report", "source": {"bytes": b"%PDF-1.4"}}},
        {"document": {"format": "md", "name": "notes", "source": {"bytes": "# Zürich".encode()}}},
    ]

    client.converse(modelId="gpt-say", messages=[{"role": "user", "content": blocks}])

    (asked,) = openai_server.asked
    assert asked.body["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgr7/w=="}},
        {
            "type": "file",
            "file": {"filename": "report.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="},
        },
        {"type": "text", "text": '<document name="notes">\n# Zürich\n</document>'},
    ]


@both_ways
def test_thinking_comes_before_the_words(client: Any, is_streaming: bool) -> None:
    message, _ = ask(client, is_streaming, modelId="gpt-think")

    assert message["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Let me see."}}},
        {"text": SENTENCE},
    ]


@both_ways
def test_the_longest_answer_is_told(client: Any, is_streaming: bool) -> None:
    assert ask(client, is_streaming, modelId="gpt-long")[1] == "max_tokens"


def test_what_cannot_be_carried_is_named(client: Any, openai_server: OpenAIServer) -> None:
    got = client.converse(
        modelId="gpt-say",
        messages=HELLO,
        guardrailConfig={"guardrailIdentifier": "g", "guardrailVersion": "1"},
        additionalModelRequestFields={
            "anthropic_beta": ["x"],
            "api_base": "http://evil.test",
            "guardrailConfig": {"guardrailIdentifier": "g"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
    )

    assert got["ResponseMetadata"]["HTTPHeaders"]["x-gateway-dropped"] == (
        "guardrailConfig, additionalModelRequestFields.anthropic_beta, additionalModelRequestFields.api_base, "
        "additionalModelRequestFields.guardrailConfig, additionalModelRequestFields.thinking"
    )
    (asked,) = openai_server.asked
    assert asked.body == {"model": "gpt-say", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("model", "raised", "status", "part"),
    [
        pytest.param("nobody", "ResourceNotFoundException", 404, "nobody", id="unknown model"),
        pytest.param("gpt-404", "ResourceNotFoundException", 404, "", id="model gone"),
        pytest.param("gpt-400", "ValidationException", 400, "temperature", id="refused"),
        pytest.param("gpt-overlong", "ValidationException", 400, "8 tokens", id="too long"),
        pytest.param("gpt-401", "InternalServerException", 502, "", id="the gateway's credential"),
        pytest.param("gpt-429", "ThrottlingException", 429, "", id="provider's limit"),
        pytest.param("gpt-503", "ServiceUnavailableException", 503, "", id="overloaded"),
        pytest.param("unreachable", "InternalServerException", 502, "", id="nobody there"),
    ],
)
@both_ways
def test_errors_of_the_model_are_the_sdks_own(
    client: Any, model: str, raised: str, status: int, part: str, is_streaming: bool
) -> None:
    with pytest.raises(getattr(client.exceptions, raised)) as refusal:
        ask(client, is_streaming, modelId=model)

    told = refusal.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == status
    assert part in told["Error"]["Message"]
    if status == 429:
        assert told["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "17"


@pytest.mark.parametrize("model", ["gpt-breaks", "gpt-errs"])
def test_a_model_that_dies_in_mid_stream_raises(client: Any, model: str) -> None:
    """AD-05: and no messageStop comes before."""
    seen: list[str] = []

    events = client.converse_stream(modelId=model, messages=HELLO)["stream"]
    with closing(events), pytest.raises(EventStreamError) as error:
        seen.extend(next(iter(event)) for event in events)

    assert error.value.response["Error"]["Code"] == "modelStreamErrorException"
    assert seen == ["messageStart", "contentBlockDelta"]


def test_a_wrong_field_is_named(client: Any, openai_server: OpenAIServer) -> None:
    messages = [{"role": "user", "content": [{"text": "Hello"}]}, {"role": "tool", "content": [{"text": "Hello"}]}]

    with pytest.raises(client.exceptions.ValidationException, match=r"messages\[1\]\.role"):
        client.converse(modelId="gpt-say", messages=messages)

    assert openai_server.asked == []


def test_an_unknown_key_is_refused(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    with client_of(adapters_gateway, "AKIDNOBODY") as client, pytest.raises(ClientError) as refusal:
        client.converse(modelId="gpt-say", messages=HELLO)

    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
    assert openai_server.asked == []


def test_a_bedrock_api_key_is_the_gateway_key(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    """As Bearer, which boto3 itself sends over https alone."""
    url = f"http://127.0.0.1:{adapters_gateway.port}/bedrock/model/gpt-say/converse"
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    request = urllib.request.Request(url, json.dumps({"messages": HELLO}).encode(), fields)

    with urllib.request.urlopen(request, timeout=10) as response:
        got = json.load(response)

    assert got["output"]["message"]["content"] == [{"text": SENTENCE}]
    assert KEY not in str(openai_server.asked[0])


def test_tokens_are_counted(client: Any, openai_server: OpenAIServer) -> None:
    got = client.count_tokens(modelId="gpt-say", input={"converse": {"messages": HELLO, "toolConfig": TOOLS}})

    assert 3 < got["inputTokens"] < 100
    assert openai_server.asked == []


def test_a_hundred_streams_run_at_once(client: Any, openai_server: OpenAIServer) -> None:
    """None ends before all have begun: the models wait for it."""

    def streamed(_: int) -> list[dict[str, Any]]:
        events = []
        for event in client.converse_stream(modelId="gpt-paced", messages=HELLO)["stream"]:
            events.append(event)
            if len(openai_server.asked) == STREAMS:
                openai_server.proceed.set()
        return said(events)

    with ThreadPoolExecutor(STREAMS) as threads:
        answers = list(threads.map(streamed, range(STREAMS)))

    assert answers == [[{"text": SENTENCE}]] * STREAMS
    assert len(openai_server.asked) == STREAMS
