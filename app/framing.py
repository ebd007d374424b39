"""Takes bodies out of their framing, whatever pieces they arrive in; no I/O.

Used for both directions. Reading is strict (RFC 9112): octets that two parsers could read differently are
refused, because what follows them on the connection may belong to someone else.
"""

from collections.abc import Callable
from re import compile as compile_pattern
from typing import Protocol

from app.fields import Fields

MAX_CHUNK_LINE_BYTES = 8 * 1024
MAX_TRAILER_BYTES = 8 * 1024
# Of a line without an end; what is longer is hopeless.
MAX_HELD_BYTES = min(MAX_CHUNK_LINE_BYTES, MAX_TRAILER_BYTES)
END_OF_HEAD = b"\r\n\r\n"

# RFC 9112 §5 and RFC 9110 §5.5: token ":" OWS field-value OWS CRLF; no folding, no control characters.
# The value is taken with the white space around it: leaving that out here would take quadratic time.
# Possessive, so that no octet is read twice.
TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD_VALUE = r"[\t \x21-\x7e\x80-\xff]*+"
FIELD_LINE = compile_pattern(rf"({TOKEN}):({FIELD_VALUE})\r\n".encode())
# All fields of a head, in the text that latin-1 makes of the octets.
FIELD_SECTION = compile_pattern(rf"(?:{TOKEN}:{FIELD_VALUE}\r\n)*+")
# RFC 9112 §7.1: chunk-size [ chunk-ext ] CRLF; sixteen digits are more octets than anyone has.
CHUNK_SIZE = rb"([0-9A-Fa-f]{1,16})"
CHUNK_LINE = compile_pattern(CHUNK_SIZE + rb"(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?\r\n")
# The same with the whole grammar of extensions, *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
# (§7.1.1).
QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
STRICT_CHUNK_LINE = compile_pattern(
    CHUNK_SIZE + rf"(?:[ \t]*+;[ \t]*+{TOKEN}(?:[ \t]*+=[ \t]*+(?:{TOKEN}|{QUOTED}))?+)*+\r\n".encode()
)
# RFC 9110 §6.5.1: what frames, routes or authenticates a message cannot come after it.
NOT_IN_TRAILERS = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie host"
    b" proxy-authorization set-cookie te trailer transfer-encoding".split()
)


class Malformed(ValueError):
    """These octets are not HTTP/1.1; the message says what is wrong and never quotes them."""


def field_section(text: str, start: int) -> Fields:
    """Return the fields that stand in the text of a head from there on, up to the empty line that ends it.

    Values are without the white space around them. Raises Malformed. One match for all lines takes half the time
    of a match for each.
    """
    end = len(text) - 2
    if FIELD_SECTION.fullmatch(text, start, end) is None:
        raise Malformed("it has a header line that breaks the grammar of RFC 9112 section 5")
    parted = (line.partition(":") for line in text[start : end - 2].split("\r\n")) if start < end else ()
    return [(name, value.strip(" \t")) for name, _, value in parted]


class Beginning:
    """What has arrived of a head that is not whole yet: each octet is looked at once, however small the pieces are."""

    __slots__ = ("octets",)

    def __init__(self) -> None:
        self.octets = bytearray()

    def add(self, octets: bytes) -> int:
        """Return where the lines of the head end, the empty one still behind it; -1 while that has not arrived.

        Raises Malformed where a line ends in LF alone: no more octets can mend that, so why wait for them?
        """
        known = len(self.octets)
        self.octets += octets
        end = self.octets.find(END_OF_HEAD, max(0, known - 3))
        if end < 0 and octets.count(b"\n") != self.octets.count(b"\r\n", max(0, known - 1)):
            raise Malformed("it has a line that does not end in CRLF")
        return end


class BodyDecoder(Protocol):
    """Takes a body out of its framing, whatever pieces it arrives in."""

    is_complete: bool
    fault: Malformed | None
    """What is wrong behind the octets given out last; the next `decode` raises it."""

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        """Return (body octets in these, what follows the body); raises Malformed on broken framing.

        Good octets in front of the broken framing are given out first.
        """

    def at_eof(self) -> bool:
        """Tell whether the body is whole if the connection ends now."""


class LengthDecoder:
    """A body of a known number of octets."""

    fault: Malformed | None = None

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
    fault: Malformed | None = None

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        return octets, b""

    def at_eof(self) -> bool:
        return True


