"""Reads messages that are plain beyond doubt, quickly. h11 is the judge of all others: `Odd` sends them there.

Plain is: HTTP/1.1, an unfolded field a line in printable ASCII, one length or one plain chunked coding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELDS = rb"((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
ANSWER = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [ -~]*\r\n" + FIELDS)
REQUEST = re.compile(rb"(?:GET|HEAD|POST) (/[!-~]*) HTTP/1\.1\r\n(?=Host: [!-~]+\r\n)" + FIELDS)
LENGTH = re.compile(rb"(?im)^content-length: ([0-9]{1,9})\r$")
FRAMING = re.compile(rb"(?im)^(?:content-length|transfer-encoding): ")
HOST = re.compile(rb"(?im)^host: ")
CHUNKED = re.compile(rb"(?m)^Transfer-Encoding: chunked\r$")
CHUNK = re.compile(rb"([1-9a-f][0-9a-f]{0,6})\r\n")
LAST_CHUNK = b"0\r\n\r\n"


class Odd(Exception):
    """Not plain: it may be right all the same, or not be at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is here to its last octet; `end` is where that stands."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    end: int
    is_last: bool


def answer(octets: bytes, method: str) -> Answer | None:
    """Return the answer to such a request that these octets begin with; None while more is needed."""
    head = ANSWER.match(octets)
    if head is None:
        if b"\r\n\r\n" in octets:
            raise Odd
        return None
    status, lines, start = int(head[1]), head[2], head.end()
    framings, length, is_chunked = len(FRAMING.findall(lines)), LENGTH.search(lines), CHUNKED.search(lines)
    if framings > 1 or (framings and not length and not is_chunked):
        raise Odd
    if method == "HEAD" or status in (204, 304):
        body, end = b"", start
    elif length:
        end = start + int(length[1])
        if len(octets) < end:
            return None
        body = octets[start:end]
    elif is_chunked:
        unchunked = _unchunked(octets, start)
        if unchunked is None:
            return None
        body, end = unchunked
    else:
        raise Odd
    fields = [_field(line) for line in lines.decode().split("\r\n")[:-1]]
    options = [value for name, value in fields if name == "connection"]
    if options not in ([], ["close"], ["keep-alive"]):
        raise Odd
    return Answer(status, fields, body, end, is_last=options == ["close"])


def request(octets: bytes) -> tuple[str, bytes, int, int] | None:
    """Return target, field lines, where the body begins and where it ends; None while the head is not whole."""
    head = REQUEST.match(octets)
    if head is None or len(HOST.findall(head[2])) != 1:
        if b"\r\n\r\n" in octets:
            raise Odd
        return None
    lines, start = head[2], head.end()
    if (framings := len(FRAMING.findall(lines))) == 0:
        return head[1].decode(), lines, start, start
    length = LENGTH.search(lines)
    if length is None or framings > 1:
        raise Odd
    return head[1].decode(), lines, start, start + int(length[1])


def _unchunked(octets: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the body whose first chunk stands there, and where its last one ends."""
    pieces = []
    while not octets.startswith(LAST_CHUNK, at):
        size = CHUNK.match(octets, at)
        if size is None:
            if len(octets) - at > 9 or not _may_become_chunk(octets[at:]):
                raise Odd
            return None
        at = size.end() + int(size[1], 16)
        if len(octets) < at + 2:
            return None
        if octets[at : at + 2] != b"\r\n":
            raise Odd
        pieces.append(octets[size.end() : at])
        at += 2
    return b"".join(pieces), at + len(LAST_CHUNK)


def _may_become_chunk(rest: bytes) -> bool:
    return LAST_CHUNK.startswith(rest) or rest.rstrip(b"\r").isalnum() or not rest


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value
