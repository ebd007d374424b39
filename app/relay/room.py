"""How many exchanges one upstream may hold at a time, so that a dead one leaves room for the others."""

from app.errors import UpstreamOverloaded
from app.settings.gateway import MOST_WAITING

# As many as may wait, if nobody says otherwise: what streams is alive, but must not take every place.
MOST_OPEN = MOST_WAITING


class Room:
    """The places of one worker at one upstream; an exchange enters, is answered, and leaves."""

    __slots__ = ("_most_open", "_most_waiting", "_open", "_waiting")

    def __init__(self, most_waiting: int = MOST_WAITING, most_open: int = MOST_OPEN) -> None:
        self._most_waiting = most_waiting
        self._most_open = most_open
        self._waiting = 0
        self._open = 0

    def enter(self) -> None:
        """Take a place among those who wait for an answer to begin. Raises UpstreamOverloaded at once if none is free.

        Call `answered` or `gave_up`, whichever comes, then, after `answered`, `leave`.
        """
        if self._waiting >= self._most_waiting or self._open >= self._most_open:
            raise UpstreamOverloaded("Too many requests are waiting for this upstream; try again.")
        self._waiting += 1
        self._open += 1

    def answered(self) -> None:
        self._waiting -= 1

    def gave_up(self) -> None:
        self._waiting -= 1
        self._open -= 1

    def leave(self) -> None:
        self._open -= 1


class Place:
    """One exchange's place in a room, taken here; raises UpstreamOverloaded where none is free."""

    __slots__ = ("_is_left", "_is_waiting", "_room")

    def __init__(self, room: Room) -> None:
        room.enter()
        self._room = room
        self._is_waiting = True
        self._is_left = False

    def answered(self) -> None:
        """Make room for another who waits; call it once."""
        self._is_waiting = False
        self._room.answered()

    def leave(self) -> None:
        """Give the place back, answered or not; harmless when that was done."""
        if self._is_left:
            return
        self._is_left = True
        if self._is_waiting:
            self._room.gave_up()
        else:
            self._room.leave()
