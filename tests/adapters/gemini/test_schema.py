"""Which paths mean what, and what is answered without a request of one's own."""

from __future__ import annotations

import json

import pytest

from app.adapters.gemini.schema import GeminiSchema
from app.adapters.schema import CompletionRequest
from app.errors import StreamBroken
from tests.adapters.gemini.sdk import completion


@pytest.mark.parametrize(
    ("path", "name", "model"),
    [
        pytest.param("/v1beta/models/m:generateContent", "generateContent", "m", id="Gemini"),
        pytest.param("/v1/models/m:streamGenerateContent", "streamGenerateContent", "m", id="version 1"),
        pytest.param("/models/m:countTokens", "countTokens", "m", id="version in the mount"),
        pytest.param("/v1alpha/models/llama3:8b:generateContent", "generateContent", "llama3:8b", id="colon"),
        pytest.param("/v1/models/openai/gpt-5:generateContent", "generateContent", "openai/gpt-5", id="slash"),
        pytest.param("/v1/models/openai%2Fgpt%205:countTokens", "countTokens", "openai/gpt 5", id="escaped"),
        pytest.param("/v1/tunedModels/m:generateContent", "generateContent", "m", id="tuned"),
        pytest.param("/v1/publishers/google/models/m:generateContent", "generateContent", "m", id="Vertex, express"),
        pytest.param(
            "/v1beta1/projects/p/locations/eu/publishers/anthropic/models/c@1:generateContent",
            "generateContent",
            "anthropic/c@1",
            id="Vertex, publisher",
        ),
        pytest.param("/v1/projects/p/locations/eu/endpoints/7:generateContent", "generateContent", "7", id="endpoint"),
    ],
)
def test_a_path_names_an_operation_and_a_model(path, name, model):
    found = GeminiSchema().operation(path)

    assert found is not None
    assert (found.name, found.path) == (name, {"model": model})


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="none"),
        pytest.param("/v1beta/models", id="all models"),
        pytest.param("/v1beta/models/m", id="a model"),
        pytest.param("/v1beta/models/m:embedContent", id="embeddings"),
        pytest.param("/v1beta/models/:generateContent", id="no model"),
        pytest.param("/v1beta/models/m:generateContent/", id="something behind"),
        pytest.param("/v1beta/files/m:generateContent", id="no model's place"),
    ],
)
def test_no_other_path_means_anything(path):
    assert GeminiSchema().operation(path) is None


def test_a_completion_of_an_unknown_request_is_answered_plainly():
    """LiteLLM's three methods do not tell an answer what was asked."""
    schema, request = GeminiSchema(), CompletionRequest("m", {})

    answer = schema.answer(completion("Hi"), request)

    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Hi"}]
    assert b"".join(schema.frames([], request)) == b"[]"


def test_an_array_that_breaks_at_once_holds_the_error_alone():
    broken = GeminiSchema().broken(StreamBroken("It broke."), CompletionRequest("m", {}), "id-1", is_first=True)

    assert [list(item) for item in json.loads(broken)] == [["error"]]
