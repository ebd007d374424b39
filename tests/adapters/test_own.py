"""Three methods of an operator's own stand in for a schema, with what they may get wrong."""

from __future__ import annotations

from traceback import format_exception
from types import SimpleNamespace

import pytest

from app.adapters.own import OwnSchema, missing_methods
from app.adapters.schema import ForeignRequest, Operation
from app.errors import InvalidRequest, UpstreamTimeout
from app.model_errors import AdapterFailed

PARAMS = {"model": "openai/x", "api_key": "operator"}
MESSAGES = [{"role": "user", "content": "hi"}]


class Adapter:
    def translate_completion_input_params(self, kwargs):
        self.got = kwargs
        return {"model": kwargs["model"], "messages": kwargs["messages"]}

    def translate_completion_output_params(self, response):
        return {"by": response.model}

    def translate_completion_output_params_streaming(self, completion_stream):
        for chunk in completion_stream:
            yield chunk.frame


class WithoutArgument(Adapter):
    """As on LiteLLM's older page."""

    def translate_completion_output_params_streaming(self):
        return None


class ThatGivesNothing(Adapter):
    def translate_completion_output_params_streaming(self, completion_stream):
        return None


class Model:
    """What pydantic's models have."""

    def model_dump(self, mode):
        return {"mode": mode}


class Names:
    """What litellm's library knows of names."""

    is_reserved = {"api_key", "callbacks"}.__contains__
    is_clients = {"messages", "temperature", "model"}.__contains__


def own(adapter, takes_below=False):
    return OwnSchema(adapter, "anthropic", Names(), takes_below)


def asked(body, path=None):
    return ForeignRequest(Operation("completion", path or {}), body, {}, lambda _model: PARAMS)


def test_the_adapter_gets_body_path_and_parameters_and_no_word_of_the_client_about_them():
    adapter = Adapter()

    request = own(adapter).understand(
        asked({"messages": MESSAGES, "api_key": "client", "callbacks": ["x"], "note": 1}, {"model": "m", "tenant": "t"})
    )

    assert adapter.got == {"messages": MESSAGES, "note": 1, "tenant": "t", **PARAMS}
    assert (request.model, request.arguments["messages"]) == ("m", MESSAGES)
    assert (request.dropped, request.is_streaming) == (("api_key", "callbacks"), False)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": 3, "messages": MESSAGES}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": "hi"}, "messages"),
    ],
)
def test_what_the_client_misses_is_named(body, param):
    with pytest.raises(InvalidRequest) as refused:
        own(Adapter()).understand(asked(body))

    assert refused.value.param == param


class ThatHandsAllOn(Adapter):
    def translate_completion_input_params(self, kwargs):
        return {**kwargs, "made": 1}


def test_what_the_client_may_not_say_is_not_handed_on_whatever_it_is_called():
    """AD-01: litellm's providers read model_id, fake_stream, deployment_url and hundreds more."""
    body = {"messages": MESSAGES, "temperature": 1, "model_id": "arn:other", "token": "t", "note": "n", "region": "r"}
    params = {**PARAMS, "allowed_openai_params": ["note"], "region": "operators"}
    request = ForeignRequest(Operation("completion", {"model": "m", "tenant": "t"}), body, {}, lambda _model: params)

    understood = own(ThatHandsAllOn()).understand(request)

    assert understood.arguments == {"messages": MESSAGES, "temperature": 1, "note": "n", "made": 1, **params}
    assert understood.dropped == ("model_id", "token", "tenant")


@pytest.mark.parametrize("given", [None, [], {"model": "m"}, {"messages": "none"}])
def test_an_adapter_that_gives_no_arguments_is_at_fault(given):
    adapter = Adapter()
    adapter.translate_completion_input_params = lambda kwargs: given

    with pytest.raises(AdapterFailed):
        own(adapter).understand(asked({"model": "m", "messages": MESSAGES}))


@pytest.mark.parametrize("key", ["messages", "cannot use operator", "operator-and-more", "", 3])
def test_a_key_of_the_adapters_own_is_no_missing_field(key):
    adapter = Adapter()
    adapter.translate_completion_input_params = lambda kwargs: {}[key]

    with pytest.raises(AdapterFailed):
        own(adapter).understand(asked({"model": "m", "messages": MESSAGES}))


def failing(fault):
    """An adapter all of whose methods raise it."""

    def fail(*_given):
        raise fault
        yield

    def fail_at_once(*_given):
        raise fault

    adapter = Adapter()
    adapter.translate_completion_input_params = adapter.translate_completion_output_params = fail_at_once
    adapter.translate_completion_output_params_streaming = fail
    return adapter


