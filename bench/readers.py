"""The client side of the stream rows: python -m bench.readers PORT REQUEST_FILE STREAMS SECONDS

Opens the streams, says "open", and reads; two seconds later it says "begin", and after so many seconds prints what
came in between as JSON. A process of its own, so that its CPU and its pauses are not the gateway's.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.descriptors import allow_many
from bench.events import stamps
from bench.figures import percentile

# So many may wait for their answer at once: a listener's queue is not endless, nor is what a gateway lets wait.
OPENED_AT_ONCE = 200
SETTLE_S = 2.0
OPEN_DEADLINE_S = 30.0
# A stream without an event for so much longer than its pace has stalled.
STALL_S = 1.0


@dataclass(slots=True)
class Reader:
    """One stream: whether it began, what is left of the last piece, when its last event came, its longest silence."""

    is_answered: bool = False
    rest: bytes = b""
    last_ns: int = 0
    gap_ns: int = 0

    def read(self, octets: bytes, now_ns: int) -> list[int]:
        """Return the delays of the events in these octets, in nanoseconds."""
        sent_ns, self.rest = stamps(self.rest + octets)
        if sent_ns:
            self.gap_ns = max(self.gap_ns, now_ns - self.last_ns)
            self.last_ns = now_ns
        return [now_ns - sent for sent in sent_ns]


class Readers:
    """All the streams of a run."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self._selector = selectors.DefaultSelector()
        self._readers: list[Reader] = []
        self._waiting = 0
        self.refused = 0
        self.ended = 0
        self.delays_ns = array("q")

    def open(self, streams: int) -> None:
        """Open so many, a few at a time, and wait until each has had an event."""
        end_s = time.monotonic() + OPEN_DEADLINE_S
        while len(self._readers) < streams and time.monotonic() < end_s:
            if self._waiting < OPENED_AT_ONCE:
                self._open_one()
            self.read_for(0.0 if self._waiting < OPENED_AT_ONCE else 0.01)
        while any(not reader.last_ns for reader in self._readers) and time.monotonic() < end_s:
            self.read_for(0.1)

    def read_for(self, seconds: float) -> None:
        """Read what is here, and go on until the time is over."""
        end_s = time.monotonic() + seconds
        left_s = seconds
        while left_s >= 0:
            for key, _ in self._selector.select(left_s):
                self._read(key.fileobj, key.data)  # type: ignore[arg-type]
            left_s = end_s - time.monotonic()

    def begin(self) -> None:
        """Forget what came until now."""
        del self.delays_ns[:]
        for reader in self._readers:
            reader.gap_ns, reader.last_ns = 0, time.monotonic_ns()

    def report(self, stall_s: float) -> dict[str, float]:
        """Return counts, and delays in ms; a silence that still lasts counts as a gap, too."""
        now_ns = time.monotonic_ns()
        gaps_s = [max(reader.gap_ns, now_ns - reader.last_ns) / 1e9 for reader in self._readers]
        delays = self.delays_ns or array("q", [0])
        return {
            "streams": len(self._readers),
            "refused": self.refused,
            "ended": self.ended,
            "events": len(self.delays_ns),
            "stalled": sum(gap > stall_s for gap in gaps_s),
            "max_gap_s": round(max(gaps_s), 3),
            "delay_p50_ms": round(median(delays) / 1e6, 3),
            "delay_p99_ms": round(percentile(delays, 99) / 1e6, 3),
        }

    def _open_one(self) -> None:
        client = socket.create_connection(("127.0.0.1", self._port), timeout=OPEN_DEADLINE_S)
        client.sendall(self._request)
        client.setblocking(False)
        self._waiting += 1
        self._readers.append(Reader())
        self._selector.register(client, selectors.EVENT_READ, self._readers[-1])

    def _read(self, client: socket.socket, reader: Reader) -> None:
        try:
            octets = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not reader.is_answered:
            reader.is_answered = True
            self._waiting -= 1
            self.refused += not octets.startswith(b"HTTP/1.1 200 ")
        if octets:
            self.delays_ns.extend(reader.read(octets, time.monotonic_ns()))
        else:
            self.ended += 1
            self._selector.unregister(client)
            client.close()


def main() -> None:
    port, path, streams, seconds, pace_s = sys.argv[1:]
    allow_many()
    readers = Readers(int(port), Path(path).read_bytes())
    readers.open(int(streams))
    print("open", flush=True)
    readers.read_for(SETTLE_S)
    readers.begin()
    print("begin", flush=True)
    readers.read_for(float(seconds))
    print(json.dumps(readers.report(float(pace_s) + STALL_S)), flush=True)


if __name__ == "__main__":
    main()
