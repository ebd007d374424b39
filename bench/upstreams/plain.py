"""The upstream where nginx is not installed: python -m bench.upstreams.plain PORT"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from bench.upstreams.http import SIZES, SMALL_BYTES, completion
from bench.wire import length_of


def answers() -> dict[bytes, bytes]:
    """Return what is answered, by the first part of the path."""
    bodies = {"down-" + name: completion(octets) for name, octets in SIZES.items()}
    bodies |= {"small": completion(SMALL_BYTES)}
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    return {name.encode(): head.format(len(body)).encode() + body for name, body in bodies.items()}


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read each request to its end, and answer it."""
    found = answers()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(length_of(head) or 0)
            writer.write(found.get(head.split(b"/", 2)[1], found[b"small"]))
            await writer.drain()
    writer.close()


async def serve(port: int) -> None:
    server = await asyncio.start_server(converse, "127.0.0.1", port, limit=2**20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
