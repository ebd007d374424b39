"""How many requests of a key are under way, over all workers of the machine."""

import logging
from array import array
from collections.abc import Callable

import lmdb

from app.limit_errors import LimiterUnavailable
from app.stores.embedded import PARALLEL, STORE_FAULTS, EmbeddedStore
from app.stores.processes import Worker, is_alive, this_worker

logger = logging.getLogger("tollhouse")


class Parallel:
    """Counts for one worker beside those of the others; what a killed worker had under way is not counted."""

    def __init__(
        self, store: EmbeddedStore, worker: Worker | None = None, is_alive: Callable[[Worker], bool] = is_alive
    ) -> None:
        self._store = store
        self._worker = worker or this_worker()
        self._is_alive = is_alive

    def begin(self, name: str, limit: int) -> bool:
        """Tell whether one more may start, and count it if so; `end` must follow then.

        Raises LimiterUnavailable when the store fails.
        """
        try:
            others = self._begin(name, limit, frozenset())
            if others is None:
                return True
            # Asked outside of the transaction, in which nothing may wait.
            dead = frozenset(worker for worker in others if not self._is_alive(worker))
            return bool(dead) and self._begin(name, limit, dead) is None
        except STORE_FAULTS as fault:
            raise LimiterUnavailable("The requests of this key cannot be counted now.") from fault

    def end(self, name: str) -> None:
        """Count one less. A store that fails is only logged: the answer has been sent."""
        try:
            with self._store.writing() as txn:
                counts = _counts(txn, name)
                counts[self._worker] = counts.get(self._worker, 0) - 1
                _save(txn, name, counts)
        except STORE_FAULTS as fault:
            logger.error("the end of a request could not be counted: %s", fault)

    def count(self, name: str) -> int:
        """Return how many are under way, those of workers that have died since included."""
        with self._store.reading() as txn:
            return sum(_counts(txn, name).values())

    def _begin(self, name: str, limit: int, dead: frozenset[Worker]) -> list[Worker] | None:
        """Count one more, the dead left out; or change nothing and return the other workers that have some."""
        with self._store.writing() as txn:
            counts = {worker: count for worker, count in _counts(txn, name).items() if worker not in dead}
            if sum(counts.values()) >= limit:
                return [worker for worker in counts if worker != self._worker]
            counts[self._worker] = counts.get(self._worker, 0) + 1
            _save(txn, name, counts)
        return None


def _counts(txn: "lmdb.Transaction[bytes]", name: str) -> dict[Worker, int]:
    """The record is a row of numbers: pid, start, count; pid, start, count; …"""
    numbers = iter(array("q", txn.get(PARALLEL + name.encode(), b"")))
    return {(pid, start): count for pid, start, count in zip(numbers, numbers, numbers, strict=True)}


def _save(txn: "lmdb.Transaction[bytes]", name: str, counts: dict[Worker, int]) -> None:
    row = array("q", (number for worker, count in counts.items() if count > 0 for number in (*worker, count)))
    if row:
        txn.put(PARALLEL + name.encode(), row)
    else:
        txn.delete(PARALLEL + name.encode())
