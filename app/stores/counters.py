"""Everything that is counted per key, behind one door."""

from app.stores.embedded import EmbeddedStore
from app.stores.failover import FailoverWindows
from app.stores.parallel import Parallel
from app.stores.redis_windows import RedisWindows
from app.stores.windows import Standing, Windows


class Counters:
    """The counters of one worker. All calls may raise LimiterUnavailable, except `end` and `close`."""

    def __init__(self, embedded: EmbeddedStore, redis_url: str | None = None, is_refusing: bool = False) -> None:
        """Without `redis_url` the machine counts for itself.

        With it, so it does while that server is away, or refuses everything (`is_refusing`).
        """
        own = Windows(embedded)
        self._failover: FailoverWindows | None = None
        if redis_url:
            self._failover = FailoverWindows(own, RedisWindows(redis_url), embedded.announce, is_refusing)
        self.windows = self._failover or own
        self._parallel = Parallel(embedded)

    @property
    def is_degraded(self) -> bool:
        """Whether machines that should count together do not, as their server is away."""
        return self._failover is not None and self._failover.is_degraded

    def acquire(self, name: str, limit: int) -> Standing:
        """Admit and count one request of the last 60 s, or refuse it and count nothing."""
        return self.windows.acquire(name, limit)

    def peek(self, name: str, limit: int) -> Standing:
        """Return where the key stands now."""
        return self.windows.peek(name, limit)

    def begin(self, name: str, limit: int) -> bool:
        """Tell whether one more may be under way on this machine, and count it if so; `end` must follow then."""
        return self._parallel.begin(name, limit)

    def end(self, name: str) -> None:
        """Count one less under way."""
        self._parallel.end(name)

    def close(self) -> None:
        """Let go of the shared server; the embedded store belongs to who opened it."""
        if self._failover is not None:
            self._failover.close()
