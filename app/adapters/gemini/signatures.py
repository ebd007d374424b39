"""What a model wants to see again of its own thoughts, carried in Google's opaque `thoughtSignature`.

Anthropic's models refuse a tool's result without the signed thinking that led to the call, DeepSeek's one
without its reasoning. Google's SDK sends a part's signature back with the part, so it holds them for us.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

Json = Any
MARK = "tollhouse"
KINDS = ("thinking", "redacted_thinking")


def signature(thinking_blocks: Json, reasoning: str, *, calls_tools: bool) -> str | None:
    """Return base64 of the blocks where one is signed, of the reasoning before a call, None for neither."""
    blocks = [block for block in thinking_blocks or () if _is_signed(block)]
    if blocks:
        return _packed({"thinking_blocks": blocks})
    return _packed({"reasoning_content": reasoning}) if reasoning and calls_tools else None


def remembered(given: str) -> dict[str, Json] | None:
    """Return the members of an assistant message that a signature holds; None where it is another's."""
    try:
        held = json.loads(base64.b64decode(standard(given), validate=True))
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict) or held.pop("from", None) != MARK or not all(map(_is_known, held.items())):
        return None
    return held


def standard(text: str) -> str:
    """Return base64 in its standard alphabet, padded: google-genai sends the URL-safe one (RFC 4648 §5)."""
    plain = text.translate(str.maketrans("-_", "+/", "\r\n")).rstrip("=")
    return plain + "=" * (-len(plain) % 4)


def is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True


def _is_signed(block: Json) -> bool:
    if not isinstance(block, Mapping) or block.get("type") not in KINDS:
        return False
    return isinstance(block.get("signature") or block.get("data"), str)


def _is_known(member: tuple[str, Json]) -> bool:
    name, value = member
    if name == "thinking_blocks":
        return isinstance(value, list) and all(_is_signed(block) for block in value)
    return name == "reasoning_content" and isinstance(value, str)


def _packed(held: dict[str, Json]) -> str:
    # google-genai reads the field as bytes: whatever is not base64 would break its answer.
    return base64.b64encode(json.dumps({"from": MARK, **held}).encode()).decode()
