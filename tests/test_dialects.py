"""Every refusal, in every dialect, has the shape from which that provider's SDK raises its typed error."""

import json

import pytest

import app.limit_errors
import app.store_errors  # noqa: F401  # both have refusals of their own
from app.dialects import (
    ANTHROPIC_TYPES,
    BEDROCK_TYPES,
    DIALECTS,
    GOOGLE_STATUSES,
    error_body,
    error_event,
    error_fields,
)
from app.errors import InvalidRequest, MethodNotAllowed, Refusal, RequestTooLarge, StreamBroken, UpstreamTimeout
from app.settings.models import PassThroughEndpoint

FACTS = {MethodNotAllowed: {"allow": ("GET",)}}


def every_refusal(parent=Refusal):
    for refusal in parent.__subclasses__():
        if hasattr(refusal, "status"):
            yield refusal
        yield from every_refusal(refusal)


def instance(refusal):
    return refusal("What went wrong.", **FACTS.get(refusal, {}))


def message_in(body):
    return body["error"]["message"] if isinstance(body.get("error"), dict) else body["message"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("refusal", list(every_refusal()), ids=lambda refusal: refusal.__name__)
def test_every_refusal_is_told_in_every_dialect(refusal, dialect):
    told = error_body(instance(refusal), dialect, "id-1")

    assert message_in(told) == "What went wrong."
    assert refusal.code in json.dumps(told).lower()


def test_every_error_format_that_a_file_may_name_is_a_dialect():
    named = PassThroughEndpoint.model_json_schema()["properties"]["error_format"]

    assert sorted(named["enum"]) == sorted(DIALECTS)


# openai-python reads body["error"]; anthropic "type": "error"; google-genai error.code/.status; boto3 message with
# a header; cohere body["message"]; langfuse message and error.
SHAPES = {
    "openai": {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "Host", "code": "invalid_request"}
    },
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "No.", "code": "invalid_request"},
        "request_id": "id-1",
    },
    "google": {
        "error": {
            "code": 400,
            "message": "No.",
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "INVALID_REQUEST",
                    "domain": "tollhouse",
                    "metadata": {"request_id": "id-1"},
                }
            ],
        }
    },
    "bedrock": {"message": "No.", "code": "invalid_request"},
    "cohere": {"id": "id-1", "message": "No.", "code": "invalid_request"},
    "langfuse": {"message": "No.", "error": "invalid_request"},
}


def test_every_dialect_has_its_shape_here():
    assert tuple(SHAPES) == DIALECTS


@pytest.mark.parametrize(("dialect", "shape"), list(SHAPES.items()))
def test_a_body_has_the_shape_that_the_sdk_reads(dialect, shape):
    assert error_body(InvalidRequest("No.", param="Host"), dialect, "id-1") == shape


@pytest.mark.parametrize(
    ("refusal", "anthropic", "google", "bedrock"),
    [
        pytest.param(InvalidRequest, "invalid_request_error", "INVALID_ARGUMENT", "ValidationException", id="400"),
        pytest.param(RequestTooLarge, "request_too_large", "INVALID_ARGUMENT", "ValidationException", id="413"),
        pytest.param(UpstreamTimeout, "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException", id="504"),
        pytest.param(StreamBroken, "api_error", "UNAVAILABLE", "InternalServerException", id="502"),
    ],
)
def test_the_providers_own_words_follow_the_status(refusal, anthropic, google, bedrock):
    fault = instance(refusal)

    assert error_body(fault, "anthropic", "id-1")["error"]["type"] == anthropic
    assert error_body(fault, "google", "id-1")["error"]["status"] == google
    assert dict(error_fields(fault, "bedrock", "id-1"))["x-amzn-ErrorType"] == bedrock


@pytest.mark.parametrize("table", [ANTHROPIC_TYPES, GOOGLE_STATUSES, BEDROCK_TYPES])
def test_a_table_of_words_covers_what_clients_may_cause(table):
    assert {400, 401, 403, 404, 405, 413, 429, 503, 504} - set(table) == set()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_is_json_that_nobody_may_store(dialect):
    fields = error_fields(InvalidRequest("No."), dialect, "id-1")

    assert fields[:2] == [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    more = {"anthropic": ["request-id"], "bedrock": ["x-amzn-ErrorType", "x-amzn-RequestId"]}
    assert [name for name, _ in fields[2:]] == more.get(dialect, [])


@pytest.mark.parametrize(("dialect", "name"), [("anthropic", "request-id"), ("bedrock", "x-amzn-RequestId")])
def test_the_request_id_stands_where_the_sdk_looks_for_it(dialect, name):
    assert (name, "id-1") in error_fields(InvalidRequest("No."), dialect, "id-1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_405_keeps_its_allow_in_every_dialect(dialect):
    assert ("Allow", "GET") in error_fields(MethodNotAllowed("No.", allow=("GET",)), dialect, "id-1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_ends_badly_with_one_event(dialect):
    event = error_event(StreamBroken("The upstream's event stream broke off."), dialect, "id-1")

    *lines, data = event.removesuffix(b"\n\n").split(b"\n")
    assert event.endswith(b"\n\n")
    assert lines == ([b"event: error"] if dialect == "anthropic" else [])
    assert json.loads(data.removeprefix(b"data: ")) == error_body(
        StreamBroken("The upstream's event stream broke off."), dialect, "id-1"
    )


def test_a_message_with_line_ends_makes_no_second_event():
    event = error_event(StreamBroken("one\n\ndata: two\r\n"), "openai", "id-1")

    assert event.count(b"\n") == 2
