"""Keeps requests from waiting for a server that is away, and notices when it is back."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import gevent

from app.errors import Refusal

logger = logging.getLogger("tollhouse")

LOOK_EACH_S = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """What a breaker has to know of a server."""

    probe: Callable[[], object]
    """Raises one of the faults as long as the server is away."""
    faults: tuple[type[Exception], ...]
    gone: str
    """What the log says when it is found away, before the reason."""
    back: str


class CircuitBreaker:
    """Open from the first call that fails until a look-out of its own, each second, gets an answer.

    So only the first few requests of a worker wait for a server that is away.
    """

    def __init__(
        self, server: Server, report: Callable[[bool], bool], wait: Callable[[float], None] = gevent.sleep
    ) -> None:
        """`report(is_open)` tells whether that is news to the machine, whose workers find out one after the other.

        Then it is worth its one line in the log.
        """
        self._server, self._report, self._wait = server, report, wait
        self._look_out: gevent.Greenlet | None = None
        self.is_open = False

    def look(self) -> None:
        """Find out now, waiting for the answer."""
        try:
            self._server.probe()
        except self._server.faults as fault:
            self.open(fault)
        else:
            self._close()

    def open(self, fault: BaseException) -> None:
        """Count the server as away."""
        if self.is_open:
            return
        self.is_open = True
        if self._report(True):
            logger.error("%s: %s", self._server.gone, _told(fault))
        self._look_out = gevent.spawn(self._until_back)

    def end(self) -> None:
        """Look no more."""
        if self._look_out is not None:
            self._look_out.kill(block=False)

    def _until_back(self) -> None:
        while self.is_open:
            self._wait(LOOK_EACH_S)
            try:
                self._server.probe()
            except self._server.faults:
                continue
            self._close()

    def _close(self) -> None:
        self.is_open = False
        if self._report(False):
            logger.warning("%s", self._server.back)


def _told(fault: BaseException) -> str:
    """Return the first line of what the server's library says; of a statement's failure what the driver says."""
    cause = fault.__cause__ if isinstance(fault, Refusal) and fault.__cause__ else fault
    return f"{type(cause).__name__}: {getattr(cause, 'orig', None) or cause}".partition("\n")[0]
