"""The pages about keys: one table, from which both the door and the OpenAPI document are made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.issuing import answers, forms

TITLE = "Tollhouse: gateway keys"
VERSION = "1"
JSON = "application/json"
_SCHEMAS = "#/components/schemas/"

_REFUSALS = {
    400: "A field is not as it must be; nothing was done.",
    401: "The key is missing, unknown, expired or blocked.",
    403: "The key is not the master key.",
    404: "There is no such key; nothing was done.",
    405: "The page does not take this method.",
    413: "The body is too large.",
    503: "The key store cannot be reached, or is locked for too long.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what it takes and gives; `act` names the method of the issuer."""

    path: str
    act: str
    form: type[forms.Form]
    answer: type[answers.Answer]

    @property
    def is_read(self) -> bool:
        """It takes a query by GET instead of a body by POST, and changes nothing."""
        return issubclass(self.form, forms.Query)


PAGES = (
    Page("/key/generate", "generate", forms.GenerateForm, answers.IssuedKey),
    Page("/key/update", "update", forms.UpdateForm, answers.UpdatedKey),
    Page("/key/delete", "delete", forms.DeleteForm, answers.DeletedKeys),
    Page("/key/block", "block", forms.KeyForm, answers.KeyRow),
    Page("/key/unblock", "unblock", forms.KeyForm, answers.KeyRow),
    Page("/key/regenerate", "regenerate", forms.RegenerateForm, answers.IssuedKey),
    Page("/key/info", "info", forms.InfoQuery, answers.KeyInfo),
    Page("/key/list", "list", forms.ListQuery, answers.KeyList),
)


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the pages."""
    taken = [(page.form, "validation") for page in PAGES]
    given = [(page.answer, "serialization") for page in PAGES]
    models: list[Any] = [*taken, *given, (answers.Problem, "serialization")]
    schemas = models_json_schema(list(dict.fromkeys(models)), ref_template=_SCHEMAS + "{model}")[1]["$defs"]
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION},
        "security": [{"master key": []}],
        "paths": {page.path: {"get" if page.is_read else "post": _operation(page, schemas)} for page in PAGES},
        "components": {
            "securitySchemes": {"master key": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: schema for name, schema in schemas.items() if not name.endswith("Query")},
        },
    }


def _operation(page: Page, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": page.act,
        "summary": page.form.__doc__,
        "responses": {"200": _response(str(page.answer.__doc__), page.answer)}
        | {str(status): _response(told, answers.Problem) for status, told in _REFUSALS.items()},
    }
    if page.is_read:
        return operation | {"parameters": list(_parameters(schemas[page.form.__name__]))}
    body = {"required": page.act != "generate", "content": {JSON: {"schema": _reference(page.form)}}}
    return operation | {"requestBody": body}


def _parameters(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, field in schema["properties"].items():
        # A query cannot say null: a pair is there or not.
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        rest = {key: value for key, value in field.items() if key not in ("anyOf", "description")}
        rest = {key: value for key, value in rest.items() if (key, value) != ("default", None)}
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.get("description", ""),
            "schema": {**rest, **(kinds[0] if kinds else {})},
        }


def _response(told: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": told, "content": {JSON: {"schema": _reference(model)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _SCHEMAS + model.__name__}
