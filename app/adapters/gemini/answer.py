"""A chat completion as a GenerateContentResponse, whole or as a part of a stream."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.adapters.gemini.notes import notes_of
from app.adapters.gemini.signatures import signature
from app.adapters.gemini.unwrapping import Unwrapping
from app.adapters.schema import Body, CompletionRequest

Json = Any
Part = dict[str, Json]
FINISH_REASONS = {
    None: "FINISH_REASON_UNSPECIFIED",
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
UNKNOWN_REASON = "OTHER"
MALFORMED = "MALFORMED_FUNCTION_CALL"
CUT_OFF = ("MAX_TOKENS", "SAFETY")


def answer(completion: Body, request: CompletionRequest) -> Json:
    candidates = [_candidate(choice, request) for choice in listed(completion.get("choices"))]
    return response(completion.get("id"), request, candidates, completion.get("usage"))


def response(answer_id: Json, request: CompletionRequest, candidates: list[Json], usage: Json) -> Json:
    """Return the members in Google's order; those that are not known are left out."""
    made: dict[str, Json] = {"candidates": candidates}
    if usage:
        made["usageMetadata"] = _usage(usage)
    made["modelVersion"] = request.model
    if answer_id:
        made["responseId"] = answer_id
    return made


def _candidate(choice: Body, request: CompletionRequest) -> Json:
    message = choice.get("message") or {}
    reasoning = message.get("reasoning_content") or ""
    unwrapping = Unwrapping(notes_of(request).wrapped)
    text = unwrapping.feed(message.get("content") or "") + unwrapping.finish() + refusal(message)
    calls, malformed = call_parts(whole_calls(message))
    said = [*([{"text": text}] if text else []), *image_parts(message), *calls] or [{"text": ""}]
    held = signature(message.get("thinking_blocks"), reasoning, calls_tools=bool(calls))
    thoughts = [thought_part(reasoning)] if reasoning and notes_of(request).shows_thoughts else []
    return {
        **candidate(choice, [*thoughts, *signed(said, held)]),
        **finish(choice.get("finish_reason"), malformed, is_refused=bool(refusal(message))),
        **logprobs(choice.get("logprobs")),
    }


def candidate(choice: Body, parts: list[Part]) -> Json:
    return {"content": {"parts": parts, "role": "model"}, "index": choice.get("index") or 0}


def finish(reason: Json, malformed: list[str], *, is_refused: bool) -> dict[str, str]:
    """Return finishReason, and in finishMessage the calls whose arguments are no JSON object.

    What was cut off is half written for that very reason, so the reason stays.
    """
    told = "SAFETY" if is_refused else FINISH_REASONS.get(reason, UNKNOWN_REASON)
    if not malformed:
        return {"finishReason": told}
    told = told if told in CUT_OFF else MALFORMED
    return {"finishReason": told, "finishMessage": f"Malformed function call: {'; '.join(malformed)}"}


def refusal(message: Body) -> str:
    """Return the text of a refusal, which litellm keeps apart from the message in whole answers."""
    apart = message.get("provider_specific_fields") or {}
    return message.get("refusal") or apart.get("refusal") or ""


def thought_part(text: str) -> Part:
    return {"text": text, "thought": True}


def image_parts(message: Body) -> list[Part]:
    """Return the images that litellm tells as `images`: those that come as data, for Google has no others."""
    urls = [(image.get("image_url") or {}).get("url") or "" for image in listed(message.get("images"))]
    halves = [url.removeprefix("data:").partition(";base64,") for url in urls if url.startswith("data:")]
    return [{"inlineData": {"mimeType": mime, "data": data}} for mime, comma, data in halves if comma]


def signed(parts: list[Part], held: str | None) -> list[Part]:
    """Return the parts, the first of them with the signature: Google's SDK sends it back with that part."""
    return [{**parts[0], "thoughtSignature": held}, *parts[1:]] if held else parts


def whole_calls(message: Body) -> list[tuple[str, str, str]]:
    """Return (id, name, arguments) of each call, also of the `function_call` of old."""
    told = [*listed(message.get("tool_calls")), *listed([{"function": message.get("function_call")}])]
    found = [(call.get("id") or "", call.get("function") or {}) for call in told]
    return [
        (call_id, function.get("name") or "", function.get("arguments") or "")
        for call_id, function in found
        if function
    ]


def call_parts(calls: Iterable[tuple[str, str, str]]) -> tuple[list[Part], list[str]]:
    """Return the functionCall parts, and as text the calls whose arguments are no JSON object."""
    parts: list[Part] = []
    malformed: list[str] = []
    for call_id, name, arguments in calls:
        args = _args(arguments)
        if args is None:
            malformed.append(f"{name}({arguments})")
        else:
            parts.append({"functionCall": {**({"id": call_id} if call_id else {}), "name": name, "args": args}})
    return parts, malformed


def _args(arguments: str) -> dict[str, Json] | None:
    try:
        found = json.loads(arguments or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    found = {} if found is None else found
    return found if isinstance(found, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def logprobs(told: Json) -> dict[str, Json]:
    tokens = listed((told or {}).get("content"))
    if not tokens:
        return {}
    chosen = [_logprob(token) for token in tokens]
    top = [{"candidates": [_logprob(other) for other in listed(token.get("top_logprobs"))]} for token in tokens]
    average = sum(token["logProbability"] for token in chosen) / len(chosen)
    return {"avgLogprobs": average, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": top}}


def _logprob(token: Body) -> Json:
    return {"token": token.get("token") or "", "logProbability": token.get("logprob") or 0}


def _usage(usage: Body) -> Json:
    """Google counts thoughts apart from the answer; OpenAI's completion_tokens have them in."""
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    made = {"promptTokenCount": prompt, "candidatesTokenCount": max(completion - thoughts, 0)}
    made |= {"totalTokenCount": usage.get("total_tokens") or prompt + completion}
    made |= {"thoughtsTokenCount": thoughts} if thoughts else {}
    return made | ({"cachedContentTokenCount": cached} if cached else {})


def listed(value: Json) -> list[Mapping[str, Json]]:
    """Return the objects of a list, none of what is no list: providers leave members out, or null."""
    return [inner for inner in value if isinstance(inner, Mapping)] if isinstance(value, list) else []
