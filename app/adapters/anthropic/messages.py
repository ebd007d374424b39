"""System, user and assistant turns of a Messages request, as chat messages.

One turn may become several messages: the results of tools come first, each its own, then what the user says.
"""

from __future__ import annotations

import json

from app.adapters.anthropic.parts import HOSTED, Dropped, Part, blocks_of, kind_of, marked, plain, read_parts, text_part
from app.adapters.anthropic.reading import Json, Members, refuse
from app.adapters.anthropic.tools import short_name

ROLES = ("user", "assistant", "system")
READ_BY_USERS = ("text", "image", "document", "search_result")
ASSISTANT_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use")


def read_messages(body: Members, dropped: Dropped) -> list[Json]:
    """Return all messages, the system's first."""
    system = _system(body, "system", dropped) if body.raw("system") not in (None, "") else []
    turns = body.values("messages")
    if not turns:
        refuse("messages", "must be a list of at least one message.")
    messages = [message for value, place in turns for message in _turn(Members(value, place), dropped)]
    if not messages:
        refuse(f"{turns[0][1]}.content", "says nothing, and no other message does.")
    return system + messages


def _system(turn: Members, name: str, dropped: Dropped) -> list[Json]:
    parts = read_parts(blocks_of(turn, name), dropped, ("text",))
    return [{"role": "system", "content": plain(parts)}] if parts else []


def _turn(turn: Members, dropped: Dropped) -> list[Json]:
    role = turn.one_of("role", ROLES)
    if role == "system":
        messages = _system(turn, "content", dropped)
    else:
        messages = (_user if role == "user" else _assistant)(turn, dropped)
    dropped += turn.unread()
    return messages


def _user(turn: Members, dropped: Dropped) -> list[Json]:
    results: list[Json] = []
    shown: list[Part] = []
    said: list[Part] = []
    for value, place in blocks_of(turn, "content"):
        block = Members(value, place)
        if kind_of(block, (*READ_BY_USERS, "tool_result")) == "tool_result":
            results.append(_tool_result(block, shown, dropped))
        else:
            said += read_parts([(value, place)], dropped, READ_BY_USERS)
    if results and not shown + said:
        return results
    return [*results, {"role": "user", "content": plain(shown + said)}]


def _tool_result(block: Members, shown: list[Part], dropped: Dropped) -> Json:
    """Return the tool's message. Such a message holds text alone: images and files go to `shown`, with its id."""
    call_id = block.text("tool_use_id")
    content = [] if block.raw("content") is None else blocks_of(block, "content")
    parts = read_parts(content, dropped, READ_BY_USERS)
    texts = [part for part in parts if part["type"] == "text"]
    others = [part for part in parts if part["type"] != "text"]
    if others:
        shown += [{"type": "text", "text": f"From the result of tool call {call_id}:"}, *others]
        texts = texts or [{"type": "text", "text": "The result is shown in the next message."}]
    if block.flag("is_error"):
        dropped.append(block.at("is_error"))
    message = marked({"role": "tool", "tool_call_id": call_id, "content": plain(texts)}, block)
    dropped += block.unread()
    return message


def _assistant(turn: Members, dropped: Dropped) -> list[Json]:
    said: list[Part] = []
    thoughts: list[Part] = []
    calls: list[Json] = []
    for value, place in blocks_of(turn, "content"):
        block = Members(value, place)
        kind = kind_of(block, ASSISTANT_BLOCKS)
        if kind in HOSTED:
            dropped.append(place)
            continue
        if kind == "text":
            block.raw("citations")  # They point into what the model has read before: nothing it would miss.
            said.append(text_part(block))
        elif kind == "tool_use":
            calls.append(_tool_call(block))
        else:
            thoughts.append(_thought(block, kind))
        dropped += block.unread()
    return [_without_none({"role": "assistant", "content": plain(said), **_thinking(thoughts), "tool_calls": calls})]


def _tool_call(block: Members) -> Json:
    arguments = json.dumps(block.object("input"), ensure_ascii=False)
    function = {"name": short_name(block.text("name")), "arguments": arguments}
    block.raw("caller")  # It says that the model called, and no program of it.
    return marked({"id": block.text("id"), "type": "function", "function": function}, block)


def _thought(block: Members, kind: str) -> Part:
    if kind == "redacted_thinking":
        return {"type": kind, "data": block.text("data")}
    return {"type": kind, "thinking": block.text("thinking"), "signature": block.text_or_none("signature") or ""}


def _thinking(thoughts: list[Part]) -> Json:
    """Return the members of an assistant's message that tell its thoughts, in litellm's words.

    A thought without signature is of a model that does not sign, and that would not know `thinking_blocks`.
    """
    signed = [thought for thought in thoughts if thought.get("signature") or "data" in thought]
    text = "".join(thought.get("thinking", "") for thought in thoughts)
    return {"thinking_blocks": signed, "reasoning_content": text}


def _without_none(message: Json) -> Json:
    """Leave out what is empty; the content stays, and is null only beside tool calls."""
    if message["tool_calls"] and message["content"] == "":
        message["content"] = None
    return {name: value for name, value in message.items() if value or name == "content"}
