"""Keeps an upload within `general_settings.max_request_size_mb`."""

from collections.abc import Iterator

from app.errors import RequestTooLarge
from app.exchange import RequestBody


class BoundedUpload:
    """A chunked upload that is refused at the octet that makes it too large."""

    def __init__(self, body: RequestBody, max_bytes: int) -> None:
        self.length: int | None = None
        self.is_chunked = True
        self._body = body
        self._max_bytes = max_bytes

    @property
    def is_whole(self) -> bool:
        return self._body.is_whole

    @property
    def received(self) -> int:
        return self._body.received

    def arrived(self) -> bytes:
        return self._within_bounds(self._body.arrived())

    def pieces(self) -> Iterator[bytes]:
        return map(self._within_bounds, self._body.pieces())

    def _within_bounds(self, piece: bytes) -> bytes:
        if self._body.received > self._max_bytes:
            raise too_large(self._max_bytes)
        return piece

    def stop(self) -> None:
        self._body.stop()


def too_large(max_bytes: int) -> RequestTooLarge:
    """Return the refusal of a body above the limit."""
    return RequestTooLarge(f"The request body is larger than the {max_bytes} octets this gateway takes.")
