"""The event of the stream rows: a chunk of a chat completion that carries the moment it was sent."""

from __future__ import annotations

import re
import time

STAMP = re.compile(rb"chatcmpl-(\d{20})")
STAMPED_BYTES = len("chatcmpl-") + 20
EVENT = (
    b'data: {"id":"chatcmpl-%020d","object":"chat.completion.chunk","created":1790000000,"model":"gpt-4o-mini",'
    b'"system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def event() -> bytes:
    """Return an event stamped with this moment, in nanoseconds of the machine's monotonic clock."""
    return EVENT % time.monotonic_ns()


def chunk(octets: bytes) -> bytes:
    """Return the octets as one chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(octets), octets)


def stamps(octets: bytes) -> tuple[list[int], bytes]:
    """Return the moments at which these events were sent, and the rest, where another may be cut in two."""
    found, end = [], 0
    for match in STAMP.finditer(octets):
        found.append(int(match[1]))
        end = match.end()
    return found, octets[max(end, len(octets) - STAMPED_BYTES + 1) :]
