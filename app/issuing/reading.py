"""From octets and query to a form, or to a 400 that names the field and quotes nothing."""

from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app import sound_json
from app.errors import InvalidRequest
from app.issuing.forms import Form

F = TypeVar("F", bound=Form)

# LiteLLM's, second in the contract: taken and not enforced they would be a false promise.
UNSERVED = ("tpm_limit", "max_budget", "budget_duration", "spend")


def json_form(model: type[F], body: bytes) -> F:
    """Return the form that a JSON body fills in; an empty body is an empty form. Raises InvalidRequest."""
    try:
        sent = sound_json.read(body or b"{}")
    except sound_json.Unsound as unsound:
        raise InvalidRequest(unsound.sentence, param=unsound.field) from None
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is no JSON (RFC 8259).") from None
    if not isinstance(sent, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return filled_in(model, sent)


def query_form(model: type[F], query: str | None) -> F:
    """Return the form that a raw query fills in. Raises InvalidRequest, also for a name that comes twice."""
    try:
        pairs = parse_qsl(query or "", keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise InvalidRequest("The query is no list of name=value pairs in UTF-8.") from None
    for name, _ in pairs:
        if len([1 for other, _ in pairs if other == name]) > 1:
            raise InvalidRequest(f"{sound_json.shown(name)} comes twice in the query.", param=sound_json.shown(name))
    return filled_in(model, dict(pairs))


def filled_in(model: type[F], values: dict[str, Any]) -> F:
    """Return the form with these values. Raises InvalidRequest for the first that does not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        refuse(model, invalid.errors(include_url=False, include_input=False)[0])


def refuse(model: type[Form], detail: ErrorDetails) -> NoReturn:
    """Raise the InvalidRequest for one of pydantic's errors."""
    if not detail["loc"]:
        raise InvalidRequest(f"{detail['ctx']['error']}.")
    field = sound_json.shown(str(detail["loc"][0]))
    match detail["type"]:
        case "extra_forbidden":
            told = _unknown(model, field)
        case "missing":
            told = "is missing"
        case "value_error":
            told = str(detail["ctx"]["error"])
        case _:  # pydantic's text names the rule and never the value
            told = detail["msg"].replace("Input should", "must")
    raise InvalidRequest(f"{field} {told}.", param=field)


def _unknown(model: type[Form], field: str) -> str:
    if field in UNSERVED:
        return "is not served by this version yet; leave it out"
    near = get_close_matches(field, model.model_fields, n=1)
    return f"is not a known field; perhaps {near[0]} is meant" if near else "is not a known field"
