"""The tools that a model may call, and whether it must.

ToolConfiguration of the Bedrock runtime API (2023-09-30); `tools` and `tool_choice` of OpenAI's Chat Completions.
"""

from app.adapters.bedrock.caching import cache_mark
from app.adapters.bedrock.carried import Carried
from app.adapters.bedrock.reading import Json, flag, items, kind, members, name, text, wrong

KINDS = frozenset({"toolSpec", "systemTool", "cachePoint"})
CHOICES = {"auto": "auto", "any": "required"}


def carry_tools(config: dict[str, Json], carried: Carried) -> None:
    """Carry a toolConfig over. Tools that Bedrock itself runs cannot be."""
    carried.drop(f"toolConfig.{member}" for member in config if member not in ("tools", "toolChoice"))
    found = _tools(config.get("tools"), f"{carried.prefix}toolConfig.tools", carried.dropped)
    if found:
        carried.take("tools", found, "toolConfig.tools")
    if "toolChoice" in config:
        choice = _choice(config["toolChoice"], f"{carried.prefix}toolConfig.toolChoice")
        if found:
            carried.take("tool_choice", choice, "toolConfig.toolChoice")
        else:
            carried.drop(["toolConfig.toolChoice"])


def _tools(value: Json, field: str, dropped: list[str]) -> list[Json]:
    found: list[Json] = []
    if value == []:
        raise wrong(field, "must not be empty")
    for tool, inner in items(value, field):
        shape, told = kind(tool, inner, KINDS)
        spelled = f"{inner}.{shape}"
        if shape == "toolSpec":
            found.append(_tool(members(told, spelled), spelled))
        elif shape == "cachePoint" and found:
            found[-1]["cache_control"] = cache_mark(told, spelled)
        else:
            dropped.append(spelled)
    return found


def _tool(spec: dict[str, Json], field: str) -> Json:
    function: dict[str, Json] = {"name": name(spec.get("name"), f"{field}.name")}
    if "description" in spec:
        function["description"] = text(spec["description"], f"{field}.description")
    _, schema = kind(spec.get("inputSchema"), f"{field}.inputSchema", frozenset({"json"}))
    members(schema, f"{field}.inputSchema.json")
    function["parameters"] = schema
    if "strict" in spec:
        function["strict"] = flag(spec["strict"], f"{field}.strict")
    return {"type": "function", "function": function}


def _choice(value: Json, field: str) -> Json:
    shape, told = kind(value, field, frozenset({*CHOICES, "tool"}))
    inner = members(told, f"{field}.{shape}")
    if shape in CHOICES:
        return CHOICES[shape]
    return {"type": "function", "function": {"name": name(inner.get("name"), f"{field}.tool.name")}}
