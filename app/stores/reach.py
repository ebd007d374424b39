"""Whether a store answers, since when it does not, and when to ask it again."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger("tollhouse")

ASK_AGAIN_S = 1.0


class Reach:
    """A breaker: while a store is away one caller a second asks it, and all others need not wait."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`name` is how the log calls the store; `clock` gives seconds that never go back."""
        self._name = name
        self._clock = clock
        self._ask_again_at = 0.0
        self.away_since_s: float | None = None
        """Unix time at which the store was first found away; None while it answers."""

    def may_ask(self) -> bool:
        """Tell whether this caller may ask the store; who is told so reports how it went."""
        if self.away_since_s is None:
            return True
        now = self._clock()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + ASK_AGAIN_S
        return True

    def answered(self) -> None:
        if self.away_since_s is not None:
            logger.warning("the %s answers again", self._name)
            self.away_since_s = None

    def failed(self, why: str) -> None:
        """Record that the store did not answer; `why` goes into the log, once."""
        self._ask_again_at = self._clock() + ASK_AGAIN_S
        if self.away_since_s is None:
            self.away_since_s = time.time()
            logger.error("the %s cannot be reached: %s", self._name, why)
