"""A Messages request, in the words of `litellm.completion`."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.adapters.anthropic.messages import read_messages
from app.adapters.anthropic.reading import Json, Members, refuse
from app.adapters.anthropic.tools import read_choice, read_tools
from app.adapters.schema import CompletionRequest, ForeignRequest
from app.errors import InvalidRequest

# Argument -> the client's field, where a model behind may refuse what the client spells differently.
ORIGINS = {
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
}
EFFORTS = ("low", "medium", "high", "xhigh", "max")
THINKING = ("enabled", "disabled", "adaptive", "between_tools")


@dataclass(frozen=True, slots=True)
class Notes:
    """What the answer has to know of its request."""

    long_names: dict[str, str] = field(default_factory=dict)
    """Of tools: {the name that the model knows: the client's}."""
    stop_sequences: tuple[str, ...] = ()
    hides_thinking: bool = False


def understand(request: ForeignRequest) -> CompletionRequest:
    """Return the request in litellm's words; raises InvalidRequest with the place of what is wrong."""
    try:
        return _understood(Members(request.body, ""), counts_tokens=request.operation.name == "count_tokens")
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _understood(body: Members, *, counts_tokens: bool) -> CompletionRequest:
    dropped: list[str] = []
    model, is_streaming = body.text("model"), body.flag("stream")
    if not model:
        refuse("model", "must not be empty.")
    tools, long_names = read_tools(body, dropped)
    thinking = _thinking(body, dropped)
    arguments: dict[str, Json] = {
        "messages": read_messages(body, dropped),
        "max_tokens": body.integer_or_none("max_tokens", least=0),
        **{name: body.number_or_none(name) for name in ("temperature", "top_p")},
        "top_k": body.integer_or_none("top_k", least=0),
        "stop": _stop(body),
        "tools": tools or None,
        **read_choice(body, tools, dropped),
        "thinking": thinking,
        "user": _user(body, dropped),
        **_output(body, dropped),
    }
    arguments = {name: value for name, value in arguments.items() if value is not None}
    stop = tuple(arguments.get("stop", ()))
    return CompletionRequest(
        model=model,
        arguments=arguments,
        is_streaming=is_streaming and not counts_tokens,
        counts_tokens=counts_tokens,
        dropped=tuple(dropped + body.unread()),
        origins={name: _origin(name, body) for name in arguments if name in ORIGINS},
        notes=Notes(long_names, stop, bool(thinking) and thinking["type"] == "disabled"),
    )


def _origin(name: str, body: Members) -> str:
    return "output_format" if name == "response_format" and body.raw("output_format") else ORIGINS[name]


def _stop(body: Members) -> list[str] | None:
    stop = body.values("stop_sequences")
    for value, place in stop:
        if not isinstance(value, str):
            refuse(place, "must be a string.")
    return [value for value, _ in stop] or None


def _user(body: Members, dropped: list[str]) -> str | None:
    metadata = body.members_or_none("metadata")
    if metadata is None:
        return None
    user = metadata.text_or_none("user_id")
    dropped += metadata.unread()
    return user


def _thinking(body: Members, dropped: list[str]) -> Json:
    """Return the argument of the same name, which litellm spells as Anthropic does."""
    thinking = body.members_or_none("thinking")
    if thinking is None:
        return None
    kind = thinking.one_of("type", THINKING)
    told: dict[str, Json] = {"type": kind}
    if kind == "enabled":
        told["budget_tokens"] = thinking.integer_or_none("budget_tokens", least=1)
        if told["budget_tokens"] is None:
            refuse("thinking.budget_tokens", "is required.")
    display = thinking.text_or_none("display")
    if display is not None:
        told["display"] = display
    dropped += thinking.unread()
    return told


def _output(body: Members, dropped: list[str]) -> dict[str, Json]:
    """Return effort and format; before `output_config`, the format was a field of its own."""
    form = body.members_or_none("output_format")
    told: dict[str, Json] = {}
    config = body.members_or_none("output_config")
    if config is not None:
        told["reasoning_effort"] = None if config.raw("effort") is None else config.one_of("effort", EFFORTS)
        form = form or config.members_or_none("format")
        dropped += config.unread()
    if form is not None:
        told["response_format"] = _response_format(form, dropped)
    return told


def _response_format(form: Members, dropped: list[str]) -> Json:
    form.one_of("type", ("json_schema",))
    schema = form.object("schema")
    dropped += form.unread()
    named = {"name": "answer", "schema": schema}
    return {"type": "json_schema", "json_schema": {**named, **({"strict": True} if _is_strict(schema) else {})}}


def _is_strict(schema: Json) -> bool:
    """Tell whether OpenAI would take the schema as strict: every object closed, every property required.

    Anthropic's own takes optional properties, too; without strict such a schema still guides the model.
    """
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        required = schema.get("required")
        wanted = set(required) if isinstance(required, list) and all(isinstance(name, str) for name in required) else ()
        if schema.get("additionalProperties") is not False or not set(properties or ()) <= set(wanted):
            return False
    return all(map(_is_strict, schema.values()))
