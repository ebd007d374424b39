"""Is a limit exact? Bursts of requests over several workers, whole and under SIGKILL, counted by the upstream.

    python -m bench.exactness              real gateways, embedded store and Redis: some ten minutes
    python -m bench.exactness --processes  the store alone, from bare processes: some seconds
    python -m bench.exactness --limits 1 7 60 600 6000 --workers 1 2 4 8 --rounds 13 --over 1.3   a thousand windows

Each row is 10,000 requests (or --requests N) of one key, all within a minute, so min(10,000, limit) must arrive.
What a killed worker had counted and not sent yet is lost; the client sees those requests fail. The last rows are
first bursts: two gateways that share a Redis and have just been started. Exits 1 when a row is wrong.

On a machine with too much to do Redis may not answer in time. Such a row tells how often it was `away`, and each
other gateway may have admitted one more limit by itself (RELIABILITY G14): run it again where there is quiet.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.kit.gateway import Gateway
from tests.stores.redis_server import RedisServer
from tests.stores.takers import burst, one_round

STORES = ("embedded", "redis")
LIMITS = (1, 7, 60, 600)
WORKERS = (1, 2, 4)
CALLERS = 64
FIRST_BURSTS = 5
FIRST_LIMIT = 100
FIRST_CALLERS = 128
KILL_EACH_S = 0.5
RELOAD_EACH_S = 60.0
MOST_KILLS = 8
DEADLINE_S = 60.0

CONFIG = """
general_settings:
  pass_through_endpoints:
    - {{path: /counted, target: "http://127.0.0.1:{port}", include_subpath: true, auth: true}}
keys:
{keys}
"""
COLUMNS = {
    "store": 9,
    "workers": 7,
    "callers": 7,
    "kills": 5,
    "limit": 5,
    "sent": 5,
    "passed": 6,
    "over": 4,
    "lost": 4,
    "failed": 6,
    "away": 4,
}
GONE, BACK = b"Redis is away", b"Redis is back"


@dataclass(frozen=True)
class Row:
    """One burst: `failed` is how many requests got no answer, `passed` what the upstream saw."""

    store: str
    workers: int
    callers: int
    kills: int
    limit: int
    sent: int
    passed: int
    failed: int
    away: int = 0

    @property
    def over(self) -> int:
        return max(0, self.passed - self.limit)

    @property
    def lost(self) -> int:
        return max(0, min(self.sent, self.limit) - self.passed)

    @property
    def is_exact(self) -> bool:
        """Nothing over, and nothing lost but what was in flight on a killed worker."""
        return self.over <= (self.limit if self.away else 0) and self.lost <= self.failed

    def __str__(self) -> str:
        cells = " ".join(f"{getattr(self, name):>{width}}" for name, width in COLUMNS.items())
        return cells if self.is_exact else cells + "  WRONG"


@dataclass(frozen=True)
class Burst:
    """So many requests of one key, from so many connections at once."""

    limit: int
    requests: int
    callers: int = CALLERS
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.limit}-of-{self.requests}-requests-{self.number}"


class Upstream:
    """Answers everything with 200 and counts it by the last part of its path."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.seen[head.split(b" ", 2)[1].decode().rpartition("/")[2]] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


