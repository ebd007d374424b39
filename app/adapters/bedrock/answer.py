"""A whole completion as the answer of Converse.

ConverseResponse, StopReason and TokenUsage of the Bedrock runtime API (2023-09-30, service model of botocore 1.44).
What a completion lacks is taken for empty: models behind differ, and an SDK reads what is required.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import TypeVar

from app.adapters.schema import Body, Json

Shape = TypeVar("Shape")

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filtered",
}
TIERS = frozenset({"priority", "default", "flex"})


def converse_answer(completion: Body, latency_ms: int) -> Json:
    """Return the JSON of ConverseResponse."""
    choice = first_choice(completion)
    message = at(choice, "message", dict)
    calls = [*_calls(message, at(completion, "id", str))]
    refusal = refusal_of(message)
    words = [{"text": said} for said in (at(message, "content", str), refusal) if said]
    return {
        "output": {"message": {"role": "assistant", "content": [*_thinking(message), *words, *calls]}},
        "stopReason": stop_reason(choice.get("finish_reason"), has_calls=bool(calls), has_refusal=bool(refusal)),
        "usage": token_usage(at(completion, "usage", dict)),
        "metrics": {"latencyMs": latency_ms},
        **service_tier(completion),
    }


def at(value: Json, name: str, shape: type[Shape]) -> Shape:
    """Return a member of that shape, and an empty one where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, shape) else shape()


def refusal_of(said: Json) -> str:
    """Return the text of a refusal, which litellm keeps among the provider's own members."""
    return at(said, "refusal", str) or at(at(said, "provider_specific_fields", dict), "refusal", str)


def first_choice(completion: Json) -> dict[str, Json]:
    found = at(completion, "choices", list)
    return found[0] if found and isinstance(found[0], dict) else {}


def stop_reason(finish_reason: Json, *, has_calls: bool, has_refusal: bool) -> str:
    """Return why it stopped; some servers say "stop" of an answer that ends in tool calls."""
    found = STOP_REASONS.get(finish_reason, "end_turn") if isinstance(finish_reason, str) else "end_turn"
    if found == "end_turn" and has_calls:
        return "tool_use"
    return "content_filtered" if found == "end_turn" and has_refusal else found


def token_usage(usage: Json) -> Json:
    """Return TokenUsage; unlike OpenAI's, its inputTokens leave out what was read from or written to a cache."""
    prompt, completion = at(usage, "prompt_tokens", int), at(usage, "completion_tokens", int)
    details = at(usage, "prompt_tokens_details", dict)
    read = at(details, "cached_tokens", int)
    # litellm's names for what OpenAI does not count.
    written = at(details, "cache_write_tokens", int) or at(usage, "cache_creation_input_tokens", int)
    cached = {"cacheReadInputTokens": read, "cacheWriteInputTokens": written} if read or written else {}
    return {
        "inputTokens": max(0, prompt - read - written),
        "outputTokens": completion,
        "totalTokens": at(usage, "total_tokens", int) or prompt + completion,
        **cached,
    }


def service_tier(completion: Json) -> dict[str, Json]:
    tier = at(completion, "service_tier", str)
    return {"serviceTier": {"type": tier}} if tier in TIERS else {}


def call_id(completion_id: str, index: int) -> str:
    """Return an id for a tool call that has none: the same one whenever the same completion is read."""
    letters = "".join(letter for letter in completion_id if letter.isascii() and letter.isalnum())
    return f"tooluse_{letters[:40]}_{index}"


def blob(value: str) -> str:
    """Return what stands in JSON for opaque bytes: base64, which thinking that may not be read already is."""
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    return value


def _thinking(message: dict[str, Json]) -> Iterator[Json]:
    told = [found for found in map(_thought, at(message, "thinking_blocks", list)) if found]
    spoken = at(message, "reasoning_content", str)
    if told:
        yield from ({"reasoningContent": found} for found in told)
    elif spoken:
        yield {"reasoningContent": {"reasoningText": {"text": spoken}}}


def _thought(block: Json) -> Json:
    hidden, signature = at(block, "data", str), at(block, "signature", str)
    thought = at(block, "thinking", str)
    if hidden:
        return {"redactedContent": blob(hidden)}
    if not thought and not signature:
        return None
    return {"reasoningText": {"text": thought, **({"signature": signature} if signature else {})}}


def _calls(message: dict[str, Json], completion_id: str) -> Iterator[Json]:
    told = [call for call in at(message, "tool_calls", list) if isinstance(call, dict)]
    function = at(message, "function_call", dict)
    if function and not told:
        told = [{"function": function}]
    for index, call in enumerate(told):
        function = at(call, "function", dict)
        yield {
            "toolUse": {
                "toolUseId": at(call, "id", str) or call_id(completion_id, index),
                "name": at(function, "name", str),
                "input": _input(at(function, "arguments", str)),
            }
        }


def _input(arguments: str) -> Json:
    """Return what the arguments say; where they are no JSON (cut off at the longest answer, say) their text."""
    try:
        return json.loads(arguments, parse_constant=_no_number) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return arguments


def _no_number(constant: str) -> float:
    # Python reads NaN and Infinity; JSON has neither, and no SDK would read our answer.
    raise ValueError(constant)
