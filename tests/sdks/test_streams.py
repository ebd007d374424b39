"""Streams of the other SDKs, read event by event."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import anthropic
import pytest
from google import genai
from google.genai.types import HttpOptions

from tests.kit.house import House
from tests.kit.upstream import Upstream, chunk, head, wait
from tests.sdks.providers import CREDENTIAL, MESSAGE, MESSAGES
from tests.sdks.test_every_sdk import assert_no_key, url

EVENTS = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]


def anthropic_event(kind: str, **facts: object) -> bytes:
    return chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n".encode())


def anthropic_delta(text: str) -> bytes:
    return anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def google_event(text: str) -> bytes:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}}
    return chunk(f"data: {json.dumps({'candidates': [candidate]})}\n\n".encode())


def anthropic_texts(house: House, key: str) -> Iterator[str]:
    with (
        anthropic.Anthropic(base_url=f"{url(house)}/anthropic", api_key=key, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=5, messages=MESSAGES) as stream,
    ):
        yield from stream.text_stream


def google_texts(house: House, key: str) -> Iterator[str | None]:
    with genai.Client(api_key=key, http_options=HttpOptions(base_url=f"{url(house)}/gemini")) as client:
        for piece in client.models.generate_content_stream(model="m", contents="Say hi"):
            yield piece.text


ANTHROPIC_BEGIN = anthropic_event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
ANTHROPIC_BLOCK = anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})


@pytest.mark.parametrize(
    ("texts", "before", "after"),
    [
        pytest.param(
            anthropic_texts,
            ANTHROPIC_BEGIN + ANTHROPIC_BLOCK + anthropic_delta("a"),
            anthropic_delta("b") + anthropic_event("content_block_stop", index=0) + anthropic_event("message_stop"),
            id="anthropic",
        ),
        pytest.param(google_texts, google_event("a"), google_event("b"), id="google-genai"),
    ],
)
def test_stream_is_read_while_it_is_written(
    house: House, upstream: Upstream, texts: object, before: bytes, after: bytes
) -> None:
    """By causality: what comes after the first text is written when the SDK has given that out."""
    read = threading.Event()
    upstream.plays(head(200, EVENTS), before, wait(read), after, chunk(b""))
    stream = texts(house, house.new_key())  # type: ignore[operator]
    first = next(stream)
    read.set()

    assert (first, list(stream)) == ("a", ["b"])
    (seen,) = upstream.requests
    assert CREDENTIAL in (seen.fields.every("x-api-key") or seen.fields.every("x-goog-api-key"))
    assert_no_key(seen, house)
