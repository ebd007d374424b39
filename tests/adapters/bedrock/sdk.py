"""boto3 in front of the schema, in one process: what it sends is understood, what is answered it reads."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.validate import ParamValidator

from app.adapters.bedrock.schema import BedrockSchema
from app.adapters.schema import CompletionRequest, ForeignRequest
from app.dialects import error_body, error_fields
from app.errors import Refusal

SCHEMA = BedrockSchema(clock_s=lambda: 0.0)


def client() -> Any:
    """Return a client without a network: `Loopback` answers it."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url="http://gateway.test",
        region_name="eu-west-1",
        aws_access_key_id="sk-1",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


class Loopback:
    """Answers a client's calls by the schema, around a model that is given."""

    def __init__(self, made: Any) -> None:
        self.client = made
        self.understood: list[CompletionRequest] = []
        self._completion: Any = {}
        self._chunks: Iterable[Any] = ()
        self._refusal: Refusal | None = None
        made.meta.events.register("before-send.bedrock-runtime", self._answer)

    def says(self, completion: Any = None, chunks: Iterable[Any] = (), refusal: Refusal | None = None) -> None:
        """Set what the model says next; a refusal with chunks comes after them."""
        self._completion, self._chunks, self._refusal = completion, chunks, refusal

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        operation = SCHEMA.operation(urlsplit(request.url).path)
        assert operation is not None, request.url
        got = SCHEMA.understand(ForeignRequest(operation, json.loads(request.body)))
        self.understood.append(got)
        if self._refusal is not None and not got.is_streaming:
            refusal = self._refusal
            body = json.dumps(error_body(refusal, SCHEMA.dialect, "id-1")).encode()
            return _response(refusal.status, error_fields(refusal, SCHEMA.dialect, "id-1"), body)
        fields = SCHEMA.answer_fields("id-1")
        if got.is_streaming:
            return _response(200, [("Content-Type", SCHEMA.stream_type(got)), *fields], b"".join(self._frames(got)))
        answer = SCHEMA.token_count(42, got) if got.counts_tokens else SCHEMA.answer(self._completion, got)
        return _response(200, [("Content-Type", "application/json"), *fields], json.dumps(answer).encode())

    def _frames(self, request: CompletionRequest) -> Iterator[bytes]:
        frames = SCHEMA.frames(self._chunks, request)
        if self._refusal is None:
            yield from frames
        else:
            yield next(frames)
            yield SCHEMA.broken(self._refusal, request, "id-1", is_first=False)


class _Raw(io.BytesIO):
    """What urllib3 gives botocore, in pieces that end where no frame does."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        while piece := self.read(7):
            yield piece


def _response(status: int, fields: Iterable[tuple[str, str]], body: bytes) -> AWSResponse:
    return AWSResponse("http://gateway.test", status, {name.lower(): value for name, value in fields}, _Raw(body))


def reports(made: Any, operation: str, value: Any, *, of: str) -> str:
    """Return what botocore's validator has against a value as the `of` ("input", "output") of an operation."""
    shape = getattr(made.meta.service_model.operation_model(operation), f"{of}_shape")
    return str(ParamValidator().validate(value, shape).generate_report())


def said(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the content blocks of a stream, put together as SDK users do: by order, without a look at the index."""
    blocks: list[dict[str, Any]] = []
    block: dict[str, Any] = {}
    for event in events:
        ((name, told),) = event.items()
        if name == "contentBlockStart":
            block = {"toolUse": {**told["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            _add(block, told["delta"])
        elif name == "contentBlockStop":
            blocks.append(block)
            block = {}
    assert block == {}
    for finished in blocks:
        if "toolUse" in finished:
            finished["toolUse"]["input"] = _read(finished["toolUse"]["input"])
    return blocks


def _read(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:  # cut off at the longest answer
        return arguments


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, piece),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + piece
    elif kind == "toolUse":
        block["toolUse"]["input"] += piece["input"]
    elif "redactedContent" in piece:
        block["reasoningContent"] = piece
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for name, words in piece.items():
            thought[name] = thought.get(name, "") + words
