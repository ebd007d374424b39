"""From the file's plain values to models, keeping what is sound when other parts are not.

So that everything wrong is told at once: an unknown field in one route must not hide that two others collide.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from app.settings import wording
from app.settings.models import ConfigFile, PassThroughEndpoint
from app.settings.problems import Finding, Place

ROUTES: Place = ("general_settings", "pass_through_endpoints")

# Sections of LiteLLM's file that mean nothing here.
IGNORED = ("litellm_settings", "router_settings", "environment_variables")

# Below these names everything is the operator's or litellm's own; null is a value there.
_FREE = frozenset(("litellm_params", "metadata", "model_info", *IGNORED))

# What a route is taken to say where it says nothing sound, so that the rest of it can be checked.
_STAND_INS = {"path": "/", "target": "https://unsound.invalid/"}
_UNSOUND = "unsound"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint as far as it holds."""

    endpoint: PassThroughEndpoint
    unsound: frozenset[str] = frozenset()
    """Fields that the file does not say soundly; the endpoint has stand-ins for them."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The models, as far as they hold."""

    file: ConfigFile | None
    """None when any finding is the file's."""
    candidates: dict[Place, Candidate]
    """What checks across fields work on, by place."""
    findings: tuple[Finding, ...]
    """What a model does not accept."""


def understand(value: object, places: Container[Place]) -> Understood:
    """Return the file's models; `places` are those of the file."""
    try:
        file = ConfigFile.model_validate(value)
    except ValidationError as error:
        return Understood(None, _candidates(value), tuple(wording.findings(error, places)))
    endpoints = enumerate(file.general_settings.pass_through_endpoints)
    return Understood(file, {(*ROUTES, index): Candidate(endpoint) for index, endpoint in endpoints}, ())


def empty(value: object, place: Place = ()) -> Iterator[Finding]:
    """Yield a finding for each name without a value: most likely its lines were commented out or misplaced."""
    if isinstance(value, dict):
        for name, child in value.items():
            if name not in _FREE:
                yield from empty(child, (*place, name))
    elif isinstance(value, tuple):
        for index, child in enumerate(value):
            yield from empty(child, (*place, index))
    elif value is None and place[-2:] != ("timeouts", "total"):
        yield Finding(place, "is empty; write a value, or leave the field out")


def _candidates(value: object) -> dict[Place, Candidate]:
    for name in ROUTES:
        value = value.get(name) if isinstance(value, dict) else None
    entries = value if isinstance(value, tuple) else ()
    return {(*ROUTES, index): _candidate(entry) for index, entry in enumerate(entries) if isinstance(entry, dict)}


def _candidate(entry: dict[str, object]) -> Candidate:
    try:
        return Candidate(PassThroughEndpoint.model_validate(entry))
    except ValidationError as error:
        wrong = {detail["loc"] for detail in error.errors()}
    unsound = frozenset(str(loc[0]) for loc in wrong)
    repaired = {name: field for name, field in entry.items() if name not in unsound}
    repaired |= {name: stand_in for name, stand_in in _STAND_INS.items() if name in unsound}
    if "headers" in unsound:
        repaired["headers"] = _repaired(entry["headers"], wrong)
    return Candidate(PassThroughEndpoint.model_validate(repaired), unsound)


def _repaired(headers: object, wrong: set[tuple[int | str, ...]]) -> dict[str, object]:
    """Return the headers without unsound names and values, keeping the names that stand for something."""
    if not isinstance(headers, dict):
        return {}
    return {
        name: _UNSOUND if ("headers", name) in wrong else value
        for name, value in headers.items()
        if ("headers", name, "[key]") not in wrong
    }
