"""What callers of Bedrock put into additionalModelRequestFields, by the names that each family of models knows.

Documents of Amazon Bedrock, "Inference request parameters" (2026): Claude's `thinking` and `top_k`, Nova's
`inferenceConfig.topK` and `reasoningConfig`, OpenAI's `reasoning_effort` and sampling parameters.
"""

from collections.abc import Callable, Iterator, Mapping

from app.adapters.bedrock.carried import Carried
from app.adapters.bedrock.reading import Json, flag, integer, members, name, number, text

FIELD = "additionalModelRequestFields"


def carry(fields: dict[str, Json], carried: Carried) -> None:
    """Carry over what is known; everything else is meant for one model alone."""
    for path, value in _leaves(fields):
        field = f"{FIELD}.{path}"
        if path in CARRIED:
            argument, read = CARRIED[path]
            carried.take(argument, read(value, f"{carried.prefix}{field}"), field)
        elif path not in SILENT:
            carried.drop([field])


def _leaves(fields: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield (path, value), one level down where something below is known."""
    for member, value in fields.items():
        if member in PARENTS and isinstance(value, Mapping):
            yield from ((f"{member}.{below}", inner) for below, inner in value.items() if inner is not None)
        else:
            yield member, value


def _thinking(value: Json, field: str) -> Json:
    told = members(value, field)
    found: dict[str, Json] = {"type": name(told.get("type"), f"{field}.type")}
    if "budget_tokens" in told:
        found["budget_tokens"] = integer(told["budget_tokens"], f"{field}.budget_tokens")
    return found


def _several(value: Json, field: str) -> bool:
    return not flag(value, field)


CARRIED: Mapping[str, tuple[str, Callable[[Json, str], Json]]] = {
    "top_k": ("top_k", integer),
    "topK": ("top_k", integer),
    "inferenceConfig.topK": ("top_k", integer),
    "thinking": ("thinking", _thinking),
    "reasoning_config": ("thinking", _thinking),
    "reasoning_effort": ("reasoning_effort", text),
    "reasoningConfig.maxReasoningEffort": ("reasoning_effort", text),
    "output_config.effort": ("reasoning_effort", text),
    "seed": ("seed", integer),
    "frequency_penalty": ("frequency_penalty", number),
    "presence_penalty": ("presence_penalty", number),
    "parallel_tool_calls": ("parallel_tool_calls", flag),
    "tool_choice.disable_parallel_tool_use": ("parallel_tool_calls", _several),
}
SILENT = frozenset({"reasoningConfig.type", "tool_choice.type"})
"""Said in another way by the fields that are carried."""
PARENTS = frozenset(path.partition(".")[0] for path in CARRIED if "." in path)
