"""What a member of a client's body is, or an InvalidRequest that names it as the client spells it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import InvalidRequest

Json = Any

_SHOWN_CHARACTERS = 60


def wrong(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {what}.", param=field)


def shown(name: str) -> str:
    """Return a name of the client's for a message, cut where it is no name any more."""
    return repr(name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "…")


def members(value: Json, field: str) -> dict[str, Json]:
    """Return an object's members; null stands for a missing one, as in every AWS JSON protocol."""
    if not isinstance(value, Mapping):
        raise wrong(field, "must be an object")
    return {name: member for name, member in value.items() if member is not None}


def items(value: Json, field: str) -> Iterator[tuple[Json, str]]:
    """Yield (item, its field) of a list."""
    if not isinstance(value, list):
        raise wrong(field, "must be a list")
    return ((item, f"{field}[{index}]") for index, item in enumerate(value))


def kind(value: Json, field: str, known: frozenset[str]) -> tuple[str, Json]:
    """Return the one member of a union (Smithy), and its name."""
    found = members(value, field)
    if len(found) != 1:
        raise wrong(field, f"must have exactly one member, and has {len(found)}")
    ((name, member),) = found.items()
    if name not in known:
        raise wrong(field, f"unknown kind {shown(name)}; known: {', '.join(sorted(known))}")
    return name, member


def text(value: Json, field: str) -> str:
    if not isinstance(value, str):
        raise wrong(field, "must be a string")
    return value


def name(value: Json, field: str) -> str:
    if not text(value, field):
        raise wrong(field, "must not be empty")
    return str(value)


def flag(value: Json, field: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(field, "must be true or false")
    return value


def number(value: Json, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(field, "must be a number")
    return value


def integer(value: Json, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(field, "must be an integer")
    return value


def count(value: Json, field: str) -> int:
    if integer(value, field) < 1:
        raise wrong(field, "must be 1 or more")
    return int(value)


def one_of(value: Json, field: str, known: Mapping[str, str]) -> str:
    """Return what the name stands for."""
    if text(value, field) not in known:
        raise wrong(field, f"{shown(value)} is none of {', '.join(known)}")
    return known[value]


def written(value: Json, field: str) -> str:
    """Return a value as JSON text, letters as they are."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise wrong(field, "is nested too deeply") from error
