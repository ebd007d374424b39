"""Cache points: in Bedrock a block after what is to be cached, in litellm's words a mark on it.

CachePointBlock of the Bedrock runtime API (2023-09-30). litellm hands `cache_control` to the providers that know it,
and takes it off for OpenAI's own API, which caches by itself.
"""

from typing import Any

from app.adapters.bedrock.reading import Json, members, one_of

TTLS = {"5m": "5m", "1h": "1h"}


def mark(found: list[Any], point: Json, field: str, dropped: list[str]) -> None:
    """Mark what stands before a cache point; one before everything marks nothing."""
    control = cache_mark(point, field)
    if found:
        found[-1]["cache_control"] = control
    else:
        dropped.append(field)


def cache_mark(point: Json, field: str) -> Json:
    """Return the mark that a cache point stands for."""
    told = members(point, field)
    one_of(told.get("type"), f"{field}.type", {"default": "default"})
    ttl = {"ttl": one_of(told["ttl"], f"{field}.ttl", TTLS)} if "ttl" in told else {}
    return {"type": "ephemeral", **ttl}
