"""What the schema says, as Anthropic's own SDK reads it."""

import json

import anthropic
import httpx2
import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from app.dialects import error_body
from app.errors import InvalidRequest, StreamBroken
from tests.adapters.anthropic.sdk import ASKED, SCHEMA, client, read, stream_of, understood
from tests.adapters.recorded import cases

EVENT = TypeAdapter(RawMessageStreamEvent)
OURS = [case for case in cases() if case.wire_name == "anthropic"]


def having(*names):
    found = [case for case in OURS if case.has(*names)]
    return pytest.mark.parametrize("case", found, ids=lambda case: case.name)


@having("answer")
def test_an_answer_is_a_message_without_a_foreign_member(case):
    got = Message.model_validate(case["answer"], extra="forbid")

    assert got.model == case["request"]["model"]


@having("frames")
def test_each_frame_is_an_event_of_the_api(case):
    for frame in case["frames"]:
        assert frame["event"] == frame["data"]["type"]
        if frame["event"] != "ping":
            EVENT.validate_python(frame["data"], extra="forbid")


@having("answer", "chunks")
def test_a_stream_is_read_as_the_whole_answer(case):
    got = read(SCHEMA.frames(case["chunks"], case.understood(SCHEMA)))

    assert {**got.to_dict(), "stop_details": None} == {**case["answer"], "stop_details": None}


def test_the_request_id_is_where_the_sdk_looks_for_it():
    answer = SCHEMA.answer({"choices": [{"message": {"content": "Hi"}}]}, understood())

    with client(httpx2.Response(200, headers=SCHEMA.answer_fields("r-1"), json=answer)) as sdk:
        got = sdk.messages.create(**ASKED)

    assert (got._request_id, got.content[0].text) == ("r-1", "Hi")


def test_counted_tokens_are_read():
    told = SCHEMA.token_count(7, understood())

    assert MessageTokensCount.model_validate(told, extra="forbid").input_tokens == 7


def test_a_structured_answer_is_parsed():
    class Capital(BaseModel):
        name: str

    answer = SCHEMA.answer({"choices": [{"message": {"content": '{"name": "Rome"}'}}]}, understood())
    asked = []

    def answering(request):
        asked.append(json.loads(request.content))
        return httpx2.Response(200, json=answer)

    transport = httpx2.Client(transport=httpx2.MockTransport(answering))
    with anthropic.Anthropic(api_key="k", base_url="http://gateway.test", http_client=transport) as sdk:
        got = sdk.messages.parse(**ASKED, output_format=Capital)

    assert got.parsed_output == Capital(name="Rome")
    told = understood(**asked[0]).arguments["response_format"]["json_schema"]
    assert told["strict"] is True
    assert told["schema"]["properties"]["name"]["type"] == "string"


def test_a_refused_request_is_the_sdks_typed_error():
    body = error_body(InvalidRequest("messages[0].role: no.", param="messages[0].role"), SCHEMA.dialect, "r-1")

    with (
        client(httpx2.Response(400, json=body)) as sdk,
        pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.role") as error,
    ):
        sdk.messages.create(**ASKED)

    assert error.value.body["error"]["type"] == "invalid_request_error"


def test_a_stream_that_breaks_raises_what_the_gateway_says():
    request = understood(stream=True)
    frames = list(SCHEMA.frames([{"id": "1", "choices": [{"delta": {"content": "Hi"}}]}], request))
    broken = SCHEMA.broken(StreamBroken("The upstream broke off."), request, "r-1", is_first=False)

    with client(stream_of([frames[0], broken])) as sdk, sdk.messages.stream(**ASKED) as stream:
        seen = stream.text_stream
        assert next(seen) == "Hi"
        with pytest.raises(anthropic.APIStatusError, match=r"The upstream broke off\."):
            next(seen)
