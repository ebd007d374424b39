"""What the file may say and this version does not act upon yet; each issue that serves one removes its row.

Refused rather than ignored: a limit or a key that is read and not enforced would be a false promise.
"""

from collections.abc import Iterator

from app.settings.problems import Finding, Place

EACH = -1
_KEY: Place = ("keys", EACH)
_ROUTE: Place = ("general_settings", "pass_through_endpoints", EACH)


# Where, and the rest of the sentence "is not served by this version yet: …", which ends with a way out.
_UNSERVED: tuple[tuple[Place, str], ...] = (
    ((*_ROUTE, "rpm_limit"), "limits belong to keys for now; leave it out"),
    ((*_ROUTE, "cost_per_request"), "spend is not counted yet; leave it out"),
    ((*_KEY, "tpm_limit"), "tokens are not counted yet; leave it out"),
    ((*_KEY, "max_budget"), "spend is not counted yet; leave it out"),
    ((*_KEY, "budget_duration"), "spend is not counted yet; leave it out"),
)


def findings(value: object) -> Iterator[Finding]:
    """Yield a finding for each part of the file's plain values that this version does not serve."""
    for where, message in _UNSERVED:
        for place in _at(value, where, ()):
            yield Finding(place, f"is not served by this version yet: {message}")


def _at(value: object, where: Place, place: Place) -> Iterator[Place]:
    """Yield the place of each value that the pattern leads to."""
    if not where:
        yield place
    elif where[0] == EACH and isinstance(value, tuple):
        for index, child in enumerate(value):
            yield from _at(child, where[1:], (*place, index))
    elif isinstance(value, dict) and where[0] in value:
        yield from _at(value[where[0]], where[1:], (*place, where[0]))
