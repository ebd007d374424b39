"""The JSON Schema of the settings file, for editors."""

import json
from typing import Any

from app.settings.models import ConfigFile

# pydantic's words for SecretStr and for names; a mapping under such a name is a field of ours.
_UNWANTED = frozenset(("format", "writeOnly", "title"))


def schema_text() -> str:
    """Return the schema as the text of `config/schema.json`, newline at its end."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigFile.model_json_schema()}
    return json.dumps(_plain(schema), indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any, name: str = "") -> Any:
    """Return the schema as the file has it: null is no value (but for `total`), a secret is written as text."""
    if isinstance(node, list):
        return [_plain(child) for child in node]
    if not isinstance(node, dict):
        return node
    if name != "total":
        node = _without_null(node)
    node = {key: child for key, child in node.items() if key not in _UNWANTED or isinstance(child, dict)}
    return {key: _plain(child, key) for key, child in node.items()}


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    if not node.get("default", "written"):
        node = {key: child for key, child in node.items() if key != "default" or child is False}
    branches = [branch for branch in node.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == len(node.get("anyOf", ())):
        return node
    rest = {key: child for key, child in node.items() if key != "anyOf"}
    return {**branches[0], **rest} if len(branches) == 1 else {"anyOf": branches, **rest}
