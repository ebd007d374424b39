"""What a schema gives: the seam between the completion room and everything that knows a provider's wire format.

A schema is a client's wire format (Anthropic Messages, Bedrock Converse, Gemini). It turns a request into the
arguments of `litellm.completion` and the answer back, over plain values: JSON objects as dicts, OpenAI's
`chat.completion` and `chat.completion.chunk` as dicts (OpenAI API reference, Chat Completions, 2026).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.errors import Refusal
from app.fields import Fields

Json = Any
Body = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """What the path below the mount asks for."""

    name: str
    """One of the schema's own: "messages", "converse-stream", "generateContent"."""
    path: Mapping[str, str] = field(default_factory=dict)
    """Path parameters, percent-decoded: {"model": "gemini-2.5-pro"}."""


@dataclass(frozen=True, slots=True)
class ForeignRequest:
    """A client's request in the words of its schema."""

    operation: Operation
    body: Body
    query: Mapping[str, str] = field(default_factory=dict)
    """Decoded, the last of a name: {"alt": "sse"}. Holds no gateway key."""
    litellm_params: Callable[[str], Body] = lambda _model: {}
    """What `model_list` has for a model, for adapters whose methods want it; raises ModelNotFound."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """The same request in the words of `litellm.completion`."""

    model: str
    """As the client names it; looked up in `model_list`."""
    arguments: dict[str, Json]
    """Of `litellm.completion`, OpenAI's names: messages, tools, max_tokens, ...; without model, stream and
    stream_options, which the caller adds. `max_tokens` stands for every schema's longest answer."""
    is_streaming: bool = False
    counts_tokens: bool = False
    """Only the tokens of `arguments` are asked for; answered by `token_count`, not by `answer`."""
    dropped: tuple[str, ...] = ()
    """Fields that cannot be carried over, as the client spells them: "messages[0].cache_control"."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Argument -> the client's field it comes from, where they are spelled differently; names what a model
    behind does not take either: {"top_k": "generationConfig.topK"}."""
    notes: Json = None
    """What the answer's translation has to know of the request; the schema's own business."""


class Schema(Protocol):
    """A client's wire format. All of it is pure; one object serves all exchanges at once."""

    @property
    def dialect(self) -> str:
        """Name of its errors in `app.dialects`; the route's `error_format` where none is written."""

    def operation(self, remainder: str) -> Operation | None:
        """Return what the raw path below the mount ("" or "/...") asks for, None for nothing (a 404)."""

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        """Return the request in litellm's words; raises InvalidRequest with the field's name as `param`."""

    def answer(self, completion: Body, request: CompletionRequest) -> Json:
        """Return the JSON of the whole answer, from a `chat.completion`. The model it names is the client's."""

    def token_count(self, tokens: int, request: CompletionRequest) -> Json:
        """Return the JSON that tells how many tokens the request has."""

    def frames(self, chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
        """Yield the stream's frames, whole ones, each as soon as a `chat.completion.chunk` gives reason for it.

        What `chunks` raises passes through; then `broken` ends the stream. Usage comes with the last chunk,
        which may have no choices; chunks may come without finish_reason, usage or id.
        """

    def broken(self, refusal: Refusal, request: CompletionRequest, request_id: str, *, is_first: bool) -> bytes:
        """Return the last frame of a stream that ends badly; `is_first` when no frame has left before it."""

    def stream_type(self, request: CompletionRequest) -> str:
        """Return the Content-Type of the stream."""

    def answer_fields(self, request_id: str) -> Fields:
        """Return the header fields that the provider's SDK reads beside the body: its request id, say."""
