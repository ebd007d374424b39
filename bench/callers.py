"""What makes load where wrk is not installed: python -m bench.callers PORT REQUEST_FILE CONNECTIONS SECONDS

Ends with wrk's own words, as far as they are read: "N requests in S s", "Non-2xx or 3xx responses: N".
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from pathlib import Path

from bench.wire import read_answer


async def call(port: int, request: bytes, end_s: float, statuses: Counter[int]) -> None:
    """Send the request over and over on one connection, until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        while time.monotonic() < end_s:
            writer.write(request)
            statuses[(await read_answer(reader)).status] += 1


async def send(port: int, request: bytes, connections: int, seconds: float) -> Counter[int]:
    statuses: Counter[int] = Counter()
    end_s = time.monotonic() + seconds
    async with asyncio.TaskGroup() as callers:
        for _ in range(connections):
            callers.create_task(call(port, request, end_s, statuses))
    return statuses


def report(statuses: Counter[int], seconds: float) -> str:
    failed = sum(count for status, count in statuses.items() if not 200 <= status < 400)
    lines = [f"{statuses.total()} requests in {seconds:.2f}s"]
    return "\n".join(lines + [f"Non-2xx or 3xx responses: {failed}"] * bool(failed))


def main() -> None:
    port, path, connections, seconds = sys.argv[1:]
    request = Path(path).read_bytes()
    print(report(asyncio.run(send(int(port), request, int(connections), float(seconds))), float(seconds)))


if __name__ == "__main__":
    main()
