"""An upstream for bodies that fit into no memory: python -m bench.upstreams.bulk PORT

POST answers with the SHA-256 of what it was sent; GET /N answers with N octets of a known pattern.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

from bench.wire import length_of

BLOCK = bytes(range(256)) * 4096


def pattern(octets: int) -> Iterator[bytes]:
    """Return the blocks of a body of so many octets."""
    for _ in range(octets // len(BLOCK)):
        yield BLOCK
    yield BLOCK[: octets % len(BLOCK)]


def serve(client: socket.socket) -> None:
    with client, client.makefile("rb") as reader:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = reader.readline()
            if not line:
                return
            head += line
        if head.startswith(b"GET"):
            octets = int(head.split(b" ")[1].rpartition(b"/")[2] or 0)
            client.sendall(_head(octets))
            for block in pattern(octets):
                client.sendall(block)
            return
        digest, missing = hashlib.sha256(), length_of(head) or 0
        while missing and (piece := reader.read1(min(missing, len(BLOCK)))):
            digest.update(piece)
            missing -= len(piece)
        answer = digest.hexdigest().encode()
        client.sendall(_head(len(answer)) + answer)


def _head(octets: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % octets


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            # Whoever only looked whether we answer is gone by now.
            with suppress(OSError):
                serve(listener.accept()[0])


if __name__ == "__main__":
    main()