@pytest.mark.parametrize("fault", [ValueError(f"cannot use {PARAMS}"), SystemExit("operator"), AssertionError(PARAMS)])
def test_a_fault_of_the_adapters_own_is_told_without_what_it_was_given(fault):
    request = own(Adapter()).understand(asked({"model": "m", "messages": MESSAGES, "stream": True}))
    schema = own(failing(fault))
    calls = (
        lambda: schema.understand(asked({"model": "m", "messages": MESSAGES})),
        lambda: schema.answer(SimpleNamespace(), request),
        lambda: next(schema.frames([], request)),
    )
    for call in calls:
        with pytest.raises(AdapterFailed) as failed:
            call()

        told = "".join(format_exception(failed.value))
        assert "operator" not in told.replace("operator's", "")
        assert type(fault).__name__ in str(failed.value.__cause__)
        assert "test_own.py line " in str(failed.value.__cause__)


def test_a_fault_of_the_adapters_own_is_told_without_what_the_client_said():
    adapter = failing(ValueError("cannot use 'a long confession'"))

    with pytest.raises(AdapterFailed) as failed:
        own(adapter).understand(asked({"model": "m", "messages": [{"role": "user", "content": "a long confession"}]}))

    assert str(failed.value.__cause__).startswith("ValueError: cannot use '****' (test_own.py line ")


@pytest.mark.parametrize("given", [None, {1, 2}, object(), float("nan")])
def test_an_answer_that_is_none_is_the_adapters_fault(given):
    adapter = Adapter()
    adapter.translate_completion_output_params = lambda response: given
    schema = own(adapter)
    request = schema.understand(asked({"model": "m", "messages": MESSAGES}))

    with pytest.raises(AdapterFailed):
        schema.answer(SimpleNamespace(model="openai/x"), request)


def test_what_the_gateway_raises_through_an_adapter_passes():
    def chunks():
        raise UpstreamTimeout("late")
        yield

    schema = own(Adapter())
    request = schema.understand(asked({"model": "m", "messages": MESSAGES, "stream": True}))

    with pytest.raises(UpstreamTimeout):
        next(schema.frames(chunks(), request))


@pytest.mark.parametrize("adapter", [WithoutArgument(), object()])
def test_an_adapter_that_cannot_stream_says_so_before_the_model_is_called(adapter):
    with pytest.raises(InvalidRequest) as refused:
        own(adapter).understand(asked({"model": "m", "messages": MESSAGES, "stream": True}))

    assert refused.value.param == "stream"


def test_an_adapter_that_gives_no_frames_cannot_stream():
    schema = own(ThatGivesNothing())
    request = schema.understand(asked({"model": "m", "messages": MESSAGES, "stream": True}))

    assert request.is_streaming
    with pytest.raises(InvalidRequest):
        schema.frames([], request)


def test_frames_may_be_octets_text_dicts_and_models():
    schema = own(Adapter())
    request = schema.understand(asked({"model": "m", "messages": MESSAGES, "stream": True}))
    chunks = [SimpleNamespace(frame=frame) for frame in (b"a", "é", {"b": 1}, Model())]

    assert list(schema.frames(chunks, request)) == [
        b"a",
        "é".encode(),
        b'data: {"b": 1}\n\n',
        b'data: {"mode": "json"}\n\n',
    ]
    assert {chunk.model for chunk in chunks} == {"m"}


def test_the_answer_names_the_clients_model():
    schema = own(Adapter())
    request = schema.understand(asked({"model": "m", "messages": MESSAGES}))

    assert schema.answer(SimpleNamespace(model="openai/x"), request) == {"by": "m"}


def test_a_stream_that_breaks_speaks_the_routes_dialect():
    frame = own(Adapter()).broken(UpstreamTimeout("late"), None, "id-1", is_first=False)

    assert frame.startswith(b"event: error\ndata: ")


@pytest.mark.parametrize(
    ("remainder", "below", "is_served"), [("", False, True), ("/x", False, False), ("/x", True, True)]
)
def test_what_lies_below_is_served_where_the_route_says_so(remainder, below, is_served):
    assert (own(Adapter(), below).operation(remainder) is not None) is is_served


def test_both_ways_are_needed():
    assert missing_methods(Adapter()) == []
    assert missing_methods(object()) == ["translate_completion_input_params", "translate_completion_output_params"]
