"""Tools and the choice among them, as functions that a chat model may call."""

from __future__ import annotations

import hashlib

from app.adapters.anthropic.parts import Dropped, marked
from app.adapters.anthropic.reading import Json, Members, refuse

# OpenAI API reference, Chat Completions, tools[].function.name; Anthropic takes 128, which MCP servers use.
LONGEST_NAME = 64
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def short_name(name: str) -> str:
    """Return a name that every model takes: a long one keeps its beginning and gets a digest of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}_{digest}"


def read_tools(body: Members, dropped: Dropped) -> tuple[list[Json], dict[str, str]]:
    """Return the tools, and {short name: the client's own} of those whose name is too long."""
    tools: list[Json] = []
    long_names: dict[str, str] = {}
    for value, place in body.values("tools"):
        tool = Members(value, place)
        # A versioned type is a tool that Anthropic hosts or has trained its models for: "web_search_20250305".
        if tool.text_or_none("type") not in (None, "custom"):
            dropped.append(place)
            continue
        name = tool.text("name")
        tools.append(_tool(tool, short_name(name)))
        dropped += tool.unread()
        if short_name(name) != name:
            long_names[short_name(name)] = name
    return tools, long_names


def _tool(tool: Members, name: str) -> Json:
    function: dict[str, Json] = {"name": name, "parameters": tool.object("input_schema")}
    description = tool.text_or_none("description")
    if description is not None:
        function["description"] = description
    if tool.flag("strict"):
        function["strict"] = True
    return marked({"type": "function", "function": function}, tool)


def read_choice(body: Members, tools: list[Json], dropped: Dropped) -> dict[str, Json]:
    """Return `tool_choice` and `parallel_tool_calls`, as far as they are asked for."""
    choice = body.members_or_none("tool_choice")
    if choice is None:
        return {}
    kind = choice.one_of("type", (*CHOICES, "tool"))
    is_single = choice.flag("disable_parallel_tool_use")
    chosen = _named(choice) if kind == "tool" else CHOICES[kind]
    dropped += choice.unread()
    if tools:
        return {"tool_choice": chosen, **({"parallel_tool_calls": False} if is_single else {})}
    if kind in ("any", "tool") and not body.raw("tools"):
        refuse("tool_choice", "asks for a tool, and there are no tools.")
    if body.raw("tools"):  # All of them were dropped, so there is nothing left to choose from.
        dropped.append("tool_choice")
    return {}


def _named(choice: Members) -> Json:
    return {"type": "function", "function": {"name": short_name(choice.text("name"))}}
