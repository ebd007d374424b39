"""Gemini and Vertex in front of any model: the paths of google-genai, and what is made of what comes there."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from app.adapters.gemini import answer as whole
from app.adapters.gemini import stream
from app.adapters.gemini.notes import notes_of
from app.adapters.gemini.request import COUNTING, STREAMING, completion_request
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Operation
from app.dialects import error_body
from app.errors import Refusal
from app.fields import Fields

Json = Any
# /v1beta/models/M:V of the Gemini API, /v1/projects/P/locations/L/publishers/google/models/M:V and .../endpoints/M:V
# of Vertex, /v1/publishers/google/models/M:V of its express mode; any version, and none where the mount has it.
PATH = re.compile(
    r"(?:/v[0-9][0-9a-z]*)?"
    r"(?:/projects/[^/]+/locations/[^/]+)?"
    r"(?:/publishers/(?P<publisher>[^/]+))?"
    r"/(?:models|tunedModels|endpoints)/(?P<model>.+)"
    rf":(?P<name>generateContent|{STREAMING}|{COUNTING})"
)


class GeminiSchema:
    """The wire format of google-genai, for the Gemini API and for Vertex."""

    dialect = "google"

    def operation(self, remainder: str) -> Operation | None:
        found = PATH.fullmatch(remainder)
        if found is None:
            return None
        publisher, model = unquote(found["publisher"] or "google"), unquote(found["model"])
        # google-genai makes publishers/meta/models/llama of the name "meta/llama", on Vertex only.
        return Operation(found["name"], {"model": model if publisher == "google" else f"{publisher}/{model}"})

    def understand(self, request: ForeignRequest) -> CompletionRequest:
        return completion_request(request)

    def answer(self, completion: Body, request: CompletionRequest) -> Json:
        return whole.answer(completion, request)

    def token_count(self, tokens: int, request: CompletionRequest) -> Json:  # noqa: ARG002
        return {"totalTokens": tokens}

    def frames(self, chunks: Iterable[Body], request: CompletionRequest) -> Iterator[bytes]:
        return stream.frames(chunks, request)

    def broken(self, refusal: Refusal, request: CompletionRequest, request_id: str, *, is_first: bool) -> bytes:
        """Return the error as Google tells it in mid-stream; its SDK looks for what begins `{"error":`."""
        body = json.dumps(error_body(refusal, self.dialect, request_id))
        end = b"" if notes_of(request).is_sse else stream.END
        return stream.frame(body, request, is_first=is_first) + end

    def stream_type(self, request: CompletionRequest) -> str:
        return "text/event-stream" if notes_of(request).is_sse else "application/json"

    def answer_fields(self, request_id: str) -> Fields:  # noqa: ARG002
        """Google names no request: the SDK's users find the gateway's own field in `sdk_http_response`."""
        return []
