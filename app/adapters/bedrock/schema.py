"""Bedrock Converse as a wire schema: which path asks for what, and who translates it.

Paths and errors of the Bedrock runtime API (2023-09-30, service model of botocore 1.44).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from app.adapters import eventstream
from app.adapters.bedrock.answer import converse_answer
from app.adapters.bedrock.reading import wrong
from app.adapters.bedrock.request import converse, counting
from app.adapters.bedrock.stream import converse_frames
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Json, Operation
from app.errors import Refusal
from app.fields import Fields

# A model's id may be an ARN or have a provider's name before it; SDKs escape its slashes, curl's users do not.
_PATH = re.compile(r"/model/(?P<model>.+)/(?P<operation>converse|converse-stream|count-tokens)")

# The errors that ConverseStreamOutput has a member for.
_EXCEPTIONS = {
    400: "validationException",
    404: "validationException",
    413: "validationException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}


@dataclass(frozen=True, slots=True)
class BedrockSchema:
    """Converse, ConverseStream and CountTokens."""

    clock_s: Callable[[], float] = time.monotonic
    """For `metrics.latencyMs`, which Bedrock promises in every answer."""

    @property
    def dialect(self) -> str:
        return "bedrock"

    def operation(self, remainder: str) -> Operation | None:
        found = _PATH.fullmatch(remainder)
        return found and Operation(found["operation"], {"model": unquote(found["model"])})

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        model = request.operation.path.get("model")
        if not model:
            raise wrong("modelId", "is missing")
        counts_tokens = request.operation.name == "count-tokens"
        reading = counting(request.body) if counts_tokens else converse(request.body)
        return CompletionRequest(
            model=model,
            arguments=reading.arguments,
            is_streaming=request.operation.name == "converse-stream",
            counts_tokens=counts_tokens,
            dropped=tuple(dict.fromkeys(reading.dropped)),
            origins=reading.origins,
            notes=self.clock_s(),
        )

    def answer(self, completion: Body, request: CompletionRequest) -> Json:
        return converse_answer(completion, self._latency_ms(request))

    def token_count(self, tokens: int, _request: CompletionRequest) -> Json:
        return {"inputTokens": tokens}

    def frames(self, chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
        return converse_frames(chunks, lambda: self._latency_ms(request))

    def broken(self, refusal: Refusal, _request: CompletionRequest, _request_id: str, *, is_first: bool) -> bytes:
        del is_first  # an exception may stand alone
        name = _EXCEPTIONS.get(refusal.status, "modelStreamErrorException")
        return eventstream.exception(name, {"message": refusal.message, "code": refusal.code})

    def stream_type(self, _request: CompletionRequest) -> str:
        return eventstream.MEDIA_TYPE

    def answer_fields(self, request_id: str) -> Fields:
        return [("x-amzn-RequestId", request_id)]

    def _latency_ms(self, request: CompletionRequest) -> int:
        """Return the time since the request was understood, 0 where it was not understood here."""
        return 0 if request.notes is None else int((self.clock_s() - request.notes) * 1000)
