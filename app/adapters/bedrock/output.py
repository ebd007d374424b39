"""The form that an answer is to have, and the effort behind it.

OutputConfig of the Bedrock runtime API (2023-09-30); `response_format` and `reasoning_effort` of OpenAI's Chat
Completions.
"""

import json

from app.adapters.bedrock.carried import Carried
from app.adapters.bedrock.reading import Json, kind, members, one_of, text, wrong

ABOUT = ("name", "description")


def carry_output(config: dict[str, Json], carried: Carried) -> None:
    """Carry an outputConfig over."""
    for member, value in config.items():
        field = f"outputConfig.{member}"
        if member == "effort":
            carried.take("reasoning_effort", text(value, field), field)
        elif member == "textFormat":
            carried.take("response_format", _format(members(value, field), field), field)
        else:
            carried.drop([field])


def is_strict(schema: Json) -> bool:
    """Tell whether OpenAI takes a schema as strict: no object has open or optional properties.

    "Structured model outputs" of OpenAI's documents (2026). Bedrock does without the second rule, and a request that
    it takes is not to fail here.
    """
    left = [schema]
    while left:
        found = left.pop()
        left += found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        if isinstance(found, dict) and isinstance(found.get("properties"), dict) and not _is_closed(found):
            return False
    return True


def _is_closed(schema: dict[str, Json]) -> bool:
    required = schema.get("required")
    named = {member for member in required if isinstance(member, str)} if isinstance(required, list) else set()
    return schema.get("additionalProperties") is False and schema["properties"].keys() <= named


def _format(value: dict[str, Json], field: str) -> Json:
    one_of(value.get("type"), f"{field}.type", {"json_schema": "json_schema"})
    _, told = kind(value.get("structure"), f"{field}.structure", frozenset({"jsonSchema"}))
    inner = f"{field}.structure.jsonSchema"
    definition = members(told, inner)
    schema = _schema(text(definition.get("schema"), f"{inner}.schema"), f"{inner}.schema")
    about = {member: text(definition[member], f"{inner}.{member}") for member in ABOUT if member in definition}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", **about, "schema": schema, "strict": is_strict(schema)},
    }


def _schema(told: str, field: str) -> Json:
    try:
        schema = json.loads(told)
    except (ValueError, RecursionError) as error:
        raise wrong(field, "must be JSON") from error
    members(schema, field)
    return schema
