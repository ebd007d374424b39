"""Room on the disk for what this process counts, taken before it is needed."""

import logging
import os
from pathlib import Path

from app.telemetry.metrics_folder import COUNTS, GAUGES, blank, used_bytes

logger = logging.getLogger("tollhouse")

FIRST_BYTES = 1 << 17
# More than one new set of labels takes: in a histogram some twenty entries, each with all names and values in it.
MARGIN_BYTES = 1 << 16


class Reserve:
    """Keeps this process's files ahead of prometheus_client, which would make holes and fall into them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_short = False

    def has_room(self) -> bool:
        """Tell whether one more set of labels can be counted, having made room for it."""
        try:
            for kind in (*COUNTS, GAUGES):
                _extend(self._folder / f"{kind}_{os.getpid()}.db")
        except OSError as fault:
            if not self._is_short:
                logger.error("metrics are not complete, their files cannot grow: %s", fault)
            self._is_short = True
            return False
        self._is_short = False
        return True


def _extend(path: Path) -> None:
    """Give the file blocks for MARGIN_BYTES more than are used; raises OSError where there are none."""
    if not path.exists():
        blank(path, FIRST_BYTES)
    needed = used_bytes(path) + MARGIN_BYTES
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        while size < needed:
            # Fewer are written than given where the disk ends, and the next call raises.
            size += file.write(bytes(size))
