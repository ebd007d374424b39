"""Function declarations and how they may be called: Google's tools and toolConfig as OpenAI's."""

from typing import Any

from app.adapters.gemini.json_schema import json_schema
from app.adapters.gemini.reading import Given
from app.errors import InvalidRequest

Json = Any
CHOICES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none", "MODE_UNSPECIFIED": None}
RESTRICTED = ("ANY", "VALIDATED")


def tool_arguments(body: Given) -> dict[str, Json]:
    """Return `tools` and `tool_choice`, as far as they are given; what is no function is dropped."""
    tools = [_function(declared) for tool in body.objects("tools") for declared in _declared(tool)]
    config = body.object("toolConfig")
    calling = config.object("functionCallingConfig") if config else None
    made = _choice(calling, tools) if calling else {"tools": tools}
    for given in (calling, config):
        if given is not None:
            given.drop_rest()
    return made if made["tools"] else {}


def _declared(tool: Given) -> list[Given]:
    found = tool.objects("functionDeclarations")
    tool.drop_rest()
    return found


def _function(declared: Given) -> dict[str, Json]:
    function: dict[str, Json] = {"name": declared.needed("name")}
    description = declared.string("description")
    if description:
        function["description"] = description
    function["parameters"] = _parameters(declared)
    declared.drop_rest()
    return {"type": "function", "function": function}


def _parameters(declared: Given) -> Json:
    """A function without parameters has an empty object: some servers refuse one that has none."""
    given = json_schema(declared.mapping("parameters")) or dict(declared.mapping("parametersJsonSchema"))
    return {"type": "object", "properties": {}, **given} if given.get("type", "object") == "object" else given


def _choice(calling: Given, tools: list[Json]) -> dict[str, Json]:
    mode = (calling.string("mode") or "AUTO").upper()
    if mode not in CHOICES:
        raise calling.wrong("mode", f"must be one of {', '.join(CHOICES)}")
    allowed = calling.strings("allowedFunctionNames")
    _check_declared(calling, allowed, tools)
    if allowed and mode not in RESTRICTED:
        raise calling.wrong("allowedFunctionNames", f"goes with mode {' or '.join(RESTRICTED)} only")
    choice: Json = CHOICES[mode]
    if allowed:
        tools = [tool for tool in tools if tool["function"]["name"] in allowed]
    if choice == "required" and len(allowed) == 1:
        choice = {"type": "function", "function": {"name": allowed[0]}}
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _check_declared(calling: Given, allowed: list[str], tools: list[Json]) -> None:
    declared = {tool["function"]["name"] for tool in tools}
    for index, name in enumerate(allowed):
        if name not in declared:
            place = f"{calling.at('allowedFunctionNames')}[{index}]"
            raise InvalidRequest(f"{place} names no declared function.", param=place)
