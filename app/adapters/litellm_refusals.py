"""Refusals in a stream, which litellm would keep to itself.

It lets no chunk pass that holds nothing it knows of (1.106, `CustomStreamWrapper.is_chunk_non_empty`), and of OpenAI's
members it does not know `refusal`. What stands among a provider's own members passes, so it is put there: where
litellm itself puts the refusal of a whole answer.
"""

from collections.abc import Iterator
from typing import Any


def keep_refusals(stream: Any) -> None:
    """Have litellm's stream tell the refusals of the stream below it; one that is not open yet stays as it is."""
    inner = getattr(stream, "completion_stream", None)
    if isinstance(inner, Iterator) and not isinstance(inner, _Marking):
        stream.completion_stream = _Marking(inner)


class _Marking:
    """A provider's stream, its refusals marked; everything else is its own."""

    def __init__(self, inner: Iterator[Any]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        chunk = next(self._inner)
        for choice in getattr(chunk, "choices", None) or ():
            delta: Any = getattr(choice, "delta", None)
            if refusal := getattr(delta, "refusal", None):
                theirs = getattr(delta, "provider_specific_fields", None) or {}
                delta.provider_specific_fields = {**theirs, "refusal": refusal}
        return chunk

    def __getattr__(self, name: str) -> Any:
        # `response` and `close`, say: by them the connection is let go.
        return getattr(self._inner, name)
