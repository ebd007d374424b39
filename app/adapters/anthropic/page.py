"""Two helpers that LiteLLM's "Create Pass Through Endpoints" page calls, and that litellm no longer has.

They were methods of `litellm.AnthropicConfig` (litellm 1.44); what they took and gave is kept, over this schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.adapters.anthropic.answer import Json, message
from app.adapters.anthropic.request import understand
from app.adapters.schema import Body, CompletionRequest, ForeignRequest, Operation


def translate_anthropic_to_openai(anthropic_message_request: Body) -> dict[str, Json]:
    """Return the arguments of `litellm.completion`; top-level fields that are not Anthropic's go along as they are.

    Raises InvalidRequest with the place of what is wrong.
    """
    request = understand(ForeignRequest(Operation("messages"), dict(anthropic_message_request)))
    along = {name: anthropic_message_request[name] for name in request.dropped if name in anthropic_message_request}
    streaming = {"stream": True} if request.is_streaming else {}
    return {**along, "model": request.model, **request.arguments, **streaming}


def translate_openai_response_to_anthropic(response: Json) -> Json:
    """Return the Message that tells a ModelResponse, or a `chat.completion` as a mapping."""
    completion = response if isinstance(response, Mapping) else response.model_dump()
    return message(completion, CompletionRequest(str(completion.get("model") or ""), {}))
