"""How soon does a change of a key hold? Each change is made through one worker and asked of every worker at once.

    python -m bench.revocation [--tries 1000]    2 and 4 workers: some two minutes

A try is one change of a key that every worker has just admitted (or, for unblock, refused), and then, as soon as
the change is answered, a request with that key to each worker. A miss is an answer of the old state, or a request
that reached the upstream all the same. Exits 1 when there is one. Times are in ms: `change` until the change is
answered, `held` from there until the last worker has given the new answer.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.kit.gateway import Gateway
from tests.kit.upstream import Upstream
from tests.kit.workers import client_of_each

WORKERS = (2, 4)
MASTER = "bench-master-key-0123456789"
ADMITTED, REFUSED = 200, 401

CONFIG = """
general_settings:
  master_key: {master}
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true}}
"""
COUNTS = f"{'workers':>7} {'change':>8} {'tries':>6} {'asked':>6} {'misses':>6}"
HEADER = f"{COUNTS}  change p50    p99    max    held p50    p99    max"


@dataclass
class Row:
    """What came of all tries with one kind of change."""

    workers: int
    change: str
    misses: int = 0
    change_ms: list[float] = field(default_factory=list)
    held_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        tries = len(self.change_ms)
        counts = f"{self.workers:>7} {self.change:>8} {tries:>6} {tries * self.workers:>6} {self.misses:>6}"
        return f"{counts}      {_spread(self.change_ms)}      {_spread(self.held_ms)}"


class House:
    """A gateway, a connection to each of its workers, and the upstream behind."""

    def __init__(self, gateway: Gateway, upstream: Upstream) -> None:
        self._clients = [*client_of_each(gateway).values()]
        self._upstream = upstream
        self._turn = 0

    def change(self, page: str, **form: Any) -> dict[str, Any]:
        """Change a key through one worker, each in its turn."""
        self._turn += 1
        fields = [("Authorization", f"Bearer {MASTER}"), ("Content-Type", "application/json")]
        client = self._clients[self._turn % len(self._clients)]
        got = client.ask("POST", f"/key/{page}", fields, json.dumps(form).encode())
        assert got.status == 200, bytes(got.body)
        return dict(json.loads(bytes(got.body)))

    def misses(self, key: str, expected: int) -> int:
        """Ask every worker at once; return how many answered otherwise, or let through what they refused."""
        before = len(self._upstream.requests)
        for client in self._clients:
            client.send(_asking(key))
        wrong = sum(client.answer().status != expected for client in self._clients)
        through = len(self._upstream.requests) - before
        return max(wrong, through if expected == REFUSED else 0)

    def timed(self, row: Row, key: str, expected: int, form: dict[str, Any]) -> None:
        began_s = time.perf_counter()
        self.change(row.change, **form)
        changed_s = time.perf_counter()
        row.misses += self.misses(key, expected)
        row.change_ms.append((changed_s - began_s) * 1000)
        row.held_ms.append((time.perf_counter() - changed_s) * 1000)


def rows_of(workers: int, tries: int) -> Iterator[Row]:
    with running(workers) as house:
        block, unblock, delete = (Row(workers, change) for change in ("block", "unblock", "delete"))
        key = house.change("generate")["key"]
        assert house.misses(key, ADMITTED) == 0
        for _ in range(tries):
            house.timed(block, key, REFUSED, {"key": key})
            house.timed(unblock, key, ADMITTED, {"key": key})
        for _ in range(tries):
            key = house.change("generate")["key"]
            assert house.misses(key, ADMITTED) == 0
            house.timed(delete, key, REFUSED, {"keys": [key]})
        yield from (block, unblock, delete)


@contextmanager
def running(workers: int) -> Iterator[House]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = Upstream()
        stack.callback(upstream.stop)
        config = CONFIG.format(master=MASTER, upstream=upstream.authority)
        gateway = Gateway(folder, config, {"LOG_LEVEL": "ERROR"}, workers)
        stack.callback(gateway.start().stop)
        yield House(gateway, upstream)


def _asking(key: str) -> bytes:
    return f"GET /closed HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def _spread(times_ms: list[float]) -> str:
    percentiles = quantiles(times_ms, n=100, method="inclusive")
    return f"{percentiles[49]:6.2f} {percentiles[98]:6.2f} {max(times_ms):6.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=1000, metavar="N", help="of each change; default 1,000")
    tries = parser.parse_args().tries
    print(HEADER)
    misses = 0
    for workers in WORKERS:
        for row in rows_of(workers, tries):
            print(row, flush=True)
            misses += row.misses
    print("no misses" if not misses else f"{misses} MISSES")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
