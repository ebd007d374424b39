"""What litellm raises becomes a refusal by the provider's status; no credential, no address stands in it."""

from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace

import pytest

from app.adapters.litellm_faults import in_stream, masked, refusal_of, retry_after_s
from app.errors import ServerStopping, StreamBroken

PARAMS = {
    "model": "openai/gpt-secret",
    "api_key": "sk-canary",
    "api_base": "http://10.0.0.7:8080/v1",
    "n": 3,
    "extra_headers": {"X": "deep-canary"},
    "user": "abc",
}


def fault(name, status=None, body=None, message="no", **facts):
    """An exception of a class of this name, as litellm and openai make them."""
    found = type(name, (Exception,), {})(message)
    vars(found).update(facts, status_code=status, body=body, message=message)
    return found


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (fault("AuthenticationError", 401), 502, "upstream_credential_refused"),
        (fault("PermissionDeniedError", 403), 502, "upstream_credential_refused"),
        (fault("NotFoundError", 404), 404, "model_not_found"),
        (fault("RateLimitError", 429), 429, "upstream_rate_limited"),
        (fault("BadRequestError", 400), 400, "upstream_refused_request"),
        (fault("UnsupportedParamsError", 400), 400, "upstream_refused_request"),
        (fault("ContentPolicyViolationError", 400), 400, "upstream_refused_request"),
        (fault("UnprocessableEntityError", 422), 400, "upstream_refused_request"),
        (fault("ContextWindowExceededError", 400), 400, "context_length_exceeded"),
        (fault("BadRequestError", 503), 503, "upstream_unavailable"),  # litellm goes by words of the message, too
        (fault("ServiceUnavailableError", 503), 503, "upstream_unavailable"),
        (fault("InternalServerError", 529), 503, "upstream_unavailable"),
        (fault("InternalServerError", 500), 502, "upstream_failed"),
        (fault("APIError", None), 502, "upstream_failed"),
        (fault("Timeout", 408), 504, "upstream_timeout"),
        (fault("BadGatewayError", 504), 504, "upstream_timeout"),
        (fault("APIConnectionError", 500), 502, "upstream_unreachable"),
        (ValueError("anything"), 502, "upstream_failed"),
    ],
    ids=lambda value: f"{type(value).__name__} {value.status_code}" if hasattr(value, "status_code") else None,
)
def test_a_fault_is_told_by_its_meaning(raised, status, code):
    refusal = refusal_of(raised, PARAMS)

    assert (refusal.status, refusal.code) == (status, code)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ConnectTimeout", "upstream_failed"),
        ("TimeoutException", "upstream_timeout"),
        ("TransportError", "upstream_unreachable"),
        ("RemoteProtocolError", "upstream_invalid_response"),
        ("JSONDecodeError", "upstream_invalid_response"),
    ],
)
def test_what_a_fault_came_from_says_more(name, code):
    outer = fault("InternalServerError", 500)
    outer.__cause__ = fault(name)

    assert refusal_of(outer, PARAMS).code == code


@pytest.mark.parametrize("name", ["KeyError", "TypeError", "ValidationError", "APIConnectionError", "TransportError"])
def test_what_is_wrong_with_an_answer_is_not_the_clients_fault(name):
    """litellm calls it 422, with the whole answer in its words, or a connection that failed."""
    outer = fault("VertexAIError", 422, message="Received=the whole answer, Error converting. File an issue")
    kind = {"KeyError": KeyError, "TypeError": TypeError, "ValidationError": ValueError}.get(name, Exception)
    outer.__context__ = type(name, (kind,), {})("usageMetadata")

    refusal = refusal_of(outer, PARAMS, 200)

    assert (refusal.status, refusal.code) == (502, "upstream_invalid_response")
    assert "whole answer" not in refusal.message + str(refusal.__cause__)
    assert refusal.__cause__.status == 200


def test_a_redirect_is_no_answer():
    assert refusal_of(fault("APIStatusError", 307), PARAMS, 307).code == "upstream_invalid_response"


@pytest.mark.parametrize("number", [429, "429"])
def test_an_error_in_the_place_of_an_answer_has_its_own_status(number):
    outer = fault("APIConnectionError", 500)
    outer.__cause__ = fault("APIError", body={"message": "slow down", "code": number})

    refusal = refusal_of(outer, PARAMS, 200)

    assert (refusal.code, str(refusal.__cause__)) == (
        "upstream_rate_limited", "APIConnectionError from APIError: slow down"
    )  # fmt: skip


