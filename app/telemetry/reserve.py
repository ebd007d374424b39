"""Room on the disk for what this process counts, taken before it is needed."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from app.telemetry.metrics_folder import COUNTS, GAUGES, blank, used_bytes

logger = logging.getLogger("tollhouse")

FIRST_BYTES = 1 << 17
# More than one new set of labels takes: in a histogram some twenty entries, each with all names and values in it.
MARGIN_BYTES = 1 << 16
# Filling a full disk to its end and giving it back is nothing to do for every exchange.
AGAIN_S = 5.0


class Reserve:
    """Keeps this process's files ahead of prometheus_client, which would make holes and fall into them."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives seconds that never go back."""
        self._folder = folder
        self._now = now
        self._short_until_s = 0.0

    def has_room(self) -> bool:
        """Tell whether one more set of labels can be counted, having made room for it."""
        if self._now() < self._short_until_s:
            return False
        try:
            for kind in (*COUNTS, GAUGES):
                _extend(self._folder / f"{kind}_{os.getpid()}.db")
        except OSError as fault:
            if not self._short_until_s:
                logger.error("metrics are not complete, their files cannot grow: %s", fault)
            self._short_until_s = self._now() + AGAIN_S
            return False
        self._short_until_s = 0.0
        return True


def _extend(path: Path) -> None:
    """Give the file blocks for MARGIN_BYTES more than are used; raises OSError where there are none."""
    if not path.exists():
        blank(path, FIRST_BYTES)
    needed = used_bytes(path) + MARGIN_BYTES
    # Sizes are doubled, as by prometheus_client, which cuts a file to its next double: never to a longer one.
    while (size := path.stat().st_size) < needed:
        try:
            with path.open("ab") as file:
                file.write(bytes(size))
        except OSError:
            os.truncate(path, size)
            raise
