"""Answers as a plain client reads them: by length, or chunk by chunk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, and the body with whatever framing it came in."""

    status: int
    body: bytes


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Return the next answer; raises asyncio.IncompleteReadError where the connection ends before it does."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = length_of(head)
    body = await reader.readuntil(LAST_CHUNK) if length is None else await reader.readexactly(length)
    return Answer(int(head[9:12]), body)


def length_of(head: bytes) -> int | None:
    """Return the Content-Length that a head tells, or None where there is none: the body is chunked."""
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if rest else None
