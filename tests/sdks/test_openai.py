"""openai, beyond one plain call: streams, waits and octets."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import openai
import openai._base_client
import pytest

from tests.kit.house import House
from tests.kit.upstream import Upstream, answer, chunk, head, wait
from tests.sdks.providers import CHAT, CREDENTIAL, JSON, MESSAGES
from tests.sdks.test_every_sdk import assert_no_key, url

EVENTS = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]


def client_of(house: House, key: str, max_retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url(house)}/openai/v1", api_key=key, max_retries=max_retries)


def event(text: str) -> bytes:
    choices = [{"index": 0, "delta": {"content": text}}]
    piece = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return chunk(f"data: {json.dumps(piece)}\n\n".encode())


def test_body_is_what_the_sdk_wrote(house: House, upstream: Upstream) -> None:
    upstream.plays(answer(200, [JSON], json.dumps(CHAT).encode()))
    with client_of(house, house.new_key()) as client:
        sent = client.chat.completions.with_raw_response.create(model="ö", messages=MESSAGES).http_request

    (seen,) = upstream.requests
    assert bytes(seen.body) == sent.content
    assert seen.fields.one("user-agent") == sent.headers["user-agent"]


def test_stream_is_read_while_it_is_written(house: House, upstream: Upstream) -> None:
    """By causality: the second event is written when the SDK has given out the first."""
    read = threading.Event()
    upstream.plays(head(200, EVENTS), event("a"), wait(read), event("b"), chunk(b"data: [DONE]\n\n"), chunk(b""))
    with client_of(house, house.new_key()) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        first = next(stream).choices[0].delta.content
        read.set()
        rest = [piece.choices[0].delta.content for piece in stream]

    assert (first, rest) == ("a", ["b"])
    (seen,) = upstream.requests
    assert seen.fields.one("authorization") == f"Bearer {CREDENTIAL}"
    assert_no_key(seen, house)


def test_retry_after_is_what_the_sdk_waits(house: House, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL-04: the second request of a key that has one a minute is refused, the SDK waits as told, and tries again."""
    upstream.plays(answer(200, [JSON], json.dumps(CHAT).encode()))
    slept: list[float] = []
    waiting = SimpleNamespace(sleep=slept.append, time=openai._base_client.time.time)
    monkeypatch.setattr(openai._base_client, "time", waiting)
    with client_of(house, house.new_key(rpm_limit=1), max_retries=1) as client:
        client.chat.completions.create(model="m", messages=MESSAGES)
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(model="m", messages=MESSAGES)

    (waited,) = slept
    assert 1 <= waited <= 60
    # Whole seconds, counted down by at most the time that passed in between.
    assert waited - 10 <= float(raised.value.response.headers["retry-after"]) <= waited
    assert raised.value.code == "rate_limit_exceeded"
    assert len(upstream.requests) == 1
