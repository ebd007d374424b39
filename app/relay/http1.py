"""HTTP/1.1 as spoken to upstreams: writing a request head, reading a response, no I/O.

Reading is strict (RFC 9112): an answer that two parsers could read differently is refused,
because what follows it on the connection may belong to another client's exchange.
"""

from re import compile as compile_pattern
from typing import NamedTuple

from app.fields import Fields
from app.framing import BodyDecoder, ChunkedDecoder, CloseDecoder, LengthDecoder, Malformed, field_section

MAX_HEAD_BYTES = 128 * 1024

# RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]. The second space is often left out.
STATUS_LINE = compile_pattern(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?\r\n")


class ResponseHead(NamedTuple):
    """A status line and its fields, as received; names and values decoded as latin-1."""

    minor_version: int
    status: int
    reason: str
    fields: Fields
    by_name: dict[str, list[str]]
    """The same fields: lower-case names, and their values in order."""

    def values(self, name: str) -> list[str]:
        """Return the values of every field of this lower-case name, in order."""
        return self.by_name.get(name, [])


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
    text = head.decode("latin-1")
    status_line = STATUS_LINE.match(text)
    if status_line is None:
        raise Malformed("its status line is not HTTP/1.0 or HTTP/1.1")
    fields = field_section(text, status_line.end())
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name.lower(), []).append(value)
    return ResponseHead(int(status_line[1]), int(status_line[2]), status_line[3] or "", fields, by_name)


def body_decoder(head: ResponseHead, method: str) -> BodyDecoder:
    """Return the decoder for the body that follows this head (RFC 9112 §6.3).

    Raises Malformed where the framing is ambiguous: Transfer-Encoding beside Content-Length, a
    coding other than chunked, lengths that differ or are no number.
    """
    codings = head.values("transfer-encoding")
    lengths = {part.strip(" \t") for value in head.values("content-length") for part in value.split(",")}
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
