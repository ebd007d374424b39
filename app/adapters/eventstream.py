"""AWS event stream messages: length-prefixed frames with typed headers and two checksums.

Format: "Amazon Event Stream Specification" (smithy.io/2.0/aws/amazon-eventstream.html, 2026); read by every AWS SDK.

    total length u32 | headers length u32 | CRC-32 of both | headers | payload | CRC-32 of all before
"""

import json
from functools import lru_cache
from struct import pack
from typing import Any
from zlib import crc32

from app.fields import Fields

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE_BYTES = 12
_CRC_BYTES = 4
_STRING = 7  # the header type of UTF-8 text
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make one a message


def message(headers: Fields, payload: bytes) -> bytes:
    """Return one message; all its headers are strings."""
    return _message(_header_block(tuple(headers)), payload)


def event(name: str, payload: Any) -> bytes:
    """Return an event of a stream in the Smithy protocol of JSON, `name` being a member of the stream's union."""
    return message(_labels("event", name), _json(payload))


def exception(name: str, payload: Any) -> bytes:
    """Return the message that ends a stream with an error that the stream's union knows by this name."""
    return message(_labels("exception", name), _json(payload))


def _labels(kind: str, name: str) -> Fields:
    return [(f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind)]


def _json(payload: Any) -> bytes:
    return _ENCODER.encode(payload).encode()


def _message(headers: bytes, payload: bytes) -> bytes:
    lengths = pack("!II", _PRELUDE_BYTES + len(headers) + len(payload) + _CRC_BYTES, len(headers))
    framed = b"".join((lengths, pack("!I", crc32(lengths)), headers, payload))
    return framed + pack("!I", crc32(framed))


@lru_cache(maxsize=64)
def _header_block(headers: tuple[tuple[str, str], ...]) -> bytes:
    # A stream has thousands of messages, and a handful of different headers.
    return b"".join(_header(name.encode(), value.encode()) for name, value in headers)


def _header(name: bytes, value: bytes) -> bytes:
    return pack(f"!B{len(name)}sBH", len(name), name, _STRING, len(value)) + value
