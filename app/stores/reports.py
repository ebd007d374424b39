"""What the workers of one gateway report of what they share: whether it is so, since when, and if that is news."""

import os
import time
from array import array
from collections.abc import Callable

import lmdb

from app.stores.embedded import REPORT, STORE_FAULTS, EmbeddedStore
from app.stores.processes import Worker, is_alive, started, this_worker


class Reports:
    """Of workers with one master: what an earlier run has reported, or another gateway in the folder, is not theirs.

    Something is so as long as a living worker says so. What was told last is kept beside it, so that workers who
    find something out one after the other, or after another's death, make one line in the log.
    """

    def __init__(
        self,
        store: EmbeddedStore,
        worker: Worker | None = None,
        master: Worker | None = None,
        is_alive: Callable[[Worker], bool] = is_alive,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` is Unix time in seconds."""
        self._store, self._is_alive, self._now = store, is_alive, now
        self._worker = worker or this_worker()
        pid, start = master or (os.getppid(), started(os.getppid()))
        self._prefix = REPORT + f"{pid} {start} ".encode()

    def report(self, name: str, is_so: bool) -> bool:
        """Note what this worker finds; tells whether that is news to the gateway."""
        try:
            with self._store.reading() as txn:
                _, reported = self._read(txn, name)
            dead = [worker for worker in reported if not self._is_alive(worker)]
            with self._store.writing() as txn:
                told, reported = self._read(txn, name)
                for worker in (*dead, *(() if is_so else (self._worker,))):
                    reported.pop(worker, None)
                if is_so:
                    reported.setdefault(self._worker, int(self._now()))
                rows = (number for worker, since_s in reported.items() for number in (*worker, since_s))
                txn.put(self._prefix + name.encode(), array("q", (bool(reported), *rows)))
        except STORE_FAULTS:
            return True  # Better told twice than not at all.
        return told != bool(reported)

    def since_s(self, name: str) -> float | None:
        """Return since when it is so, in Unix seconds; None when it is not."""
        with self._store.reading() as txn:
            _, reported = self._read(txn, name)
        return min((float(since_s) for worker, since_s in reported.items() if self._is_alive(worker)), default=None)

    def _read(self, txn: "lmdb.Transaction[bytes]", name: str) -> tuple[bool, dict[Worker, int]]:
        """The record is a row of numbers: what was told last, then for each worker pid, start and since when."""
        told, *numbers = array("q", txn.get(self._prefix + name.encode(), b"")) or (0,)
        rows = iter(numbers)
        return bool(told), {(pid, start): since_s for pid, start, since_s in zip(rows, rows, rows, strict=True)}
