"""A schema behind LiteLLM's three methods, for programs that know an adapter by them."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from app.adapters.litellm_library import plain
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Json, Operation, Schema


class ThreeMethods:
    """An adapter as LiteLLM's "Create Pass Through Endpoints" page describes it.

    Its methods take the schema's main operation; a route calls `schema` itself, which knows all of them.
    """

    def __init__(self, schema: Schema, operation: str) -> None:
        self.schema = schema
        self._operation = operation

    def translate_completion_input_params(self, kwargs: Body) -> dict[str, Json]:
        """Return the arguments of `litellm.completion`; what the schema does not know came along and goes along."""
        request = self.schema.understand(ForeignRequest(Operation(self._operation, _path(kwargs)), kwargs))
        along = {name: kwargs[name] for name in request.dropped if name in kwargs}
        streaming = {"stream": True} if request.is_streaming else {}
        return {**along, "model": request.model, **request.arguments, **streaming}

    def translate_completion_output_params(self, response: Any) -> Json:
        """Return the whole answer as a JSON value."""
        completion = plain(response)
        return self.schema.answer(completion, _asked(completion))

    def translate_completion_output_params_streaming(self, completion_stream: Iterable[Any]) -> Iterator[bytes]:
        """Yield the stream's frames."""
        chunks = map(plain, completion_stream)
        first = next(chunks, None)
        return self.schema.frames(chain([] if first is None else [first], chunks), _asked(first or {}, True))


def _path(kwargs: Body) -> dict[str, str]:
    """Return the path parameters among the arguments; the model stands in the path of some schemas."""
    model = kwargs.get("model")
    return {"model": model} if isinstance(model, str) else {}


def _asked(completion: Body, is_streaming: bool = False) -> CompletionRequest:
    return CompletionRequest(str(completion.get("model") or ""), {}, is_streaming)
