"""What dead workers have counted, kept in one file a kind, so that counters never fall and files do not pile up."""

import logging
import struct
from collections.abc import Collection
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from app.telemetry.metrics_folder import COUNTS, blank, unread, used_bytes

logger = logging.getLogger("tollhouse")

# What a file raises that a dying process has left in no good state.
UNREADABLE = (OSError, RuntimeError, ValueError, struct.error)


class EndedWorkers:
    """Takes over the files of workers that have ended; kept by the process that sees their end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: set[int] = set()

    def add(self, pid: int, alive: Collection[int] = ()) -> None:
        """Drop the gauges of a process that has ended and keep its counts.

        Where somebody is reading the files, or the disk is full, those stay as they are until the next call,
        unless one of the processes `alive` has their number by then. Neither waits nor raises.
        """
        try:
            for path in self._folder.glob(f"gauge_*_{pid}.db"):
                path.unlink(missing_ok=True)
            self._waiting = {*self._waiting, pid} - set(alive)
            with unread(self._folder) as is_unread:
                if is_unread:
                    self._take_over()
        except UNREADABLE as fault:
            logger.warning("what ended workers have counted stays in files of theirs: %s", fault)

    def _take_over(self) -> None:
        for pid in sorted(self._waiting):
            for kind in COUNTS:
                _add(self._folder / f"{kind}_ended.db", self._folder / f"{kind}_{pid}.db")
            self._waiting.discard(pid)


def _add(total: Path, part: Path) -> None:
    """Move all counts of `part` to `total`."""
    if not part.exists():
        return
    if not total.exists():
        part.rename(total)
        return
    counts: dict[str, float] = {}
    for path in (total, part):
        for key, value, _timestamp, _place in MmapedDict.read_all_values_from_file(str(path)):
            counts[key] = counts.get(key, 0.0) + value
    sum_path = total.with_suffix(".sum")
    blank(sum_path, used_bytes(total) + used_bytes(part))
    sums = MmapedDict(str(sum_path))
    for key, value in counts.items():
        sums.write_value(key, value, 0.0)
    sums.close()
    sum_path.rename(total)
    part.unlink()