# Takes (decoder, octets, start, body so far); returns the position behind what it read, None for want of more octets.
_Step = Callable[["ChunkedDecoder", bytes, int, list[bytes]], int | None]


class ChunkedDecoder:
    """A chunked body (RFC 9112 §7.1); its trailer section is read and dropped (RFC 9110 §6.5.1).

    `refused_trailers` are lower-case names of fields that make the body Malformed when they come behind it. Extensions
    are dropped, too; `checks_extensions` makes broken ones Malformed, where others read them to find a body's end.
    """

    def __init__(self, refused_trailers: frozenset[bytes] = frozenset(), *, checks_extensions: bool = False) -> None:
        self.is_complete = False
        self.fault: Malformed | None = None
        self._refused_trailers = refused_trailers
        self._chunk_line = STRICT_CHUNK_LINE if checks_extensions else CHUNK_LINE
        self._held = b""
        self._missing = 0
        # A function and no bound method: the decoder would hold itself.
        self._step: _Step = ChunkedDecoder._size_line
        self._trailer_bytes = 0

    def decode(self, octets: bytes) -> tuple[bytes, bytes]:
        if self.fault is not None:
            raise self.fault
        body: list[bytes] = []
        if self._held:
            is_unended = self._step is not ChunkedDecoder._data_end and b"\n" not in octets
            octets = self._held + octets
            if is_unended and len(octets) <= MAX_HELD_BYTES:
                # A line that comes octet by octet is not matched anew with each of them.
                self._held = octets
                return b"", b""
        self._held, rest = b"", b""
        try:
            rest = self._walk(octets, body)
        except Malformed as fault:
            if not body:
                raise
            self.fault = fault
        return body[0] if len(body) == 1 else b"".join(body), rest

    def _walk(self, octets: bytes, body: list[bytes]) -> bytes:
        """Take the octets step by step, the body's into `body`; return what follows the body's end."""
        start = 0
        while not self.is_complete:
            if start == len(octets):
                return b""
            position = self._step(self, octets, start, body)
            if position is None:
                self._held = octets[start:]
                return b""
            start = position
        return octets[start:]

    def at_eof(self) -> bool:
        return self.is_complete

    def _size_line(self, octets: bytes, start: int, body: list[bytes]) -> int | None:
        line = self._chunk_line.match(octets, start)
        if line is None:
            _refuse_hopeless(octets, start, MAX_CHUNK_LINE_BYTES, "a chunk size")
            return None
        size, begin = int(line[1], 16), line.end()
        if size and octets[begin + size : begin + size + 2] == b"\r\n":  # all of it is here, as events mostly are
            body.append(octets[begin : begin + size])
            return begin + size + 2
        self._missing = size
        self._step = ChunkedDecoder._data if size else ChunkedDecoder._trailer
        return begin

    def _data(self, octets: bytes, start: int, body: list[bytes]) -> int | None:
        if start == len(octets):
            return None
        piece = octets[start : start + self._missing]
        body.append(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._step = ChunkedDecoder._data_end
        return start + len(piece)

    def _data_end(self, octets: bytes, start: int, _body: list[bytes]) -> int | None:
        found = octets[start : start + 2]
        if not b"\r\n".startswith(found):
            raise Malformed("a chunk is longer than its size says")
        if len(found) < 2:
            return None
        self._step = ChunkedDecoder._size_line
        return start + 2

    def _trailer(self, octets: bytes, start: int, _body: list[bytes]) -> int | None:
        if octets.startswith(b"\r\n", start):
            self.is_complete = True
            return start + 2
        line = FIELD_LINE.match(octets, start)
        if line is None:
            _refuse_hopeless(octets, start, MAX_TRAILER_BYTES, "a trailer field")
            return None
        if line[1].lower() in self._refused_trailers:
            raise Malformed("its trailer section has a field that belongs before the body")
        self._trailer_bytes += line.end() - start
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise Malformed("its trailer section is too long")
        return line.end()


def _refuse_hopeless(octets: bytes, start: int, limit: int, what: str) -> None:
    """Raise Malformed for an unfinished line that no more octets can put right."""
    if octets.find(b"\n", start) >= 0 or len(octets) - start > limit:
        raise Malformed(f"{what} in it breaks the grammar of RFC 9112 section 7.1")
