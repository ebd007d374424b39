"""From pydantic's errors to sentences an operator can act on; no sentence holds a value of the file."""

from collections.abc import Container, Iterator
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.settings import models
from app.settings.problems import Finding, Place, shown

# The model whose fields stand under a name of the file.
_MODELS: dict[str, type[BaseModel]] = {
    "": models.ConfigFile,
    "general_settings": models.GeneralSettings,
    "pass_through_endpoints": models.PassThroughEndpoint,
    "timeouts": models.Timeouts,
    "keys": models.KeyEntry,
    "model_list": models.ModelEntry,
}

# pydantic's type of error: what is wanted, and how to write it.
_WANTED = {
    "bool_type": ("true or false", "write it without quotes"),
    "string_type": ("text", "put quotes around it"),
    "int_type": ("a whole number", "write it without quotes and point"),
    "int_from_float": ("a whole number", "write it without a point"),
    "float_type": ("a number", "write it without quotes"),
    "tuple_type": ("a list", "begin each entry with a dash, or write [a, b]"),
    "dict_type": ("a mapping", "write indented lines of name: value"),
    "model_type": ("a mapping", "write indented lines of name: value"),
}


def findings(error: ValidationError, places: Container[Place]) -> Iterator[Finding]:
    """Yield one finding for each place that the error is about; `places` are those of the file."""
    seen = set()
    for detail in error.errors(include_url=False):
        place = _place(detail, places)
        if place not in seen:
            seen.add(place)
            yield Finding(place, _message(detail, place))


def kind(value: object) -> str:
    """Return what sort of value this is, in an operator's words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, tuple) else "nothing"


def _place(detail: ErrorDetails, places: Container[Place]) -> Place:
    """Return the error's place in the file: pydantic's without the branches and keys it adds itself."""
    place: Place = ()
    for part in detail["loc"]:
        if (*place, part) in places:
            place = (*place, part)
    return (*place, detail["loc"][-1]) if detail["type"] == "missing" else place


def _message(detail: ErrorDetails, place: Place) -> str:
    match detail["type"]:
        case "value_error":
            return str(detail["ctx"]["error"])
        case "missing":
            return "is missing; every entry needs it"
        case "extra_forbidden":
            return _unknown(place)
        case "literal_error":
            return f"must be {_listed(detail)}; choose one of them"
        case "too_short" | "string_too_short":
            return "is empty; write at least one, or leave the field out"
        case error if error in _WANTED:
            wanted, way_out = _WANTED[error]
            return f"must be {wanted}, not {kind(detail['input'])}; {way_out}"
        case _:  # limits of numbers; pydantic's text names the limit, and never the value
            return f"{detail['msg'].replace('Input should', 'must')}; correct it"


def _listed(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["expected"]).replace("'", "")


def _unknown(place: Place) -> str:
    """Say that the field is unknown, and which known one may be meant."""
    name = str(place[-1])
    above = next((part for part in reversed(place[:-1]) if isinstance(part, str)), "")
    known = list(_MODELS[above].model_fields)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"is not a known field; did you mean {near[0]}?"
    for elsewhere, model in _MODELS.items():
        if name in model.model_fields:
            return f"is not a field here; move {shown(name)} " + (f"under {elsewhere}" if elsewhere else "to the top")
    return f"is not a known field; leave it out, or use one of: {', '.join(known)}"
