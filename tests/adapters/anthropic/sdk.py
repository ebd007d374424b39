"""Anthropic's SDK, fed with octets instead of a connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import anthropic
import httpx2

from app.adapters.anthropic.schema import AnthropicSchema
from app.adapters.schema import CompletionRequest, ForeignRequest, Operation

SCHEMA = AnthropicSchema()
ASKED = {"model": "my-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


def understood(**members: object) -> CompletionRequest:
    """Return a small request with these members, understood."""
    return SCHEMA.understand(ForeignRequest(Operation("messages"), {**ASKED, **members}))


@contextlib.contextmanager
def client(answer: httpx2.Response) -> Iterator[anthropic.Anthropic]:
    """Give out a client whose every request gets this answer."""
    transport = httpx2.MockTransport(lambda request: answer)
    with anthropic.Anthropic(
        api_key="k", base_url="http://gateway.test", max_retries=0, http_client=httpx2.Client(transport=transport)
    ) as made:
        yield made


def stream_of(octets: Iterable[bytes]) -> httpx2.Response:
    """Return an event stream that comes in these pieces."""
    kind = SCHEMA.stream_type(understood())
    return httpx2.Response(200, headers={"Content-Type": kind, "request-id": "r-1"}, content=iter(list(octets)))


def read(octets: Iterable[bytes]) -> anthropic.types.Message:
    """Return the message that the SDK makes of a stream."""
    with client(stream_of(octets)) as sdk, sdk.messages.stream(**ASKED) as stream:
        return stream.get_final_message()
