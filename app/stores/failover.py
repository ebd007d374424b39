"""Windows that machines share, with the machine's own beside them, which decide alone when they must.

The machine's own are asked first and always, so they know every request that was admitted here. Whichever of
the two was away or has forgotten: no machine alone ever admits more than a key's limit.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import gevent
from redis.exceptions import RedisError

from app.limit_errors import LimiterUnavailable
from app.stores.circuit_breaker import CircuitBreaker, Server
from app.stores.windows import WINDOW_S, Standing, Windows

# What a call raises that did not get through, or got an answer that is none.
UNANSWERED = (RedisError, OSError, ValueError)
GONE = "Redis is away, requests are counted on this machine alone"
BACK = "Redis is back, requests are counted there again"
# Keys of which the server's last word is kept.
REMEMBERED = 10_000


class SharedWindows(Protocol):
    """Windows in a server; a call counts, or raises one of UNANSWERED within some 0.1 s."""

    def acquire(self, name: str, limit: int, window_s: int = ..., amount: int = ...) -> Standing:
        """Admit and count `amount` requests at once, or refuse and count nothing."""

    def clear(self, name: str) -> None:
        """Forget what was counted for the key."""

    def probe(self) -> None:
        """Make sure that the server answers and counts."""

    def close(self) -> None:
        """Let go of its connections."""


class FailoverWindows:
    """Admits what both windows admit; what the machine's own admit, while the shared ones are away."""

    def __init__(
        self,
        own: Windows,
        shared: SharedWindows,
        report: Callable[[bool], bool],
        is_refusing: bool = False,
        wait: Callable[[float], None] = gevent.sleep,
    ) -> None:
        """`report` as `CircuitBreaker` wants it; `is_refusing` is `on_limiter_failure: refuse`."""
        self._own, self._shared, self._is_refusing = own, shared, is_refusing
        self._told: dict[str, tuple[Standing, float]] = {}
        self._breaker = CircuitBreaker(Server(shared.probe, UNANSWERED, GONE, BACK), report, wait)
        self._breaker.look()

    @property
    def is_degraded(self) -> bool:
        """Whether this worker does without the shared windows."""
        return self._breaker.is_open

    def acquire(self, name: str, limit: int, window_s: int = WINDOW_S, amount: int = 1) -> Standing:
        """Admit and count `amount` requests at once, or refuse and count nothing.

        Raises LimiterUnavailable when the machine's own windows fail; when refusing, also without the shared.
        """
        if self.is_degraded and self._is_refusing:
            raise LimiterUnavailable("Requests cannot be counted now.")
        own = self._own.acquire(name, limit, window_s, amount)
        if not own.is_admitted:
            return own
        if self.is_degraded:
            return self._alone(name, own, window_s, amount)
        try:
            shared = self._shared.acquire(name, limit, window_s, amount)
        except UNANSWERED as fault:
            self._breaker.open(fault)
            if not self._is_refusing:
                return self._alone(name, own, window_s, amount)
            self._give_back(name, own, window_s, amount)
            raise LimiterUnavailable("Requests cannot be counted now.") from fault
        self._remember(name, shared)
        if shared.is_admitted:
            return min(shared, own, key=lambda standing: standing.remaining)
        self._give_back(name, own, window_s, amount)
        return shared

    def peek(self, name: str, limit: int, window_s: int = WINDOW_S) -> Standing:
        """Return where the key stands now, as far as this worker knows without asking the server.

        Raises LimiterUnavailable as `acquire` does: what a key is refused for is not its standing.
        """
        if self.is_degraded and self._is_refusing:
            raise LimiterUnavailable("Requests cannot be counted now.")
        own = self._own.peek(name, limit, window_s)
        shared, at_s = self._told.get(name, (own, 0.0))
        left_s = shared.reset_s - (time.monotonic() - at_s)
        is_known = not self.is_degraded and shared.limit == limit and left_s > 0
        return replace(shared, reset_s=left_s) if is_known and shared.remaining < own.remaining else own

    def clear(self, name: str) -> None:
        """Forget what was counted for the key."""
        self._own.clear(name)
        self._shared.clear(name)

    def close(self) -> None:
        self._breaker.end()
        self._shared.close()

    def _alone(self, name: str, own: Standing, window_s: int, amount: int) -> Standing:
        """Return what holds without the shared windows: if they were full, no place is free before they said so."""
        told, at_s = self._told.get(name, (own, 0.0))
        left_s = told.reset_s - (time.monotonic() - at_s)
        if told is own or told.limit != own.limit or told.remaining >= amount or left_s <= 0:
            return own
        self._give_back(name, own, window_s, amount)
        return replace(told, is_admitted=False, reset_s=left_s)

    def _remember(self, name: str, told: Standing) -> None:
        self._told.pop(name, None)
        self._told[name] = told, time.monotonic()
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    def _give_back(self, name: str, own: Standing, window_s: int, amount: int) -> None:
        for _ in range(amount):
            self._own.give_back(name, own.stamp_ns, window_s)
