"""The kit's one place that polls, for what no event tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.005
# For a server: one that a busy machine gives no time is not away.
PATIENT_S = 30.0

T = TypeVar("T")


def eventually(look: Callable[[], T | None], deadline_s: float, what: str) -> T:
    """Return what `look` gives as soon as it gives something that is neither None nor False."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < end, f"{what}: not within {deadline_s} s"
        time.sleep(POLL_S)
