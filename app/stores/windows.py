"""Moving windows: never more than n admitted in any 60 s, over all processes that share the store."""

from dataclasses import dataclass

from app.limit_errors import LimiterUnavailable
from app.stores.embedded import STORE_FAULTS, EmbeddedStore
from app.stores.stamps import OPEN, Stamps, sweep

WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands after one request."""

    is_admitted: bool
    limit: int
    remaining: int
    reset_s: float
    """When admitted: until the oldest request counted leaves the window. When refused: until one would pass."""
    stamp_ns: int = 0
    """When it was admitted, on the clock of the store."""


class Windows:
    """The moving windows of an embedded store."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store, self._clock = store, store.clock
        self._swept = OPEN

    def acquire(self, name: str, limit: int, window_s: int = WINDOW_S, amount: int = 1) -> Standing:
        """Admit and count `amount` requests at once, or refuse and count nothing.

        `name` has at most 400 octets. The limit of this call is what counts, whatever it was before.
        Raises LimiterUnavailable when the store fails.
        """
        if amount > limit:
            return Standing(False, limit, 0, float(window_s))
        try:
            with self._store.writing() as txn:
                now = self._clock()  # Read under the lock: stamps are in order, whoever writes them.
                stamps = Stamps(txn, name, now, window_s)
                free = limit - len(stamps)
                if free < amount:
                    return Standing(False, limit, max(free, 0), stamps.leaves_s(amount - free - 1))
                stamps.append(now, amount)
                if stamps.is_new:
                    self._swept = sweep(txn, self._swept, now)
                return Standing(True, limit, free - amount, stamps.leaves_s(0), now)
        except STORE_FAULTS as fault:
            raise LimiterUnavailable("The requests of this key cannot be counted now.") from fault

    def give_back(self, name: str, stamp_ns: int, window_s: int = WINDOW_S) -> None:
        """Take out of the count one that was admitted at that time: it was refused after all."""
        try:
            with self._store.writing() as txn:
                Stamps(txn, name, self._clock(), window_s).remove(stamp_ns)
        except STORE_FAULTS as fault:
            raise LimiterUnavailable("The requests of this key cannot be counted now.") from fault

    def peek(self, name: str, limit: int, window_s: int = WINDOW_S) -> Standing:
        """Return where the key stands now, without counting anything; `is_admitted` tells whether one would be."""
        if not limit:
            return Standing(False, 0, 0, float(window_s))
        try:
            with self._store.reading() as txn:
                stamps = Stamps(txn, name, self._clock(), window_s)
                free = limit - len(stamps)
                if not len(stamps):
                    return Standing(True, limit, limit, 0.0)
                return Standing(free > 0, limit, max(free, 0), stamps.leaves_s(max(0, -free)))
        except STORE_FAULTS as fault:
            raise LimiterUnavailable("The requests of this key cannot be counted now.") from fault

    def clear(self, name: str) -> None:
        """Forget what was counted for the key."""
        with self._store.writing() as txn:
            Stamps(txn, name, self._clock(), WINDOW_S).clear()
