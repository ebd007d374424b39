"""The Messages schema: what the gateway asks of every wire format, for Anthropic's SDK."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.adapters.anthropic.answer import message
from app.adapters.anthropic.request import understand
from app.adapters.anthropic.stream import events
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Json, Operation
from app.dialects import error_event
from app.errors import Refusal
from app.fields import Fields

# A mount is the API's own path, or a base_url of the SDK, which adds that path.
OPERATIONS = {
    "": "messages",
    "/count_tokens": "count_tokens",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count_tokens",
}


class AnthropicSchema:
    """Anthropic Messages, whole and streamed, and the counting of tokens."""

    dialect = "anthropic"

    def operation(self, remainder: str) -> Operation | None:
        name = OPERATIONS.get(remainder)
        return None if name is None else Operation(name)

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        return understand(request)

    def answer(self, completion: Body, request: CompletionRequest) -> Json:
        return message(completion, request)

    def token_count(self, tokens: int, request: CompletionRequest) -> Json:  # noqa: ARG002
        return {"input_tokens": tokens}

    def frames(self, chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
        return events(chunks, request)

    def broken(
        self,
        refusal: Refusal,
        request: CompletionRequest,  # noqa: ARG002
        request_id: str,
        *,
        is_first: bool,  # noqa: ARG002
    ) -> bytes:
        return error_event(refusal, self.dialect, request_id)

    def stream_type(self, request: CompletionRequest) -> str:  # noqa: ARG002
        return "text/event-stream; charset=utf-8"

    def answer_fields(self, request_id: str) -> Fields:
        return [("request-id", request_id)]
