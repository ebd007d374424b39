"""Numbers out of rounds: medians, percentiles, ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import median


def medians(rounds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each subject's rounds; subjects without one are left out."""
    return {name: median(figures) for name, figures in rounds.items() if figures}


def percentile(figures: Sequence[float], percent: float) -> float:
    """Return the smallest figure that so many percent do not exceed (nearest rank)."""
    ranked = sorted(figures)
    return ranked[max(0, ceil(len(ranked) * percent / 100) - 1)]


def ratio(one: float | None, other: float | None) -> float | None:
    """Return how many times the other goes into the one; None where one of them is absent."""
    return one / other if one is not None and other else None
