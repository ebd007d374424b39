"""A whole completion as a Message, and the facts that a stream tells in the same words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jiter import from_json

from app.adapters.anthropic.request import Notes
from app.adapters.schema import Body, CompletionRequest

Json = Any

# OpenAI API reference, Chat Completions, finish_reason -> Anthropic's, stop_reason.
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}

# The member under which arguments are told that are no object.
RAW_ARGUMENTS = "raw_arguments"


def message(completion: Body, request: CompletionRequest) -> Json:
    """Return the Message. Thoughts stand first, then text, then calls: a chat message does not tell their order."""
    notes = request.notes or Notes()
    choice = first_choice(completion)
    said = choice.get("message") or {}
    blocks = [*_thoughts(said, notes), *_texts(said), *_calls(said, notes, message_id(completion))]
    has_calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        **beginning(completion, request),
        "content": blocks,
        **ending(choice, notes, has_calls=has_calls, refusal=refusal_of(said)),
        "usage": usage(completion.get("usage")),
    }


def beginning(completion: Body, request: CompletionRequest) -> Json:
    """Return what a Message begins with, content and usage excepted."""
    return {"id": message_id(completion), "type": "message", "role": "assistant", "model": request.model}


def message_id(completion: Body) -> str:
    """Return the completion's own id in Anthropic's spelling: "chatcmpl-1" is "msg_1"."""
    return "msg_" + str(completion.get("id") or "0").removeprefix("chatcmpl-").removeprefix("msg_")


def first_choice(completion: Body) -> Body:
    """Return the only choice that is asked for; empty in a chunk that has usage alone."""
    choices = completion.get("choices") or [None]
    return choices[0] or {}


def refusal_of(said: Body) -> str | None:
    """Return the text of a refusal, which litellm keeps among the provider's own members."""
    return said.get("refusal") or (said.get("provider_specific_fields") or {}).get("refusal")


def text_of(content: Json) -> str:
    """Return the text of a content, which some servers send in parts."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
    return content or ""


def ending(choice: Body, notes: Notes, *, has_calls: bool, refusal: str | None) -> Json:
    """Return the reason to stop. A server that was told to call says "stop" for a call: the calls count more."""
    finish = choice.get("finish_reason")
    reason = STOP_REASONS.get(finish or "stop", "end_turn")
    if has_calls and reason == "end_turn":
        reason = "tool_use"
    if refusal and reason == "end_turn":
        reason = "refusal"
    sequence = _stop_sequence(choice, notes) if reason == "end_turn" else None
    told: dict[str, Json] = {"stop_reason": "stop_sequence" if sequence else reason, "stop_sequence": sequence}
    if reason == "refusal":
        told["stop_details"] = {"type": "refusal", "category": None, "explanation": refusal}
    return told


def _stop_sequence(choice: Body, notes: Notes) -> str | None:
    """Return the sequence that stopped the model. OpenAI does not tell; vLLM and others do, beside the reason."""
    theirs = choice.get("provider_specific_fields") or {}
    told = (choice.get("stop_reason"), theirs.get("stop_reason"), theirs.get("stop_sequence"))
    return next((sequence for sequence in told if sequence in notes.stop_sequences), None)


def usage(counts: Body | None) -> Json:
    """Return usage. Anthropic's input leaves out what was read from a cache or written to it; OpenAI's does not."""
    counts = counts or {}
    inputs = counts.get("prompt_tokens_details") or {}
    read = counts.get("cache_read_input_tokens") or inputs.get("cached_tokens") or 0
    written = counts.get("cache_creation_input_tokens") or inputs.get("cache_creation_tokens") or 0
    told: dict[str, Json] = {
        "input_tokens": max((counts.get("prompt_tokens") or 0) - read - written, 0),
        "output_tokens": counts.get("completion_tokens") or 0,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }
    thinking = (counts.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return {**told, "output_tokens_details": {"thinking_tokens": thinking}} if thinking else told


def call_id(call: Body, index: int, within: str) -> str:
    """Return a call's id; one that has none gets the same one each time it is read."""
    return call.get("id") or f"toolu_{within.removeprefix('msg_')}_{index}"


def _thoughts(said: Body, notes: Notes) -> list[Json]:
    if notes.hides_thinking:
        return []
    blocks = [_thought(block) for block in said.get("thinking_blocks") or () if block]
    text = said.get("reasoning_content")
    return blocks or ([_thought({"thinking": text})] if text else [])


def _thought(block: Body) -> Json:
    if block.get("type") == "redacted_thinking":
        return {"type": "redacted_thinking", "data": block.get("data") or ""}
    return {
        "type": "thinking",
        "thinking": block.get("thinking") or "",
        "signature": block.get("signature") or "",
    }


def _texts(said: Body) -> list[Json]:
    text = text_of(said.get("content")) + (refusal_of(said) or "")
    return [{"type": "text", "text": text}] if text else []


def _calls(said: Body, notes: Notes, within: str) -> list[Json]:
    return [_call(call or {}, index, notes, within) for index, call in enumerate(said.get("tool_calls") or ())]


def _call(call: Body, index: int, notes: Notes, within: str) -> Json:
    function = call.get("function") or {}
    name = function.get("name") or ""
    return {
        "type": "tool_use",
        "id": call_id(call, index, within),
        "name": notes.long_names.get(name, name),
        "input": _input(function.get("arguments")),
    }


def _input(arguments: Json) -> Json:
    """Return the arguments as an object; what is none is kept, as text."""
    if not arguments or (isinstance(arguments, str) and not arguments.strip()):
        return {}
    found = _read(arguments) if isinstance(arguments, str) else arguments
    return found if isinstance(found, dict) else {RAW_ARGUMENTS: arguments}


def _read(arguments: str) -> Json:
    """Return what the arguments say, None for nothing. Where they are cut off, Anthropic's SDK decides what that is:
    it reads streams with the same function, so whole answers say the same."""
    with suppress(ValueError, RecursionError):
        return json.loads(arguments, parse_constant=_no_number)
    with suppress(ValueError):
        return from_json(arguments.encode(), partial_mode=True, allow_inf_nan=False)
    return None


def _no_number(constant: str) -> float:
    # Python reads NaN and Infinity; JSON has neither, and no SDK would read our answer.
    raise ValueError(constant)