def test_an_error_in_the_place_of_an_answer_may_have_no_status():
    outer = fault("APIConnectionError", 500)
    outer.__cause__ = fault("APIError", body={"message": "no", "code": "rate"})

    assert refusal_of(outer, PARAMS, 200).code == "upstream_failed"


def test_what_is_not_fetched_is_told_in_our_words():
    raised = fault("ImageFetchError", 400, message="Unable to fetch url=https://x/?signature=canary")

    refusal = refusal_of(raised, PARAMS)

    assert (refusal.status, refusal.code, refusal.param) == (400, "invalid_request", "messages")
    assert "canary" not in refusal.message + str(refusal.__cause__)
    assert refusal.__cause__.status is None


def test_what_litellm_keeps_beside_is_looked_at():
    """Its MidStreamFallbackError has the provider's as an attribute."""
    outer = fault("MidStreamFallbackError", 503, original_exception=fault("Timeout", 408))

    assert refusal_of(outer, PARAMS).code == "upstream_timeout"


def test_the_status_is_the_providers_and_not_litellms_own():
    outer = fault("MidStreamFallbackError", 503, original_exception=fault("AuthenticationError", 401))

    assert refusal_of(outer, PARAMS).code == "upstream_credential_refused"


def test_a_server_that_stops_is_no_fault_of_the_models():
    outer = fault("APIConnectionError", 500)
    outer.__context__ = stopping = ServerStopping("stopping")

    assert refusal_of(outer, PARAMS) is stopping


def test_the_providers_own_words_are_told():
    inner = fault("BadRequestError", 400, body={"error": {"message": "n is too large"}})
    outer = fault("BadRequestError", 400, message="litellm.BadRequestError: OpenAIException - n is too large")
    outer.__cause__ = inner

    assert refusal_of(outer, PARAMS).message == "n is too large"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("litellm.BadRequestError: OpenAIException - what was said", "what was said"),
        ("litellm.UnsupportedParamsError: no such thing", "no such thing"),
        ("plain", "plain"),
    ],
)
def test_litellms_own_marks_are_left_out(said, told):
    assert refusal_of(fault("BadRequestError", 400, message=said), PARAMS).message == told


def test_credentials_and_addresses_are_stars():
    text = "sk-canary at 10.0.0.7:8080 (10.0.0.7) via http://10.0.0.7:8080/v1, deep-canary, abc, openai/gpt-secret"

    assert masked(text, PARAMS) == "**** at **** (****) via ****, ****, abc, ****"


def test_a_refused_credential_is_told_without_any_of_the_providers_words():
    refusal = refusal_of(fault("AuthenticationError", 401, body={"message": "bad key sk-canary"}), PARAMS)

    assert "bad key" not in refusal.message
    assert (str(refusal.__cause__), refusal.__cause__.status) == ("AuthenticationError: bad key ****", 401)


def test_words_that_are_not_the_providers_stay_out_of_the_log():
    assert str(refusal_of(fault("InternalServerError", 500, message="Received: a secret"), {}).__cause__) == (
        "InternalServerError"
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17),
        ("0.2", 1),
        ("1.5", 2),
        ("-3", 1),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("9999999", None),
        (formatdate(0, usegmt=True), 1),
    ],
)
def test_retry_after_is_whole_seconds(value, seconds):
    raised = fault("RateLimitError", 429, response=SimpleNamespace(headers={"retry-after": value}))

    assert retry_after_s([raised]) == seconds
    assert refusal_of(raised, PARAMS).fields() == ([] if seconds is None else [("Retry-After", str(seconds))])


def test_retry_after_may_stand_in_litellms_own_copy():
    assert retry_after_s([fault("RateLimitError", litellm_response_headers={"retry-after": "4"})]) == 4


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("TransportError", None, "upstream_stream_broken"),
        ("InternalServerError", 500, "upstream_stream_broken"),
        ("RateLimitError", 429, "upstream_rate_limited"),
    ],
)
def test_a_stream_that_had_begun_is_broken(name, status, code):
    refusal = in_stream(refusal_of(fault(name, status), PARAMS))

    assert refusal.code == code
    assert refusal.__cause__ is not None
    assert isinstance(refusal, StreamBroken) == (code == "upstream_stream_broken")
