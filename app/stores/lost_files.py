"""Notices that files in use are no longer at their paths, and goes on with those that are.

A folder that is removed, or replaced by another, stays open in who has opened it, while a worker that starts makes
files of its own there: two gateways, each with its own keys and counts. So every worker looks, all at the same
instants of the machine's clock, and takes up what is there.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from app.store_errors import StoreUnavailable
from app.stores.embedded import STORE_FAULTS, EmbeddedStore
from app.stores.key_database import KeyDatabase
from app.stores.reports import Reports

logger = logging.getLogger("tollhouse")

LOOK_EACH_S = 1.0
# Not ready until the slowest worker has looked, too.
NOT_READY_S = 2.0
TAKEN_UP = "removed or replaced while in use, the files that are there now are used"
NO_FILES = (
    "removed or replaced while in use, and there can be no files now: requests are counted in the lost ones, "
    "no key can be changed, and not ready is told"
)


class LostFiles:
    """Looks after the files of one worker."""

    def __init__(
        self,
        embedded: EmbeddedStore,
        database: KeyDatabase,
        reports: Reports,
        keys: Callable[[], int],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`keys` counts the keys in the store, or raises StoreUnavailable; `now` is Unix time in seconds."""
        self._embedded, self._database, self._reports = embedded, database, reports
        self._keys, self._now = keys, now
        self._seen_s: float | None = None
        self._since_s: float | None = None
        self._told: set[str] = set()

    def since_s(self) -> float | None:
        """Return since when, in Unix seconds, files were found lost; None once all workers go on with those there."""
        return self._since_s

    def look(self) -> None:
        """Take up the files that are there, where they are not those in use; called each second."""
        if self._embedded.lost() or self._database.lost():
            self._seen_s = self._now()
            self._since_s = self._since_s or self._seen_s
            self._replace()
        elif self._seen_s is not None and self._now() - self._seen_s >= NOT_READY_S:
            self._seen_s = self._since_s = None
            while self._told:
                self._reports.report(self._told.pop(), False)

    def _replace(self) -> None:
        lost = f"{self._embedded.opened_id} {self._database.opened_id}"
        counters, keys = self._embedded.lost(), self._database.lost()
        told = []
        try:
            if counters:
                is_whole = self._embedded.take_up()
                told.append("Requests counted so far " + ("still count" if is_whole else "are forgotten"))
        except STORE_FAULTS as fault:
            if self._is_news(f"no files for {lost}"):
                logger.error("%s: %s. %s", _named(counters, keys), NO_FILES, fault)
            return
        if keys:
            before = self._count()
            self._database.take_up()
            told.append(f"The key store had {before} keys and has {self._count()} now: the others are lost")
        if self._is_news(f"files for {lost}"):
            logger.error("%s: %s. %s", _named(counters, keys), TAKEN_UP, ". ".join(told))

    def _is_news(self, name: str) -> bool:
        """Tell whether no other worker has told it; workers share the files that they lose, and those they take up."""
        self._told.add(name)
        return self._reports.report(name, True)

    def _count(self) -> str:
        with suppress(StoreUnavailable):
            return str(self._keys())
        return "unknown"


def _named(*paths: Path | None) -> str:
    return " and ".join(str(path.absolute()) for path in paths if path)


def seconds_to_look() -> float:
    """Return how long to wait for the next instant at which all processes of the machine look."""
    return LOOK_EACH_S - time.monotonic() % LOOK_EACH_S
