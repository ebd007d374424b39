"""Each SDK as its users call it, and its provider's answer: one plain call, what is sent for it, what comes back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import boto3
import cohere
import openai
from botocore.config import Config
from google import genai
from google.genai.types import HttpOptions
from langfuse import Langfuse
from opentelemetry.sdk.trace import TracerProvider

from tests.kit import canaries
from tests.kit.upstream import answer

CREDENTIAL = canaries.OPERATOR["CREDENTIAL"]
JSON = ("Content-Type", "application/json")
MESSAGES = [{"role": "user", "content": "Say hi"}]


@dataclass(frozen=True)
class Provider:
    """How to call one, what its upstream is to see, and what its SDK raises for 401, 403 and 429."""

    name: str
    call: Callable[[str, str], object]
    """Takes (the gateway's URL, a gateway key), returns what the SDK read from the answer."""
    target: str
    credential: tuple[str, str]
    replies: object
    read: object
    errors: dict[int, str]
    status_of: Callable[[Any], int] = lambda error: int(error.status_code)

    def answer(self) -> bytes:
        return answer(200, [JSON], json.dumps(self.replies).encode())


def langfuse_client(url: str, key: str) -> Langfuse:
    """Return a client with a provider of spans of its own, so that no other test's client gets its spans."""
    return Langfuse(public_key=key, secret_key="anything", base_url=f"{url}/langfuse", tracer_provider=TracerProvider())


def _openai(url: str, key: str) -> object:
    with openai.OpenAI(base_url=f"{url}/openai/v1", api_key=key, max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def _anthropic_message(client: anthropic.Anthropic) -> object:
    with client:
        return client.messages.create(model="m", max_tokens=5, messages=MESSAGES).content[0].text


def _anthropic(url: str, key: str) -> object:
    return _anthropic_message(anthropic.Anthropic(base_url=f"{url}/anthropic", api_key=key, max_retries=0))


def _anthropic_token(url: str, key: str) -> object:
    return _anthropic_message(anthropic.Anthropic(base_url=f"{url}/anthropic", auth_token=key, max_retries=0))


def _anthropic_header(url: str, key: str) -> object:
    fields = {"x-api-key": key}
    client = anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="other", default_headers=fields, max_retries=0)
    return _anthropic_message(client)


def _cohere_rank(client: cohere.Client | cohere.ClientV2) -> object:
    with client:
        got = client.rerank(model="m", query="q", documents=["a", "b"], request_options={"max_retries": 0})
        return got.results[0].index


def _cohere(url: str, key: str) -> object:
    return _cohere_rank(cohere.ClientV2(base_url=f"{url}/cohere", api_key=key))


def _cohere_v1(url: str, key: str) -> object:
    return _cohere_rank(cohere.Client(base_url=f"{url}/cohere", api_key=key))


def _gemini(url: str, key: str) -> object:
    with genai.Client(api_key=key, http_options=HttpOptions(base_url=f"{url}/gemini")) as client:
        return client.models.generate_content(model="m", contents="Say hi").text


def _bedrock(url: str, key: str) -> object:
    with contextlib.closing(bedrock_client(url, key)) as client:
        got = client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Say hi"}]}])
        return got["output"]["message"]["content"][0]["text"]


def bedrock_client(url: str, key: str) -> Any:
    """Return a client that signs with the gateway key as its access key id; the gateway never needs the secret."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{url}/bedrock",
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _langfuse(url: str, key: str) -> object:
    client = langfuse_client(url, key)
    try:
        return client.api.projects.get(request_options={"max_retries": 0}).data[0].name
    finally:
        client.shutdown()


CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
RANKED = {"id": "r", "results": [{"index": 1, "relevance_score": 0.9}], "meta": {"api_version": {"version": "2"}}}
GENERATED = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}
PROJECTS = {"data": [{"id": "p", "name": "hi", "organization": {"id": "o", "name": "O"}, "metadata": {}}]}

STAINLESS = {401: "AuthenticationError", 403: "PermissionDeniedError", 429: "RateLimitError"}
FERN = {401: "UnauthorizedError", 403: "ForbiddenError", 429: "TooManyRequestsError"}
GOOGLE = {401: "ClientError", 403: "ClientError", 429: "ClientError"}
# Bedrock has no other word for a credential that it does not know.
AMAZON = {401: "AccessDeniedException", 403: "AccessDeniedException", 429: "ThrottlingException"}
LANGFUSE = {401: "UnauthorizedError", 403: "AccessDeniedError", 429: "ApiError"}

AS_BEARER = "authorization", f"Bearer {CREDENTIAL}"
AS_X_API_KEY = "x-api-key", CREDENTIAL


def _bedrock_status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


PROVIDERS = (
    Provider("openai", _openai, "/v1/chat/completions", AS_BEARER, CHAT, "hi", STAINLESS),
    Provider("anthropic, api_key", _anthropic, "/v1/messages", AS_X_API_KEY, MESSAGE, "hi", STAINLESS),
    Provider("anthropic, auth_token", _anthropic_token, "/v1/messages", AS_X_API_KEY, MESSAGE, "hi", STAINLESS),
    Provider("anthropic, x-api-key", _anthropic_header, "/v1/messages", AS_X_API_KEY, MESSAGE, "hi", STAINLESS),
    Provider("cohere v2", _cohere, "/v2/rerank", ("authorization", f"bearer {CREDENTIAL}"), RANKED, 1, FERN),
    Provider("cohere v1", _cohere_v1, "/v1/rerank", ("authorization", f"bearer {CREDENTIAL}"), RANKED, 1, FERN),
    Provider(
        "google-genai",
        _gemini,
        "/v1/models/m:generateContent",
        ("x-goog-api-key", CREDENTIAL),
        GENERATED,
        "hi",
        GOOGLE,
        lambda error: int(error.code),
    ),
    Provider("boto3", _bedrock, "/model/m/converse", AS_BEARER, CONVERSED, "hi", AMAZON, _bedrock_status),
    Provider(
        "langfuse",
        _langfuse,
        "/api/public/projects",
        ("authorization", f"Basic {canaries.LANGFUSE_BASIC}"),
        PROJECTS,
        "hi",
        LANGFUSE,
    ),
)
