"""An adapter of one's own: LiteLLM's three methods. `target: custom_callbacks.anthropic_adapter` names its instance.

This is the adapter of LiteLLM's page "Create Pass Through Endpoints", which turns Anthropic's Messages into a
completion and back. litellm has lost the two helpers it calls; the gateway provides them.
"""

import litellm
from litellm import ChatCompletionRequest
from litellm.integrations.custom_logger import CustomLogger
from litellm.types.llms.anthropic import AnthropicMessagesRequest, AnthropicResponse
from pydantic import BaseModel


class MyAnthropicAdapter(CustomLogger):
    def translate_completion_input_params(self, kwargs) -> ChatCompletionRequest | None:
        """From the client's body, joined with the `litellm_params` of the model, to litellm.completion's arguments."""
        request_body = AnthropicMessagesRequest(**kwargs)

        return litellm.AnthropicConfig().translate_anthropic_to_openai(anthropic_message_request=request_body)

    def translate_completion_output_params(self, response: litellm.ModelResponse) -> AnthropicResponse | None:
        """From litellm's answer to the client's: a dict, or a pydantic model."""
        return litellm.AnthropicConfig().translate_openai_response_to_anthropic(response=response)

    def translate_completion_output_params_streaming(self) -> BaseModel | None:
        """Without an argument it cannot stream, as on the page, and such requests get a 400.

        One that can takes the stream of chunks and yields frames: bytes, text, or dicts that become events.
        """
        return super().translate_completion_output_params_streaming()


anthropic_adapter = MyAnthropicAdapter()
