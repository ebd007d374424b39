"""HTTP/1.1 as spoken to upstreams: writing a request head, reading a response, no I/O.

Reading is strict (RFC 9112): an answer that two parsers could read differently is refused,
because what follows it on the connection may belong to another client's exchange.
"""

from collections.abc import Callable
from dataclasses import dataclass
from re import compile as compile_pattern
from typing import Protocol

from app.headers import Fields

MAX_HEAD_BYTES = 128 * 1024
MAX_CHUNK_LINE_BYTES = 8 * 1024
MAX_TRAILER_BYTES = 64 * 1024

# RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]. The second space is often left out.
STATUS_LINE = compile_pattern(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?\r\n")
# RFC 9112 §5 and RFC 9110 §5.5: token ":" OWS field-value OWS CRLF; no folding, no control characters.
FIELD_LINE = compile_pattern(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*"
    rb"((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*\r\n"
)
# RFC 9112 §7.1: chunk-size [ chunk-ext ] CRLF; sixteen digits are more octets than anyone has.
CHUNK_LINE = compile_pattern(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t \x21-\x7e\x80-\xff]*)?\r\n")


class Malformed(ValueError):
    """The upstream's octets are not an HTTP/1 response that can be relayed safely."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A status line and its fields, as received; names and values decoded as latin-1."""

    minor_version: int
    status: int
    reason: str
    fields: Fields

    def values(self, name: str) -> list[str]:
        """Return the values of every field of this lower-case name, in order."""
        return [value for field, value in self.fields if field.lower() == name]


def request_head(method: str, target: str, authority: str, fields: Fields) -> bytes:
    """Return the octets of a request head; Host comes first (RFC 9110 §7.2).

    Raises UnicodeEncodeError for what latin-1 cannot carry; settings and gunicorn refuse such text before.
    """
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in fields]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def response_head(head: bytes) -> ResponseHead:
    """Return the head that these octets are, the empty line at their end included.

    Raises Malformed, naming what is wrong and never the octets.
    """
    status_line = STATUS_LINE.match(head)
    if status_line is None:
        raise Malformed("its status line is not HTTP/1.0 or HTTP/1.1")
    fields = []
    position, end = status_line.end(), len(head) - 2
    while position < end:
        line = FIELD_LINE.match(head, position)
        if line is None:
            raise Malformed("it has a header line that breaks the grammar of RFC 9112 section 5")
        fields.append((line[1].decode("latin-1"), line[2].decode("latin-1")))
        position = line.end()
    reason = (status_line[3] or b"").decode("latin-1")
    return ResponseHead(int(status_line[1]), int(status_line[2]), reason, fields)


class BodyDecoder(Protocol):
    """Takes a body out of its framing, whatever pieces it arrives in."""

    is_complete: bool

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        """Return (body octets in these, what follows the body); raises Malformed on broken framing."""

    def at_eof(self) -> bool:
        """Tell whether the body is whole if the connection ends now."""


def body_decoder(head: ResponseHead, method: str) -> BodyDecoder:
    """Return the decoder for the body that follows this head (RFC 9112 §6.3).

    Raises Malformed where the framing is ambiguous: Transfer-Encoding beside Content-Length, a
    coding other than chunked, lengths that differ or are no number.
    """
    codings = head.values("transfer-encoding")
    lengths = {part.strip() for value in head.values("content-length") for part in value.split(",")}
    if codings and (lengths or head.minor_version == 0):
        raise Malformed("it has both Transfer-Encoding and Content-Length, or is chunked HTTP/1.0")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise Malformed("its Transfer-Encoding is not chunked")
    length = _length(lengths)
    if method == "HEAD" or head.status in (204, 304):
        return LengthDecoder(0)
    if codings:
        return ChunkedDecoder()
    return CloseDecoder() if length is None else LengthDecoder(length)


def _length(lengths: set[str]) -> int | None:
    if not lengths:
        return None
    (text, *others) = lengths
    if others or not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Malformed("its Content-Length is not one number")
    return int(text)


class LengthDecoder:
    """A body of a known number of octets."""

    def __init__(self, length: int) -> None:
        self.missing = length
        self.is_complete = length == 0

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        body, rest = (octets, b"") if len(octets) <= self.missing else (octets[: self.missing], octets[self.missing :])
        self.missing -= len(body)
        self.is_complete = self.missing == 0
        return body, rest

    def at_eof(self) -> bool:
        return self.is_complete


class CloseDecoder:
    """A body that ends when the connection does."""

    is_complete = False

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        return octets, b""

    def at_eof(self) -> bool:
        return True


# Takes (octets, start, body so far); returns the position behind what it read, or None for want of more octets.
_Step = Callable[[bytes, int, list[bytes]], int | None]


class ChunkedDecoder:
    """A chunked body (RFC 9112 §7.1); its trailer section is read and dropped (§6.5 allows it)."""

    def __init__(self) -> None:
        self.is_complete = False
        self._held = b""
        self._missing = 0
        self._step: _Step = self._size_line
        self._trailer_bytes = 0

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        body: list[bytes] = []
        octets = self._held + octets if self._held else octets
        position: int | None = 0
        while position is not None and not self.is_complete:
            start = position
            position = self._step(octets, start, body)
            if position is None:
                self._held = octets[start:]
                return b"".join(body), b""
        self._held = b""
        return b"".join(body), octets[position:]

    def at_eof(self) -> bool:
        return self.is_complete

    def _size_line(self, octets: bytes, start: int, _body: list[bytes]) -> int | None:
        line = CHUNK_LINE.match(octets, start)
        if line is None:
            _refuse_hopeless(octets, start, MAX_CHUNK_LINE_BYTES, "a chunk size")
            return None
        self._missing = int(line[1], 16)
        self._step = self._data if self._missing else self._trailer
        return line.end()

    def _data(self, octets: bytes, start: int, body: list[bytes]) -> int | None:
        if start == len(octets):
            return None
        piece = octets[start : start + self._missing]
        body.append(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._step = self._data_end
        return start + len(piece)

    def _data_end(self, octets: bytes, start: int, _body: list[bytes]) -> int | None:
        found = octets[start : start + 2]
        if not b"\r\n".startswith(found):
            raise Malformed("a chunk is longer than its size says")
        if len(found) < 2:
            return None
        self._step = self._size_line
        return start + 2

    def _trailer(self, octets: bytes, start: int, _body: list[bytes]) -> int | None:
        if octets.startswith(b"\r\n", start):
            self.is_complete = True
            return start + 2
        line = FIELD_LINE.match(octets, start)
        if line is None:
            _refuse_hopeless(octets, start, MAX_TRAILER_BYTES, "a trailer field")
            return None
        self._trailer_bytes += line.end() - start
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise Malformed("its trailer section is too long")
        return line.end()


def _refuse_hopeless(octets: bytes, start: int, limit: int, what: str) -> None:
    """Raise Malformed for an unfinished line that no more octets can put right."""
    if octets.find(b"\n", start) >= 0 or len(octets) - start > limit:
        raise Malformed(f"{what} in it breaks the grammar of RFC 9112 section 7.1")
