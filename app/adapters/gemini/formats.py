"""Structured output: responseMimeType and responseSchema as OpenAI's response_format.

Google takes any schema, a list or an enumeration too; OpenAI's format is always one object. What is no object
is asked for as the only member of one, and `app.adapters.gemini.unwrapping` takes it out again.
"""

from typing import Any

from app.adapters.gemini.json_schema import closed, is_strict, json_schema
from app.adapters.gemini.reading import Given

Json = Any
NAME = "response"
MEMBER = "value"
JSON, ENUMERATION, TEXT = "application/json", "text/x.enum", "text/plain"


def response_format(config: Given) -> tuple[Json, str, str | None]:
    """Return response_format, None for plain text, the field it comes from, and the media type of
    an answer that comes wrapped."""
    mime = config.string("responseMimeType") or TEXT
    if mime not in (JSON, ENUMERATION, TEXT):
        raise config.wrong("responseMimeType", f"must be one of {TEXT}, {JSON}, {ENUMERATION}")
    field = "responseSchema" if config.has("responseSchema") else "responseJsonSchema"
    given = config.mapping(field)
    if not given:
        return ({"type": "json_object"} if mime == JSON else None), config.at("responseMimeType"), None
    if mime == TEXT:
        raise config.wrong(field, f"goes with responseMimeType {JSON} or {ENUMERATION} only")
    schema = json_schema(given) if field == "responseSchema" else dict(given)
    if schema.get("type") == "object":
        return _format(schema), config.at(field), None
    return _format(_in_object(schema)), config.at(field), mime


def _format(schema: Json) -> Json:
    exact = closed(schema)
    if is_strict(exact):
        return {"type": "json_schema", "json_schema": {"name": NAME, "schema": exact, "strict": True}}
    return {"type": "json_schema", "json_schema": {"name": NAME, "schema": schema}}


def _in_object(schema: dict[str, Json]) -> Json:
    """References count from the root, so definitions stay there."""
    inner = dict(schema)
    root = {name: inner.pop(name) for name in ("$defs", "definitions") if name in inner}
    return {
        "type": "object",
        "properties": {MEMBER: inner},
        "required": [MEMBER],
        "additionalProperties": False,
        **root,
    }
