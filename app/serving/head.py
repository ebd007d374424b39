"""The head of a client's request, taken apart; no I/O.

Strict (RFC 9112): what two parsers could read differently is refused, because what follows on the connection
may come from someone else. gunicorn's own parser costs four times as much, and so much of it was overruled here
(exact targets, repeats, underscores, when to say 100 Continue) that one short one is easier to follow.
"""

from dataclasses import dataclass
from re import compile as compile_pattern

from app.errors import (
    ExpectationFailed,
    HeadersTooLarge,
    InvalidRequest,
    UnsupportedTransferCoding,
    UriTooLong,
)
from app.fields import Fields
from app.framing import Malformed, field_section

MAX_HEAD_BYTES = 64 * 1024
# Nobody sends a number of octets with more digits, and int() takes quadratic time.
MAX_LENGTH_DIGITS = 18

# RFC 9112 §3. Methods have no lower case (RFC 9110 §9.1 leaves that to registration; gunicorn refuses it, too).
REQUEST_LINE = compile_pattern(r"([!$%&'*+\-.^_`|~0-9A-Z]{3,20}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
# RFC 9110 §5.3: their grammar has one member, so a second field makes the message ambiguous.
ONCE = ("HOST", "CONTENT-TYPE", "CONTENT-LENGTH", "TRANSFER-ENCODING")
BROKEN = "The request breaks the grammar of HTTP/1.1 (RFC 9112)."


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a request head may be; gunicorn's settings of these names, in octets and fields."""

    request_line: int = 8190
    fields: int = 100
    field_size: int = 8190


@dataclass(slots=True)
class RequestHead:
    """A request line and its fields, and what they say about the message."""

    method: str
    target: str
    """As received (RFC 9112 §3.2)."""
    minor_version: int
    """0 or 1; of HTTP/1.2 nobody knows what it will be (RFC 9110 §2.5)."""
    fields: Fields
    """Names in capitals, values without the white space around them, as latin-1; repeats apart, in order."""
    length: int | None = None
    is_chunked: bool = False
    expects_continue: bool = False
    is_last: bool = False
    """The client wants no other request on this connection (RFC 9112 §9.3)."""


def request_head(octets: bytes, limits: Limits) -> RequestHead:
    """Return the head that these octets are, the empty line at their end included.

    Raises the Refusal that says what is wrong, and never quotes the octets.
    """
    text = octets.decode("latin-1")
    line = REQUEST_LINE.match(text)
    if text.find("\r\n") > limits.request_line:
        raise too_long(limits)
    if line is None or not _is_target(line[1], line[2]):
        raise InvalidRequest(BROKEN)
    if line[3] != "1":
        raise InvalidRequest("The HTTP version is not 1.0 or 1.1.")
    fields = _fields(text, line.end(), limits)
    return _understood(RequestHead(line[1], line[2], min(int(line[4]), 1), fields))


def refuse_oversized(octets: bytes | bytearray, limits: Limits) -> None:
    """Raise the Refusal for a beginning that is larger than a head may be: why wait for the rest?"""
    if len(octets) > MAX_HEAD_BYTES:
        raise too_large(limits)
    if len(octets) > limits.request_line + 1 and octets.find(b"\n", 0, limits.request_line + 2) < 0:
        raise too_long(limits)


def too_long(limits: Limits) -> UriTooLong:
    return UriTooLong(f"The request line is longer than {limits.request_line} octets.")


def too_large(limits: Limits) -> HeadersTooLarge:
    return HeadersTooLarge(
        f"The request head has over {limits.fields} fields, one over {limits.field_size} octets, or over 64 KiB in all."
    )


def _is_target(method: str, target: str) -> bool:
    """Tell whether the form of the target is one that the method may have (RFC 9112 §3.2)."""
    if target[0] == "/":
        return True
    return "://" in target or (target == "*" and method == "OPTIONS") or method == "CONNECT"


def _fields(text: str, position: int, limits: Limits) -> Fields:
    if len(text) > MAX_HEAD_BYTES:
        raise too_large(limits)
    try:
        fields = field_section(text, position)
    except Malformed as fault:
        raise InvalidRequest(BROKEN) from fault
    # No line is longer than all of them together, which is all there is to know of most heads.
    if len(fields) > limits.fields or (
        len(text) - position > limits.field_size
        and max(map(len, text[position:].split("\r\n"))) + 2 > limits.field_size
    ):
        raise too_large(limits)
    return [(name.upper(), value) for name, value in fields]


def _understood(head: RequestHead) -> RequestHead:
    """Return the head with what its fields say (RFC 9112 §6.3, §9.3; RFC 9110 §10.1.1)."""
    said = dict(head.fields)
    if len(said) < len(head.fields):
        names = [name for name, _ in head.fields]
        if any(names.count(name) > 1 for name in ONCE):
            raise InvalidRequest(BROKEN)
        said["CONNECTION"] = ",".join(value for name, value in head.fields if name == "CONNECTION")
    connection = said.get("CONNECTION")
    options = {option.strip() for option in connection.lower().split(",")} if connection else ()
    head.is_last = "close" in options or (head.minor_version == 0 and "keep-alive" not in options)
    head.is_last = head.is_last or head.method == "CONNECT"
    _read_framing(head, said.get("CONTENT-LENGTH"), said.get("TRANSFER-ENCODING"))
    if (expectation := said.get("EXPECT")) is not None:
        if expectation.lower() != "100-continue":
            raise ExpectationFailed("The only expectation met is 100-continue.")
        head.expects_continue = head.minor_version == 1
    return head


def _read_framing(head: RequestHead, length: str | None, coding: str | None) -> None:
    if coding is not None:
        codings = [name.strip(" \t") for name in coding.lower().split(",")]
        # Which of the two counts is what smuggled requests live on (RFC 9112 §11.2). Without chunked as the last
        # coding, once, a request has no end (§6.3, §6.1).
        if length is not None or head.minor_version == 0 or codings[-1] != "chunked" or codings.count("chunked") > 1:
            raise InvalidRequest(BROKEN)
        if len(codings) > 1:
            raise UnsupportedTransferCoding("The only transfer coding taken is chunked.")
        head.is_chunked = True
    elif length is not None:
        if not (length.isascii() and length.isdigit()) or len(length) > MAX_LENGTH_DIGITS:
            raise InvalidRequest(BROKEN)
        head.length = int(length)
