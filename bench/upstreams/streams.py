"""An upstream of endless event streams: python -m bench.upstreams.streams PORT EVENTS_PER_S

Each stream gets its events at a steady pace and at moments of its own, so that they are spread over time as those of
independent models are. One loop writes them all. A reader that does not keep up misses events; nothing is queued here.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from contextlib import suppress

from bench.descriptors import allow_many
from bench.events import STREAM_HEAD, chunk, event

SLOT_S = 0.001


class Streams:
    """The streams by slot: those of one slot get their events in one go."""

    def __init__(self, listener: socket.socket, events_per_s: float) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        self._slots: list[set[socket.socket]] = [set() for _ in range(max(1, round(1 / events_per_s / SLOT_S)))]
        self._slot_of: dict[socket.socket, int] = {}
        self._opened = 0

    def serve(self) -> None:
        turn, due_s = 0, time.monotonic()
        while True:
            for key, _ in self._selector.select(max(0.0, due_s - time.monotonic())):
                self._accept() if key.fileobj is self._listener else self._read(key.fileobj)  # type: ignore[arg-type]
            while time.monotonic() >= due_s:
                for stream in tuple(self._slots[turn % len(self._slots)]):
                    self._send(stream, chunk(event()))
                turn, due_s = turn + 1, due_s + SLOT_S

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> None:
        """Begin a stream with the first octets of a request; let go of a client that has gone."""
        octets = b""
        with suppress(OSError):
            octets = client.recv(65536)
        if not octets:
            self._forget(client)
        elif client not in self._slot_of and octets.startswith((b"GET /", b"POST /")):
            # 7 has no factor in common with the number of slots: neighbours in time are spread over all of them.
            slot = self._slot_of[client] = self._opened * 7 % len(self._slots)
            self._opened += 1
            self._slots[slot].add(client)
            self._send(client, STREAM_HEAD)

    def _send(self, stream: socket.socket, octets: bytes) -> None:
        try:
            stream.send(octets)
        except BlockingIOError:
            pass
        except OSError:
            self._forget(stream)

    def _forget(self, client: socket.socket) -> None:
        if (slot := self._slot_of.pop(client, None)) is not None:
            self._slots[slot].discard(client)
        with suppress(KeyError):
            self._selector.unregister(client)
        client.close()


def main() -> None:
    port, events_per_s = sys.argv[1:]
    allow_many()
    with socket.create_server(("127.0.0.1", int(port)), backlog=4096) as listener:
        Streams(listener, float(events_per_s)).serve()


if __name__ == "__main__":
    main()
