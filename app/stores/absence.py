"""Whether a server is away, and the look-out that notices when it is back."""

import logging
from collections.abc import Callable

import gevent
from redis.exceptions import RedisError

logger = logging.getLogger("tollhouse")

LOOK_EACH_S = 1.0

# What a call raises that did not get through, or got an answer that is none.
UNANSWERED = (RedisError, OSError, ValueError)


class Absence:
    """Known to all requests of this worker, so that only the first few wait for a server that is away."""

    def __init__(
        self,
        probe: Callable[[], None],
        announce: Callable[[bool], bool],
        wait: Callable[[float], None] = gevent.sleep,
    ) -> None:
        """`probe` raises one of UNANSWERED as long as the server is away.

        `announce(is_away)` tells whether this is news to the machine, whose workers find out one after the
        other: then it is worth its one line in the log.
        """
        self._probe, self._announce, self._wait = probe, announce, wait
        self._look_out: gevent.Greenlet | None = None
        self.is_away = False

    def look(self) -> None:
        """Find out now, waiting for the answer."""
        try:
            self._probe()
        except UNANSWERED as fault:
            self.begins(fault)
        else:
            self._ends()

    def begins(self, fault: Exception) -> None:
        """Count the server as away, until a look-out of its own gets an answer."""
        if self.is_away:
            return
        self.is_away = True
        if self._announce(True):
            logger.error("Redis is away, requests are counted on this machine alone: %s", _told(fault))
        self._look_out = gevent.spawn(self._until_back)

    def close(self) -> None:
        if self._look_out is not None:
            self._look_out.kill(block=False)

    def _until_back(self) -> None:
        while self.is_away:
            self._wait(LOOK_EACH_S)
            try:
                self._probe()
            except UNANSWERED:
                continue
            self._ends()

    def _ends(self) -> None:
        self.is_away = False
        if self._announce(False):
            logger.warning("Redis is back, requests are counted there again")


def _told(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"
