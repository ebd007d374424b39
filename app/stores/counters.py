"""Everything that is counted per key, behind one door."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from app.stores.embedded import EmbeddedStore
from app.stores.parallel import Parallel
from app.stores.reports import Reports
from app.stores.windows import Standing, Windows

if TYPE_CHECKING:
    from app.stores.failover import FailoverWindows

DEGRADED = "limiter degraded"


class Counters:
    """The counters of one worker. All calls may raise LimiterUnavailable, except `end` and `close`."""

    def __init__(
        self,
        embedded: EmbeddedStore,
        redis_url: str | None = None,
        is_refusing: bool = False,
        reports: Reports | None = None,
    ) -> None:
        """Without `redis_url` the machine counts for itself.

        With it, so it does while that server is away, or refuses everything (`is_refusing`).
        """
        self._reports = reports or Reports(embedded)
        self._failover: FailoverWindows | None = None
        own = Windows(embedded)
        if redis_url:
            self._failover = _shared_by(redis_url, own, partial(self._reports.report, DEGRADED), is_refusing)
        self.windows = self._failover or own
        self._parallel = Parallel(embedded)

    def degraded_since_s(self) -> float | None:
        """Since when, in Unix seconds, the machine counts alone what machines should count together.

        None when it does not. One worker that has found the server away is enough.
        """
        return None if self._failover is None else self._reports.since_s(DEGRADED)

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


def _shared_by(redis_url: str, own: Windows, report: Callable[[bool], bool], is_refusing: bool) -> "FailoverWindows":
    # What these load takes 6.5 MB, which a machine for itself need not spend.
    from app.stores.failover import FailoverWindows
    from app.stores.redis_windows import RedisWindows

    return FailoverWindows(own, RedisWindows(redis_url), report, is_refusing)
