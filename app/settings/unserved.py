"""What the file may say and this version does not act upon yet; each issue that serves one removes its row.

Refused rather than ignored: a limit or a key that is read and not enforced would be a false promise.
"""

from collections.abc import Callable, Iterator

from app.settings.problems import Finding, Place
from app.settings.urls import is_adapter

EACH = -1
_KEY: Place = ("keys", EACH)
_ROUTE: Place = ("general_settings", "pass_through_endpoints", EACH)


def _is_written(_value: object) -> bool:
    return True


def _has_entries(value: object) -> bool:
    return bool(value)


# Where, when, and the rest of the sentence "is not served by this version yet: …", which ends with a way out.
_UNSERVED: tuple[tuple[Place, Callable[[object], bool], str], ...] = (
    ((*_ROUTE, "rpm_limit"), _is_written, "limits belong to keys for now; leave it out"),
    ((*_ROUTE, "cost_per_request"), _is_written, "spend is not counted yet; leave it out"),
    ((*_ROUTE, "target"), is_adapter, "it is an adapter; if a URL is meant, begin it with https://"),
    ((*_KEY, "tpm_limit"), _is_written, "tokens are not counted yet; leave it out"),
    ((*_KEY, "max_budget"), _is_written, "spend is not counted yet; leave it out"),
    ((*_KEY, "budget_duration"), _is_written, "spend is not counted yet; leave it out"),
    (("model_list",), _has_entries, "models are for adapters; leave the section out"),
)


def findings(value: object) -> Iterator[Finding]:
    """Yield a finding for each part of the file's plain values that this version does not serve."""
    for where, is_used, message in _UNSERVED:
        for place, found in _at(value, where, ()):
            if is_used(found):
                yield Finding(place, f"is not served by this version yet: {message}")


def _at(value: object, where: Place, place: Place) -> Iterator[tuple[Place, object]]:
    """Yield (place, value) for each value that the pattern leads to."""
    if not where:
        yield place, value
    elif where[0] == EACH and isinstance(value, tuple):
        for index, child in enumerate(value):
            yield from _at(child, where[1:], (*place, index))
    elif isinstance(value, dict) and where[0] in value:
        yield from _at(value[where[0]], where[1:], (*place, where[0]))
