"""What boto3's users write and read, and what botocore's model of the service says of the recorded pairs."""

import base64

import pytest
from botocore.exceptions import ClientError, EventStreamError

from app.adapters.bedrock.schema import BedrockSchema
from app.adapters.schema import ForeignRequest, Operation
from app.errors import InvalidRequest, RouteNotFound, StreamBroken, UpstreamTimeout, UpstreamUnreachable
from tests.adapters.bedrock import sdk
from tests.adapters.recorded import cases

ASK = [{"role": "user", "content": [{"text": "Say hi"}]}]
RECORDED = [case for case in cases("request") if case.wire_name == "bedrock" and not case.has("refused")]
WHOLE = [case for case in RECORDED if case.has("answer")]
STREAMED = [case for case in RECORDED if case.has("frames")]
MEMBERS_OF_NO_MODEL = {"dropped", "count-tokens"}


def by_name(found):
    return pytest.mark.parametrize("case", found, ids=lambda case: case.name)


@by_name([case for case in RECORDED if case.name not in MEMBERS_OF_NO_MODEL])
def test_recorded_requests_are_what_the_service_model_allows(loopback, case):
    request = {"modelId": "m", **case["request"]}

    assert sdk.reports(loopback.client, "Converse", request, of="input") == ""


@by_name(WHOLE)
def test_recorded_answers_are_what_the_service_model_promises(loopback, case):
    assert sdk.reports(loopback.client, "Converse", case["answer"], of="output") == ""


@by_name(STREAMED)
def test_recorded_events_are_what_the_service_model_promises(loopback, case):
    stream = loopback.client.meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]

    for frame in case["frames"]:
        shape = stream.members[frame["headers"][":event-type"]]
        assert sdk.ParamValidator().validate(frame["payload"], shape).generate_report() == ""


def test_a_call_is_understood_and_its_answer_read(loopback):
    loopback.says(
        {
            "id": "c",
            "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }
    )

    got = loopback.client.converse(
        modelId="openai/gpt 4:o",
        messages=[{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}]}],
        inferenceConfig={"maxTokens": 10},
    )

    (understood,) = loopback.understood
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    assert (understood.model, understood.arguments) == (
        "openai/gpt 4:o",
        {"messages": [{"role": "user", "content": [image]}], "max_tokens": 10},
    )
    assert got["output"]["message"] == {"role": "assistant", "content": [{"text": "Hi"}]}
    assert got["stopReason"] == "end_turn"
    assert got["usage"] == {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4}
    assert got["metrics"] == {"latencyMs": 0}
    assert got["ResponseMetadata"]["RequestId"] == "id-1"


def test_an_answer_goes_back_into_the_conversation_as_it_came(loopback):
    """Tool calls, signed and hidden thinking: what boto3 gives is what boto3 takes."""
    hidden = base64.b64encode(b"hidden").decode()
    thoughts = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": hidden},
    ]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1, null, "ü"]}'}}
    said = {"content": "Look.", "thinking_blocks": thoughts, "tool_calls": [call]}
    loopback.says({"id": "c", "choices": [{"message": said, "finish_reason": "tool_calls"}]})

    message = loopback.client.converse(modelId="m", messages=ASK)["output"]["message"]
    result = {"toolResult": {"toolUseId": "call_1", "content": [{"json": {"b": 1.5}}]}}
    loopback.client.converse(modelId="m", messages=[*ASK, message, {"role": "user", "content": [result]}])

    assert loopback.understood[1].arguments["messages"] == [
        {"role": "user", "content": "Say hi"},
        {"role": "assistant", **said},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"b": 1.5}'},
    ]


