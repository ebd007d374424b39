"""The page's two helpers take and give what they did in litellm 1.44."""

import pytest

from app.adapters.anthropic.page import translate_anthropic_to_openai, translate_openai_response_to_anthropic
from app.errors import InvalidRequest
from tests.adapters.anthropic.sdk import ASKED


def test_a_request_is_translated_and_the_rest_goes_along():
    got = translate_anthropic_to_openai(anthropic_message_request={**ASKED, "stream": True, "api_version": "v"})

    assert got == {
        "model": "my-model",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 100,
        "stream": True,
        "api_version": "v",
    }


def test_a_wrong_request_is_refused():
    with pytest.raises(InvalidRequest, match="messages"):
        translate_anthropic_to_openai(anthropic_message_request={"model": "m"})


class ModelResponse:
    """What is used of litellm's; nulls stand where it has nothing."""

    def model_dump(self):
        return {
            "id": "chatcmpl-1",
            "model": "gpt-5",
            "choices": [
                {
                    "message": {"role": "assistant", "content": "Hi", "tool_calls": None, "function_call": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": None},
        }


@pytest.mark.parametrize("response", [ModelResponse(), ModelResponse().model_dump()], ids=["model", "mapping"])
def test_a_response_is_translated(response):
    got = translate_openai_response_to_anthropic(response=response)

    assert (got["id"], got["model"], got["stop_reason"]) == ("msg_1", "gpt-5", "end_turn")
    assert got["content"] == [{"type": "text", "text": "Hi"}]
    assert (got["usage"]["input_tokens"], got["usage"]["output_tokens"]) == (3, 1)
