"""An answer's pieces relayed from the event loop itself, as long as nothing has to be waited for in between.

To wake a greenlet costs as much as to relay an event, where hundreds take turns: by then its stack and its frames have
left the processor's caches. What has come is read and written without that, where both can be done at once.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from app.postponed import Postponed
from app.serving.answer import Answer


class Source(Protocol):
    """Where pieces come from that may have to be waited for."""

    @property
    def may_wait(self) -> bool:
        """More is to come, and may not be here yet."""

    def leave_waiting(self) -> None:
        """Give b"" for a piece that has not come yet, from now on; somebody else waits."""

    def wait(self, step: Callable[[], bool]) -> bool:
        """Wait for octets, and have the loop call `step` each time there are some, until it tells False.

        Tells False, and raises nothing, where it was interrupted: by what, the next piece asked for raises.
        """


class Pump:
    """Takes the pieces of one answer from their source to the client."""

    __slots__ = ("_answer", "_fault", "_pieces", "_source")

    def __init__(self, pieces: Iterator[bytes], source: Source, answer: Answer) -> None:
        self._pieces = pieces
        self._source = source
        self._answer = answer
        self._fault = Postponed()
        source.leave_waiting()

    def run(self) -> None:
        """Return after the last piece; raises what asking for one raises, and OSError of the client's connection."""
        for piece in self._pieces:
            self._answer.write(piece)
            # Back to the loop each time, though more may have come: others have their turn first.
            while self._source.may_wait and self._source.wait(self._step):
                self._fault.meet()
                self._answer.flush()

    def _step(self) -> bool:
        """Relay what has come; tells whether the loop may go on so. Raises nothing: the loop has no use for it."""
        try:
            piece = next(self._pieces, None)
            return piece is not None and self._answer.offer(piece) and self._source.may_wait
        except BaseException as fault:
            self._fault.keep(fault)
            return False
