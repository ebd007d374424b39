"""What a model refuses is read by each SDK as its provider's own models say it: a text, and a reason to stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.genai import types

from tests.kit import openai_server as kit
from tests.kit.gateway import Gateway
from tests.kit.openai_server import OpenAIServer
from tests.kit.refusing import REFUSAL, refuse
from tests.sdks import test_anthropic_adapter as anthropic
from tests.sdks import test_bedrock_adapter as bedrock
from tests.sdks import test_gemini_adapter as gemini

MODEL = "gpt-refuse"


def by_anthropic(gateway: Gateway, is_streaming: bool) -> tuple[str, str]:
    with anthropic.client_of(gateway) as client:
        got = anthropic.answer(client, is_streaming, model=MODEL)
    return "".join(block.text for block in got.content), got.stop_reason


def by_bedrock(gateway: Gateway, is_streaming: bool) -> tuple[str, str]:
    with bedrock.client_of(gateway) as client:
        message, reason = bedrock.ask(client, is_streaming, modelId=MODEL)
    return "".join(block["text"] for block in message["content"]), reason


def by_gemini(gateway: Gateway, is_streaming: bool) -> tuple[str, str]:
    with gemini.client_of(gateway) as client:
        got = gemini.answers(client, is_streaming, model=MODEL, contents="Hello")
    reason = got[-1].candidates[0].finish_reason
    assert isinstance(reason, types.FinishReason)
    return "".join(answer.text or "" for answer in got), reason.value


@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("read", "reason"),
    [
        pytest.param(by_anthropic, "refusal", id="anthropic"),
        pytest.param(by_bedrock, "content_filtered", id="bedrock"),
        pytest.param(by_gemini, "SAFETY", id="gemini"),
    ],
)
def test_a_refusal_is_told_as_one(
    adapters_gateway: Gateway,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[Gateway, bool], tuple[str, str]],
    reason: str,
    is_streaming: bool,
) -> None:
    monkeypatch.setitem(kit.MODELS, "refuse", refuse)

    assert read(adapters_gateway, is_streaming) == (REFUSAL, reason)

    (asked,) = openai_server.asked
    assert asked.body["model"] == MODEL
