"""An adapter of the operator's own, LiteLLM's three methods, as a schema."""

import json
from collections.abc import Iterable, Iterator
from inspect import Parameter, signature
from re import compile as compile_pattern
from typing import Any, NamedTuple, Protocol

from app.adapters.own_faults import Unusable, own_code, texts
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Json, Operation
from app.adapters.withheld import without
from app.dialects import error_event
from app.errors import InvalidRequest, Refusal
from app.fields import Fields

TO_COMPLETION = "translate_completion_input_params"
TO_ANSWER = "translate_completion_output_params"
TO_FRAMES = "translate_completion_output_params_streaming"
METHODS = (TO_COMPLETION, TO_ANSWER, TO_FRAMES)

# How a field of a request is called.
FIELD = compile_pattern(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
CANNOT_STREAM = "This adapter does not stream; leave stream out."


def missing_methods(adapter: object) -> list[str]:
    """Return which of the methods that every adapter needs are missing; one that cannot stream still serves."""
    return [name for name in (TO_COMPLETION, TO_ANSWER) if not callable(getattr(adapter, name, None))]


def can_stream(adapter: object) -> bool:
    """Tell whether its method for streams can be called with one, and is more than the empty one of litellm's base.

    The one on LiteLLM's older page takes no argument.
    """
    method = getattr(adapter, TO_FRAMES, None)
    if not callable(method) or str(getattr(method, "__module__", "")).startswith("litellm.integrations."):
        return False
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return any(parameter.kind in kinds for parameter in signature(method).parameters.values())


class Names(Protocol):
    """What has to be known of litellm's arguments; `Library` knows it."""

    def is_reserved(self, name: str) -> bool: ...

    def is_clients(self, name: str) -> bool: ...


class _Given(NamedTuple):
    """What an adapter was given for a request, and may quote when it fails."""

    params: Body
    body: Body


class OwnSchema:
    """Three methods in the place of a schema. They take litellm's own objects, not plain ones."""

    def __init__(self, adapter: Any, dialect: str, names: Names, takes_below: bool) -> None:
        self.dialect = dialect
        self._adapter = adapter
        self._names = names
        self._takes_below = takes_below
        self._streams = can_stream(adapter)

    def operation(self, remainder: str) -> Operation | None:
        return Operation("completion") if not remainder or self._takes_below else None

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        """Return what the adapter makes of the request; raises AdapterFailed for a fault of its own."""
        body, path = request.body, request.operation.path
        model = path.get("model") or body.get("model")
        if not isinstance(model, str) or not model:
            raise InvalidRequest("model is missing: name one.", param="model")
        if body.get("stream") is True and not self._streams:
            raise InvalidRequest(CANNOT_STREAM, param="stream")
        removed = [name for name in body if self._names.is_reserved(name)]
        kept = {name: value for name, value in body.items() if name not in removed}
        params = request.litellm_params(model)
        arguments = self._translated({**kept, **path, **params}, kept, params)
        is_streaming = arguments.pop("stream", body.get("stream")) is True
        arguments.pop("stream_options", None)
        passed = [name for name in (*kept, *path) if name in arguments and not self._may_pass(name, params)]
        arguments = {name: value for name, value in arguments.items() if name not in passed}
        return CompletionRequest(
            model, arguments, is_streaming, dropped=(*removed, *passed), notes=_Given(params, kept)
        )

    def answer(self, completion: Any, request: CompletionRequest) -> Json:
        completion.model = request.model  # what stands behind the client's name is not the client's business
        with own_code(*_given(request)):
            answer = jsonable(getattr(self._adapter, TO_ANSWER)(completion))
            if answer is None:
                raise Unusable(f"{TO_ANSWER} gave nothing")
            json.dumps(answer, allow_nan=False)
        return answer

    def token_count(self, tokens: int, request: CompletionRequest) -> Json:
        raise NotImplementedError("own adapters count no tokens")

    def frames(self, chunks: Iterable[Any], request: CompletionRequest) -> Iterator[bytes]:
        with own_code(*_given(request)):
            frames = getattr(self._adapter, TO_FRAMES)(_named(chunks, request.model))
        if frames is None:
            raise InvalidRequest(CANNOT_STREAM, param="stream")
        return _framed(frames, _given(request))

    def broken(self, refusal: Refusal, request: CompletionRequest, request_id: str, *, is_first: bool) -> bytes:  # noqa: ARG002
        return error_event(refusal, self.dialect, request_id)

    def stream_type(self, request: CompletionRequest) -> str:  # noqa: ARG002
        return "text/event-stream; charset=utf-8"

    def answer_fields(self, request_id: str) -> Fields:  # noqa: ARG002
        return []

    def _may_pass(self, name: str, params: Body) -> bool:
        """Tell whether the model may be given the client's own value of this name.

        Not only what is known to decide where a call goes: litellm's providers read hundreds of names, and a new
        release may read others. What an adapter makes of a field under another name is the adapter's word.
        """
        return name in params or self._names.is_clients(name) or name in params.get("allowed_openai_params", ())

    def _translated(self, kwargs: dict[str, Json], body: Body, params: Body) -> dict[str, Json]:
        with own_code(params, body):
            try:
                arguments = getattr(self._adapter, TO_COMPLETION)(kwargs)
            except KeyError as missing:
                # An adapter that looks for a field which the client did not send; any other key is its own affair.
                (name,) = missing.args or ("",)
                if _is_missing(name, kwargs, params):
                    raise InvalidRequest(f"{name} is missing.", param=name) from None
                raise
            if not isinstance(arguments, dict):
                raise Unusable(f"{TO_COMPLETION} gave no dict")
            if not isinstance(arguments.get("messages"), list):
                if not isinstance(body.get("messages"), list):
                    raise InvalidRequest("messages is missing: a list of messages.", param="messages")
                raise Unusable(f"{TO_COMPLETION} gave no messages")
        return dict(arguments)


def _given(request: CompletionRequest) -> _Given:
    return request.notes if isinstance(request.notes, _Given) else _Given({}, {})


def _is_missing(name: object, kwargs: Body, params: Body) -> bool:
    """Tell whether this key is a field that a client may have left out; an adapter's own KeyError may say anything."""
    if not isinstance(name, str) or name in kwargs or not FIELD.fullmatch(name):
        return False
    return without(name, texts(params)) == name


def jsonable(value: Any) -> Json:
    """Return what an adapter's method gave as a JSON value; models are pydantic's."""
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _named(chunks: Iterable[Any], model: str) -> Iterator[Any]:
    for chunk in chunks:
        chunk.model = model
        yield chunk


def _framed(frames: Iterable[Any], given: "_Given") -> Iterator[bytes]:
    with own_code(*given):
        for frame in frames:
            yield _frame(frame)


def _frame(frame: Any) -> bytes:
    """Return the octets of a frame: bytes and text as they are, anything else as an event's data."""
    if isinstance(frame, bytes):
        return frame
    if isinstance(frame, str):
        return frame.encode()
    return f"data: {json.dumps(jsonable(frame))}\n\n".encode()
