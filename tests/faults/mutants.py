"""Answers that no upstream should give, drawn from a seed; and what a strict reader makes of one."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import lru_cache

import h11

EVIL = b"X-Evil: 1"
SEEDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-T: u\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 302 Found\r\nLocation: /y\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello",
)  # fmt: skip
BITS = (
    b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b";", b",", b"\x0b", b"\x85", b"\xff", b"\r\r\n", b"\n\n",
    b"\rX-Evil: 1", b"\nX-Evil: 1", b"\x00\nX-Evil: 1", b" \r\n X-Evil: 1", b"X-Evil : 1\r\n", b"-1", b"+5", b"0x5",
    b"5, 5", b"5_0", b"99999999999999999999",
    b"Content-Length: 6\r\n", b"Content-Length: 5\r\n", b"content-length:\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil", b"0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", b"Connection: X-A\r\n", b"a" * 9_000, b"\r\n" * 40,
)  # fmt: skip


# Before a chunk's extension h11 takes no white space; RFC 9112 §7.1.1 asks a reader to.
BAD_SPACE = re.compile(rb"([0-9A-Fa-f])[ \t]+;(?=x=y\r\n)")
FRAMING = ("Content-Length", "Transfer-Encoding")


@lru_cache(maxsize=1_000)
def mutant(seed: int) -> bytes:
    """Return the octets of an answer with one to three things wrong in it, mostly."""
    chance = random.Random(seed)
    octets = chance.choice(SEEDS)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        octets = _bent(chance, octets)
    return octets


def _bent(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets) + 1)
    to = min(len(octets), at + chance.choice((0, 1, 2, 5, 20)))
    match chance.randrange(6):
        case 0:
            return octets[:at]
        case 1:
            return octets[:at] + octets[to:]
        case 2:
            return octets[:at] + bytes([chance.randrange(256)]) + octets[at + 1 :]
        case 3:
            return octets[:to] + octets[at:]
        case 4:
            lines = octets.split(b"\r\n")
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(BITS).removesuffix(b"\r\n"))
            return b"\r\n".join(lines)
        case _:
            return octets[:at] + chance.choice(BITS) + octets[to:]


@dataclass(slots=True)
class Reading:
    """What a strict reader finds: `fault` where it is no HTTP, `is_kept` where another answer may follow."""

    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = False
    is_kept: bool = False
    fault: str | None = None


@lru_cache(maxsize=1_000)
def read(octets: bytes) -> Reading:
    """Return what h11 makes of an answer to a GET after which the connection is closed."""
    judge = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    judge.send(h11.Request(method="GET", target="/", headers=[("Host", "judge")]))
    judge.send(h11.EndOfMessage())
    reading = Reading()
    try:
        judge.receive_data(BAD_SPACE.sub(rb"\1;", octets))
        if _walk(judge, reading) is h11.NEED_DATA:
            judge.receive_data(b"")
            _walk(judge, reading)
            reading.is_kept = False
    except h11.RemoteProtocolError as broken:
        if reading.status and any(name in str(broken) for name in FRAMING):
            # In the trailer section, where h11 takes them for framing; they are to be ignored there (RFC 9110 §6.5.1).
            reading.is_whole = reading.is_kept = True
        else:
            reading.fault = str(broken)
    return reading


def _walk(judge: h11.Connection, reading: Reading) -> object:
    while True:
        event = judge.next_event()
        match event:
            case h11.Response():
                reading.status = event.status_code
                reading.fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            case h11.Data():
                reading.body += event.data
            case h11.EndOfMessage():
                reading.is_whole = True
                reading.is_kept = judge.their_state is h11.DONE and not judge.trailing_data[0]
                return event
            case h11.InformationalResponse():
                continue
            case _:
                return event
