"""An adapter of the operator's own, LiteLLM's three methods, as a schema."""

import json
from collections.abc import Callable, Iterable, Iterator
from inspect import Parameter, signature
from typing import Any

from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Json, Operation
from app.dialects import error_event
from app.errors import InternalError, InvalidRequest, Refusal
from app.fields import Fields

TO_COMPLETION = "translate_completion_input_params"
TO_ANSWER = "translate_completion_output_params"
TO_FRAMES = "translate_completion_output_params_streaming"
METHODS = (TO_COMPLETION, TO_ANSWER, TO_FRAMES)

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


class OwnSchema:
    """Three methods in the place of a schema.

    They take litellm's own objects, not plain ones. `is_reserved` tells which of the client's fields are no
    business of a client (`Library.is_reserved`).
    """

    def __init__(self, adapter: Any, dialect: str, is_reserved: Callable[[str], bool], takes_below: bool) -> None:
        self.dialect = dialect
        self._adapter = adapter
        self._is_reserved = is_reserved
        self._takes_below = takes_below
        self._streams = can_stream(adapter)

    def operation(self, remainder: str) -> Operation | None:
        return Operation("completion") if not remainder or self._takes_below else None

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        """Return what the adapter makes of the request; a fault of its own is an InternalError."""
        body, path = request.body, request.operation.path
        model = path.get("model") or body.get("model")
        if not isinstance(model, str) or not model:
            raise InvalidRequest("model is missing: name one.", param="model")
        if body.get("stream") is True and not self._streams:
            raise InvalidRequest(CANNOT_STREAM, param="stream")
        removed = tuple(name for name in body if self._is_reserved(name))
        kept = {name: value for name, value in body.items() if name not in removed}
        params = request.litellm_params(model)
        arguments = self._translated({**kept, **path, **params}, kept)
        is_streaming = arguments.pop("stream", body.get("stream")) is True
        arguments.pop("stream_options", None)
        return CompletionRequest(model, arguments, is_streaming, dropped=removed)

    def answer(self, completion: Any, request: CompletionRequest) -> Json:
        completion.model = request.model  # what stands behind the client's name is not the client's business
        return jsonable(getattr(self._adapter, TO_ANSWER)(completion))

    def token_count(self, tokens: int, request: CompletionRequest) -> Json:
        raise NotImplementedError("own adapters count no tokens")

    def frames(self, chunks: Iterable[Any], request: CompletionRequest) -> Iterator[bytes]:
        frames = getattr(self._adapter, TO_FRAMES)(_named(chunks, request.model))
        if frames is None:
            raise InvalidRequest(CANNOT_STREAM, param="stream")
        return map(_frame, frames)

    def broken(self, refusal: Refusal, request: CompletionRequest, request_id: str, *, is_first: bool) -> bytes:  # noqa: ARG002
        return error_event(refusal, self.dialect, request_id)

    def stream_type(self, request: CompletionRequest) -> str:  # noqa: ARG002
        return "text/event-stream; charset=utf-8"

    def answer_fields(self, request_id: str) -> Fields:  # noqa: ARG002
        return []

    def _translated(self, kwargs: dict[str, Json], body: Body) -> dict[str, Json]:
        try:
            arguments = getattr(self._adapter, TO_COMPLETION)(kwargs)
        except KeyError as missing:
            # An adapter that looks for a field which the client did not send; any other key is its own affair.
            (name,) = missing.args or ("",)
            if isinstance(name, str) and name not in kwargs:
                raise InvalidRequest(f"{name} is missing.", param=name) from missing
            raise
        if not isinstance(arguments, dict):
            raise InternalError(f"{TO_COMPLETION} gave no dict")
        if not isinstance(arguments.get("messages"), list):
            if not isinstance(body.get("messages"), list):
                raise InvalidRequest("messages is missing: a list of messages.", param="messages")
            raise InternalError(f"{TO_COMPLETION} gave no messages")
        return dict(arguments)


def jsonable(value: Any) -> Json:
    """Return what an adapter's method gave as a JSON value; models are pydantic's."""
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _named(chunks: Iterable[Any], model: str) -> Iterator[Any]:
    for chunk in chunks:
        chunk.model = model
        yield chunk


def _frame(frame: Any) -> bytes:
    """Return the octets of a frame: bytes and text as they are, anything else as an event's data."""
    if isinstance(frame, bytes):
        return frame
    if isinstance(frame, str):
        return frame.encode()
    return f"data: {json.dumps(jsonable(frame))}\n\n".encode()
