"""google-genai over a schema in this process: no gateway, no model, all of the SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from google import genai
from google.genai.types import HttpOptions

from app.adapters.gemini.schema import GeminiSchema
from app.adapters.schema import CompletionRequest, ForeignRequest
from app.errors import Refusal

Json = Any
SCHEMA = GeminiSchema()
MOUNT = "/gemini"


@dataclass
class Model:
    """Answers each call with the next of its completions, whole or as chunks, and remembers what it was asked."""

    completions: list[Json]
    asked: list[CompletionRequest] = field(default_factory=list)
    pieces: int = 10_000
    """Octets that arrive at once."""

    def serve(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        operation = SCHEMA.operation(path.removeprefix(MOUNT))
        assert operation is not None, path
        asked = SCHEMA.understand(ForeignRequest(operation, json.loads(request.content), dict(request.url.params)))
        self.asked.append(asked)
        if asked.counts_tokens:
            return httpx.Response(200, json=SCHEMA.token_count(self.completions.pop(0), asked))
        if asked.is_streaming:
            frames = self._frames(self.completions.pop(0), asked)
            headers = {"Content-Type": SCHEMA.stream_type(asked)}
            return httpx.Response(200, content=self._cut(frames), headers=headers)
        return httpx.Response(200, json=SCHEMA.answer(self.completions.pop(0), asked))

    def _frames(self, chunks: Iterable[Json], asked: CompletionRequest) -> Iterator[bytes]:
        is_first = True
        try:
            for frame in SCHEMA.frames(raising(chunks), asked):
                yield frame
                is_first = False
        except Refusal as refusal:
            yield SCHEMA.broken(refusal, asked, "id-1", is_first=is_first)

    def _cut(self, frames: Iterable[bytes]) -> Iterator[bytes]:
        whole = b"".join(frames)
        yield from (whole[at : at + self.pieces] for at in range(0, len(whole), self.pieces))

    def client(self, **how: Any) -> genai.Client:
        transport = httpx.Client(transport=httpx.MockTransport(self.serve))
        options = HttpOptions(base_url=f"http://test{MOUNT}", httpx_client=transport)
        return genai.Client(api_key="sk-gateway", http_options=options, **how)


def raising(chunks: Iterable[Json]) -> Iterator[Json]:
    """Yield chunks; one that is an error is raised."""
    for chunk in chunks:
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


def completion(content: str | None = None, finish_reason: str = "stop", **message: Json) -> Json:
    told = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [{"index": 0, "message": told, "finish_reason": finish_reason}],
        "usage": usage,
    }


def call(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chunk(finish_reason: str | None = None, **delta: Json) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [choice]}