class Caller:
    """One connection that sends request after request, and opens a new one where it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, name: str) -> int | None:
        """Return the status, or None when the connection ended without one."""
        try:
            reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            self._streams = reader, writer
            request = f"GET /counted/{name} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer sk-bench-{name}\r\n\r\n"
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
            return int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return None

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None


async def send(burst: Burst, ports: list[int], statuses: Counter[int | None]) -> None:
    """Send a burst, the callers taking turns at the gateways; counts how often each status comes."""
    left = iter(range(burst.requests))

    async def call(port: int) -> None:
        caller = Caller(port)
        for _ in left:
            statuses[await caller.ask(burst.name)] += 1
        caller.close()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as callers:
        for number in range(burst.callers):
            callers.create_task(call(ports[number % len(ports)]))


async def kill_now_and_then(
    gateways: list[Gateway], statuses: Counter[int | None], killed: list[int], reload_at_s: list[float]
) -> None:
    """SIGKILL some worker each half second in which there was an answer: a lone worker must start first.

    Once a minute the file is read again, too.
    """
    answered = 0
    while len(killed) < MOST_KILLS:
        await asyncio.sleep(KILL_EACH_S)
        pids = [pid for gateway in gateways for pid in gateway.worker_pids()]
        if pids and statuses.total() - statuses[None] > answered:
            answered = statuses.total() - statuses[None]
            killed.append(random.choice(pids))  # noqa: S311
            with contextlib.suppress(ProcessLookupError):
                os.kill(killed[-1], signal.SIGKILL)
        if time.monotonic() > reload_at_s[0]:
            reload_at_s[0] += RELOAD_EACH_S
            for gateway in gateways:
                gateway.signal(signal.SIGHUP)


async def rows_of(
    store: str, workers: int, bursts: list[Burst], is_killing: bool, upstream: Upstream, port: int
) -> AsyncIterator[Row]:
    """Run the bursts of one set-up; Redis is shared by two gateways where there are workers for two."""
    keys = "\n".join(f"  - {{key: sk-bench-{burst.name}, rpm_limit: {burst.limit}}}" for burst in bursts)
    reload_at_s = [time.monotonic() + RELOAD_EACH_S]
    with running(store, workers, CONFIG.format(port=port, keys=keys)) as gateways:
        for burst in bursts:
            killed: list[int] = []
            statuses: Counter[int | None] = Counter()
            were_back = said(gateways, BACK)
            killing = kill_now_and_then(gateways, statuses, killed, reload_at_s) if is_killing else None
            killer = asyncio.create_task(killing) if killing else None
            await send(burst, [gateway.port for gateway in gateways], statuses)
            if killer:
                killer.cancel()
            passed, failed = upstream.seen.pop(burst.name, 0), statuses[None]
            away = said(gateways, GONE) - were_back  # What was away already counts, too.
            counts = len(killed), burst.limit, statuses.total(), passed, failed, away
            yield Row(store, workers, burst.callers, *counts)


def said(gateways: list[Gateway], words: bytes) -> int:
    return sum(gateway.words().count(words) for gateway in gateways)


@contextlib.contextmanager
def running(store: str, workers: int, config: str) -> Iterator[list[Gateway]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ, machines = {"LOG_LEVEL": "WARNING"}, 1
        if store == "redis":
            server = RedisServer(folder)
            stack.callback(server.stop)
            environ["REDIS_URL"], machines = server.url, min(2, workers)
        gateways = [Gateway(folder / str(number), config, environ, workers // machines) for number in range(machines)]
        for gateway in gateways:
            stack.callback(_end, gateway.start())
        yield gateways


def bursts_of(options: argparse.Namespace) -> list[Burst]:
    """Return as many bursts of each limit as are asked for; `over` makes a small limit's burst a small one."""
    sizes = {limit: min(options.requests, int(limit * options.over) + CALLERS) for limit in options.limits}
    return [Burst(limit, sizes[limit], number=number) for limit in options.limits for number in range(options.rounds)]


async def gateways_bench(options: argparse.Namespace) -> bool:
    """Print a row for each burst; tells whether all are exact."""
    upstream, are_exact = Upstream(), True
    server = await asyncio.start_server(upstream.converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bursts, stores = bursts_of(options), options.stores
    setups = [
        (store, workers, bursts, is_killing)
        for store in stores
        for workers in options.workers
        for is_killing in options.kills
    ]
    if "redis" in stores:
        setups += [("redis", 4, [Burst(FIRST_LIMIT, options.requests, FIRST_CALLERS)], 0)] * FIRST_BURSTS
    for store, workers, chosen, is_killing in setups:
        async for row in rows_of(store, workers, chosen, bool(is_killing), upstream, port):
            print(row, flush=True)
            are_exact &= row.is_exact
    return are_exact


def processes_bench(requests: int) -> bool:
    """The same with processes that do nothing but count, killed after random numbers of requests."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for processes in WORKERS:
            for limit in LIMITS:
                passed = burst(f"{folder}/{processes}", processes, requests // processes, limit)
                rows.append(Row("embedded", processes, processes, 0, limit, requests, passed, 0))
            for limit in LIMITS[1:]:
                _, passed, killed = one_round(f"{folder}/{processes}", processes, f"killed {limit}", limit)
                rows.append(Row("embedded", processes, processes, killed, limit, limit + processes, passed, killed))
    print(*rows, sep="\n")
    return all(row.is_exact for row in rows)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])


def _end(gateway: Gateway) -> None:
    gateway.process.terminate()
    gateway.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", action="store_true", help="count in bare processes, without gateways")
    parser.add_argument("--requests", type=int, default=10_000, metavar="N", help="in each burst; default 10,000")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--limits", nargs="+", type=int, default=LIMITS, help="requests a minute")
    parser.add_argument("--workers", nargs="+", type=int, default=WORKERS)
    parser.add_argument("--rounds", type=int, default=1, help="bursts of each limit, each of a key of its own")
    parser.add_argument("--over", type=float, default=10_000.0, help="no more requests than the limit so many times")
    parser.add_argument("--kills", nargs="+", type=int, choices=(0, 1), default=(0, 1), help="without and with kills")
    options = parser.parse_args()
    started_s = time.monotonic()
    print(" ".join(f"{name:>{width}}" for name, width in COLUMNS.items()))
    are_exact = processes_bench(options.requests) if options.processes else asyncio.run(gateways_bench(options))
    print(f"{'exact' if are_exact else 'NOT EXACT'}, in {time.monotonic() - started_s:.0f} s")
    return 0 if are_exact else 1


if __name__ == "__main__":
    sys.exit(main())
