"""Three methods of an operator's own stand in for a schema, with what they may get wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.adapters.own import OwnSchema, missing_methods
from app.adapters.schema import ForeignRequest, Operation
from app.errors import InternalError, InvalidRequest, UpstreamTimeout

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


def own(adapter, takes_below=False):
    return OwnSchema(adapter, "anthropic", {"api_key", "callbacks"}.__contains__, takes_below)


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


@pytest.mark.parametrize("given", [None, [], {"model": "m"}, {"messages": "none"}])
def test_an_adapter_that_gives_no_arguments_is_at_fault(given):
    adapter = Adapter()
    adapter.translate_completion_input_params = lambda kwargs: given

    with pytest.raises(InternalError):
        own(adapter).understand(asked({"model": "m", "messages": MESSAGES}))


def test_a_key_of_the_adapters_own_is_no_missing_field():
    adapter = Adapter()
    adapter.translate_completion_input_params = lambda kwargs: {}["messages"]

    with pytest.raises(KeyError):
        own(adapter).understand(asked({"model": "m", "messages": MESSAGES}))


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
