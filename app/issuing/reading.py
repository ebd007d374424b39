"""From octets and query to a form, or to a 400 that names the field and quotes nothing."""

import json
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.errors import InvalidRequest
from app.issuing.forms import Form

F = TypeVar("F", bound=Form)

# LiteLLM's, second in the contract: taken and not enforced they would be a false promise.
UNSERVED = ("tpm_limit", "max_budget", "budget_duration", "spend")

# What Python reads at most (sys.int_info.default_max_str_digits).
MOST_DIGITS = 4300
TOO_LARGE = "has a number that is too large"
HALF = "has half of a surrogate pair (RFC 8259 §8.2)"


def json_form(model: type[F], body: bytes) -> F:
    """Return the form that a JSON body fills in; an empty body is an empty form. Raises InvalidRequest."""
    try:
        sent = json.loads(
            body or b"{}", object_pairs_hook=Members, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is no JSON (RFC 8259).") from None
    if not isinstance(sent, Members):
        raise InvalidRequest("The body must be a JSON object.")
    for name, value in sent.pairs:
        if not _is_unicode(name):
            raise InvalidRequest(f"A name {HALF}.")
        unclear = "comes twice" if sent.has_twice(name) else _unclear(value)
        if unclear:
            raise InvalidRequest(f"{_shown(name)} {unclear}.", param=_shown(name))
    return filled_in(model, sent)


def query_form(model: type[F], query: str | None) -> F:
    """Return the form that a raw query fills in. Raises InvalidRequest, also for a name that comes twice."""
    try:
        pairs = parse_qsl(query or "", keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise InvalidRequest("The query is no list of name=value pairs in UTF-8.") from None
    for name, _ in pairs:
        if len([1 for other, _ in pairs if other == name]) > 1:
            raise InvalidRequest(f"{_shown(name)} comes twice in the query.", param=_shown(name))
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
    field = _shown(str(detail["loc"][0]))
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


def _shown(name: str) -> str:
    """Return a name that a client chose, short enough for a message."""
    return name if len(name) <= 64 else name[:63] + "…"


class Members(dict[str, Any]):
    """A JSON object, as it was written too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def has_twice(self, name: str) -> bool:
        # RFC 8259 §4: of a name that comes twice some take the first value and some the last.
        return len(self.pairs) > len(self) and [other for other, _ in self.pairs].count(name) > 1


@dataclass(frozen=True, slots=True)
class Unclear:
    """What stands where a value was that readers understand differently."""

    told: str


def _unclear(value: object) -> str:
    """Return what is unclear in the value, at any depth; "" if nothing is."""
    left = [value]
    while left:
        match left.pop():
            case Unclear(told):
                return told
            case str(text) if not _is_unicode(text):
                return HALF
            case Members() as members if len(members) < len(members.pairs):
                return "has a name twice in one JSON object"
            case dict(members):
                left += [*members, *members.values()]
            case list(values):
                left += values
    return ""


def _is_unicode(text: str) -> bool:
    """Tell whether the text can be written as UTF-8, as the answer will be."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _constant(_name: str) -> Unclear:
    return Unclear("has NaN or Infinity, which are not JSON (RFC 8259 §6)")


def _float(text: str) -> float | Unclear:
    number = float(text)
    return number if math.isfinite(number) else Unclear(TOO_LARGE)


def _int(text: str) -> int | Unclear:
    return int(text) if len(text) <= MOST_DIGITS else Unclear(TOO_LARGE)