def test_a_stream_is_read_event_by_event(loopback):
    call = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"a": 1}'}}
    loopback.says(
        chunks=[
            {"id": "c", "choices": [{"delta": {"reasoning_content": "Hm."}}]},
            {"id": "c", "choices": [{"delta": {"content": "Look."}}]},
            {"id": "c", "choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]},
            {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}},
        ]
    )

    events = list(loopback.client.converse_stream(modelId="m", messages=ASK)["stream"])

    assert [next(iter(event)) for event in events] == [
        "messageStart",
        *("contentBlockDelta", "contentBlockStop") * 2,
        *("contentBlockStart", "contentBlockDelta", "contentBlockStop"),
        *("messageStop", "metadata"),
    ]
    assert sdk.said(events) == [
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"text": "Look."},
        {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"a": 1}}},
    ]
    assert events[-1]["metadata"]["usage"] == {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4}


def test_tokens_are_counted(loopback):
    got = loopback.client.count_tokens(modelId="m", input={"converse": {"messages": ASK}})

    assert got["inputTokens"] == 42
    assert loopback.understood[0].counts_tokens


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        pytest.param(InvalidRequest("No.", param="messages"), "ValidationException", id="400"),
        pytest.param(RouteNotFound("No."), "ResourceNotFoundException", id="404"),
        pytest.param(UpstreamTimeout("Late."), "ModelTimeoutException", id="504"),
    ],
)
def test_a_refusal_is_a_typed_exception(loopback, refusal, raised):
    loopback.says(refusal=refusal)

    with pytest.raises(getattr(loopback.client.exceptions, raised)) as caught:
        loopback.client.converse(modelId="m", messages=ASK)

    assert caught.value.response["Error"]["Message"] == refusal.message


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        pytest.param(StreamBroken("It broke."), "modelStreamErrorException", id="the model's"),
        pytest.param(UpstreamUnreachable("Gone."), "modelStreamErrorException", id="the network's"),
        pytest.param(InvalidRequest("No."), "validationException", id="the client's"),
    ],
)
def test_a_stream_that_breaks_raises(loopback, refusal, code):
    loopback.says(chunks=[{"choices": [{"delta": {"content": "Hi"}}]}], refusal=refusal)
    events = iter(loopback.client.converse_stream(modelId="m", messages=ASK)["stream"])

    assert next(events) == {"messageStart": {"role": "assistant"}}
    with pytest.raises(EventStreamError) as caught:
        next(events)

    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"] == {"Code": code, "Message": refusal.message}


@pytest.mark.parametrize(
    ("path", "model", "name"),
    [
        ("/model/m/converse", "m", "converse"),
        ("/model/m/converse-stream", "m", "converse-stream"),
        ("/model/m/count-tokens", "m", "count-tokens"),
        ("/model/eu.amazon.nova-pro-v1%3A0/converse", "eu.amazon.nova-pro-v1:0", "converse"),
        ("/model/openai%2Fgpt-4o/converse", "openai/gpt-4o", "converse"),
        ("/model/openai/gpt-4o/converse", "openai/gpt-4o", "converse"),
        ("/model/model/converse/converse", "model/converse", "converse"),
    ],
)
def test_the_path_names_the_model(path, model, name):
    got = sdk.SCHEMA.operation(path)

    assert got is not None
    assert (got.path["model"], got.name) == (model, name)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/model", "/model/m", "/model//converse", "/model/m/invoke", "/model/m/converse/", "/x/m/converse"],
)
def test_other_paths_ask_for_nothing(path):
    assert sdk.SCHEMA.operation(path) is None


def test_the_latency_is_counted_from_the_request():
    now = iter([10.0, 10.25])
    schema = BedrockSchema(clock_s=lambda: next(now))
    operation = schema.operation("/model/m/converse")

    request = schema.understand(ForeignRequest(operation, {"messages": ASK}))

    assert schema.answer({}, request)["metrics"] == {"latencyMs": 250}


def test_a_request_without_a_model_is_refused():
    """Only by the three methods: a path always has one."""
    with pytest.raises(InvalidRequest) as refusal:
        sdk.SCHEMA.understand(ForeignRequest(Operation("converse"), {"messages": ASK}))

    assert refusal.value.param == "modelId"
