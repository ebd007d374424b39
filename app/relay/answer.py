"""The body of an upstream's answer, read as it arrives."""

from collections.abc import Callable
from re import compile as compile_pattern

from app.errors import GatewayError, UpstreamBroke
from app.framing import BodyDecoder, CloseDecoder, Malformed
from app.postponed import Postponed
from app.relay.connection import Connection, Deadline
from app.relay.http1 import ResponseHead
from app.relay.pool import IDLE_S

KEEP_ALIVE_TIMEOUT = compile_pattern(r"(?:^|[,;\s])timeout=(\d{1,6})")


class UpstreamBody:
    """Reads a body off its connection and passes the connection on when that is safe.

    `keep` takes the connection once the body is whole and nothing follows it; in every other case the
    connection is closed, so that a half-read answer never meets another client.
    """

    def __init__(
        self,
        connection: Connection,
        decoder: BodyDecoder,
        idle_s: float,
        total: Deadline,
        keep: Callable[[Connection], None] | None,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        """`leave` is called once, when the exchange needs the upstream no more."""
        self._connection = connection
        self._decoder = decoder
        self._idle_s = idle_s
        self._total = total
        self._keep = keep
        self._leave = leave
        self._is_over = False
        self._waits = True
        self._interrupt = Postponed()
        if decoder.is_complete:
            self._end(rest=connection.buffered)

    @property
    def is_over(self) -> bool:
        """Whether the body was read to its end, or given up."""
        return self._is_over

    @property
    def may_wait(self) -> bool:
        """Whether more of it is to come, and may not be here yet; what is wrong with it is here."""
        return not self._is_over and self._decoder.fault is None

    @property
    def has_deadline(self) -> bool:
        """Whether it must be over at a certain time, however much comes of it."""
        return self._total.is_set

    def leave_waiting(self) -> None:
        """Have `read1` return b"" from now on where it would wait; `wait` does that then."""
        self._waits = False

    def wait(self, step: Callable[[], bool]) -> bool:
        """Wait for octets, and have the loop call `step` each time there are some, until it tells False.

        Tells False, and raises nothing, where it was interrupted: the next `read1` raises that, as if it had waited.
        """
        try:
            self._connection.wait(self._idle_s, step)
        except BaseException as interrupt:
            self._interrupt.keep(interrupt)
            return False
        return True

    def arrived(self) -> bytes:
        """Return the octets that came along with the head, without waiting; raises UpstreamBroke for bad framing."""
        return self._decoded(self._connection.receive(0.0)) if self._connection.buffered and not self._is_over else b""

    def read1(self, _size: int = -1) -> bytes:
        """Return the next octets as soon as some are here; b"" once the body is whole (see also `leave_waiting`).

        Raises UpstreamBroke when it ends early, stalls or turns out malformed. May wait for as long as
        the idle time-out allows.
        """
        while not self._is_over:
            octets = b"" if self._decoder.fault else self._receive()
            if octets is None:
                return b""
            if not octets and not self._decoder.fault:
                self._at_eof()
            elif piece := self._decoded(octets):
                return piece
        return b""

    def close(self) -> None:
        """Give the body up; does nothing once it was read to its end."""
        if not self._is_over:
            self._is_over = True
            self._leave()
            self._connection.close()

    def _decoded(self, octets: bytes) -> bytes:
        try:
            piece, rest = self._decoder.decode(octets)
        except Malformed as fault:
            raise self._broken(f"the upstream's body cannot be relayed: {fault}") from fault
        if self._decoder.is_complete:
            self._end(rest)
        return piece

    def _receive(self) -> bytes | None:
        try:
            if self._waits:
                return self._connection.receive(self._total.within(self._idle_s))
            self._interrupt.meet()
            return self._connection.receive_now()
        except GatewayError:
            self.close()
            raise
        except TimeoutError as late:
            raise self._broken("the upstream's body stalled for longer than the time-out") from late
        except OSError as fault:
            raise self._broken("the upstream's connection was lost in mid-body") from fault

    def _at_eof(self) -> None:
        if not self._decoder.at_eof():
            raise self._broken("the upstream closed its connection in mid-body")
        self.close()

    def _broken(self, what: str) -> UpstreamBroke:
        self.close()
        return UpstreamBroke(what)

    def _end(self, rest: bytes) -> None:
        self._is_over = True
        self._leave()
        if rest or self._keep is None:
            self._connection.close()
        else:
            self._connection.buffered = b""
            self._keep(self._connection)


def idle_time_s(head: ResponseHead, decoder: BodyDecoder) -> float | None:
    """Return how long the connection may be kept after this answer, or None when it must close.

    RFC 9112 §9.3, and the server's own word in `Keep-Alive: timeout=N` less a second, lest a request
    meet its closing.
    """
    options = {option.strip().lower() for value in head.values("connection") for option in value.split(",")}
    if head.minor_version == 0 or "close" in options or isinstance(decoder, CloseDecoder):
        return None
    hint = KEEP_ALIVE_TIMEOUT.search(", ".join(head.values("keep-alive")))
    return IDLE_S if hint is None else max(0.0, int(hint[1]) - 1.0)
