"""Google's Schema, a part of OpenAPI 3.0, as the JSON Schema that OpenAI's chat format takes."""

from collections.abc import Mapping
from typing import Any

Json = Any
# What Schema spells otherwise (ai.google.dev/api/caching#Schema); everything else has JSON Schema's name.
SPELLINGS = {
    "any_of": "anyOf",
    "prefix_items": "prefixItems",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "ref": "$ref",
    "defs": "$defs",
}
# int64 in the protobuf, so a string in its JSON.
COUNTS = frozenset("minItems maxItems minLength maxLength minProperties maxProperties".split())
# What OpenAI's strict structured outputs take (Structured Outputs guide, "Supported schemas").
STRICT_NAMES = frozenset(
    "type properties required additionalProperties items enum const anyOf description title $ref $defs".split()
)


def json_schema(given: Json) -> Json:
    """Return a Schema in JSON Schema's words; what is no object is returned as it is."""
    if not isinstance(given, Mapping):
        return given
    found: dict[str, Json] = {SPELLINGS.get(name) or name: value for name, value in given.items() if value is not None}
    order = found.pop("propertyOrdering", None)
    is_nullable = found.pop("nullable", None) is True
    made = {name: _translated(name, value) for name, value in found.items() if name != "example"}
    if "example" in found:
        made["examples"] = [found["example"]]
    if made.get("type") == "type_unspecified":
        del made["type"]
    if isinstance(order, list) and isinstance(made.get("properties"), dict):
        made["properties"] = _in_order(made["properties"], order)
    return _nullable(made) if is_nullable else made


def _translated(name: str, value: Json) -> Json:
    if name == "type" and isinstance(value, str):
        return value.lower()
    if name in ("properties", "$defs") and isinstance(value, Mapping):
        return {inner: json_schema(schema) for inner, schema in value.items()}
    if name in ("anyOf", "prefixItems") and isinstance(value, list):
        return [json_schema(schema) for schema in value]
    if name in ("items", "additionalProperties"):
        return json_schema(value)
    if name in COUNTS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return value


def _in_order(properties: Mapping[str, Json], order: list[Json]) -> dict[str, Json]:
    """Return the properties in the order in which the model is to write them: OpenAI's models keep the schema's."""
    first = [name for name in order if isinstance(name, str) and name in properties]
    return {name: properties[name] for name in [*dict.fromkeys(first), *properties]}


def _nullable(made: dict[str, Json]) -> dict[str, Json]:
    if isinstance(made.get("anyOf"), list):
        return {**made, "anyOf": [*made["anyOf"], {"type": "null"}]}
    if isinstance(made.get("enum"), list):
        made["enum"] = [*made["enum"], None]
    return {**made, "type": [made["type"], "null"]} if isinstance(made.get("type"), str) else made


def closed(schema: Json) -> Json:
    """Return a schema whose objects have no properties but those it tells: Gemini writes no others."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _closed_below(name, value) for name, value in schema.items()}
    return {**made, "additionalProperties": made.get("additionalProperties", False)} if "properties" in made else made


def _closed_below(name: str, value: Json) -> Json:
    if name in ("properties", "$defs") and isinstance(value, Mapping):
        return {inner: closed(schema) for inner, schema in value.items()}
    return closed(value) if name in ("items", "anyOf", "prefixItems") else value


def is_strict(schema: Json) -> bool:
    """Whether OpenAI's strict mode takes the schema, so that the answer surely keeps to it."""
    if not isinstance(schema, Mapping) or not STRICT_NAMES.issuperset(schema):
        return False
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping) or (schema.get("type") == "object" and "properties" not in schema):
        return False
    if "properties" in schema and not _is_whole(schema, properties):
        return False
    below = [*properties.values(), *_all(schema.get("$defs")), *_all(schema.get("anyOf"))]
    return all(is_strict(inner) for inner in ([*below, schema["items"]] if "items" in schema else below))


def _is_whole(schema: Mapping[str, Json], properties: Mapping[str, Json]) -> bool:
    required = schema.get("required")
    is_all = isinstance(required, list) and all(name in required for name in properties)
    return is_all and schema.get("additionalProperties") is False


def _all(value: Json) -> list[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
