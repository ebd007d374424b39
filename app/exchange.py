"""One request with its response: the plain value that the rooms of the house pass along."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.fields import Fields
from app.key_index import NO_KEYS, KeyIndex
from app.principal import Principal

# Where the WSGI environ carries the Exchange from the porch to the rooms.
EXCHANGE = "tollhouse.exchange"


class Outcome(StrEnum):
    """How an exchange ended, as the log line tells it."""

    SERVED = "served"
    REFUSED = "refused"
    UPSTREAM_FAILED = "upstream_failed"
    CLIENT_LEFT = "client_left"


class RequestBody(Protocol):
    """The client's body, on its way in."""

    @property
    def length(self) -> int | None:
        """Octets announced by Content-Length; None where there is none."""

    @property
    def is_chunked(self) -> bool:
        """Its length shows only at its end (RFC 9112 §7.1)."""

    @property
    def is_whole(self) -> bool:
        """All of it was read, or there is none."""

    @property
    def received(self) -> int:
        """Octets read so far, without chunk framing."""

    def arrived(self) -> bytes:
        """Return what is here already, without waiting and without asking for more."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the (other) octets as they arrive.

        Raises ClientLeft when the client breaks off, InvalidRequest when its chunked framing is broken.
        """

    def stop(self) -> None:
        """Take no more of it: what is still to come will be thrown away, not read as a request."""


class NoBody:
    """The body of a request that has none, or that could not be read."""

    length: int | None = None
    is_chunked = False
    is_whole = True
    received = 0

    def arrived(self) -> bytes:
        return b""

    def pieces(self) -> Iterator[bytes]:
        return iter(())

    def stop(self) -> None:
        """There is nothing to stop."""


@dataclass(slots=True, repr=False)  # it holds keys and credentials
class Exchange:
    """Facts about one exchange; times are seconds on the `time.perf_counter` clock."""

    request_id: str
    started_s: float
    method: str
    request_target: str
    fields: Fields
    body: RequestBody
    socket: Any = None
    """The client's connection where the server gives it; its departure is watched there."""
    is_http_1_0: bool = False
    path: str = ""
    query: str | None = None
    route: str | None = None
    error_format: str = "openai"
    status: int = 0
    outcome: Outcome | None = None
    principal: Principal | None = None
    key_alias: str | None = None
    keys_withheld: KeyIndex = NO_KEYS
    """Gateway keys that the request may hold; none of them travels upstream."""
    bytes_out: int = 0
    upstream_status: int | None = None
    upstream_s: float = 0.0
    """From the first octet of the request to the first of the answer, upload included."""
    first_byte_s: float | None = None
    answer_fields: Fields = field(default_factory=list)
    """What the gateway adds to the answer, whoever makes it; the upstream's own x-ratelimit fields come first."""
    endings: list[Callable[[], None]] = field(default_factory=list)
    """Called once each, after the last octet or when the client has left."""
    cause: str | None = None
    """What went wrong, for the operator's log: never a credential, never shown to the client."""
    reason: str | None = None
    """The code of the refusal that ended it, for what is counted by reason."""

    def fail(self, outcome: Outcome, cause: str, reason: str | None = None) -> None:
        """Record how the exchange ends; the first word stands."""
        if self.outcome is None:
            self.outcome, self.cause, self.reason = outcome, cause, reason
