"""Is the limit exact under load? The smallest of bench.exactness's rows: 10,000 requests of one key, four workers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from bench.bed import Bed
from bench.exactness import COLUMNS, Burst, Row, Upstream, rows_of
from bench.table import Measured, Table

WORKERS = 4
LIMIT = 600
REQUESTS = 10_000
NOTE = "10,000 requests at once, all within a minute. `python -m bench.exactness` has many more, with kills and Redis."


def measure(_bed: Bed) -> Measured:
    row = asyncio.run(_burst())
    table = Table("Exactness of the limit", list(COLUMNS), [[getattr(row, name) for name in COLUMNS]], NOTE)
    return Measured([table], {"over": row.over, "lost": row.lost}, asdict(row))


async def _burst() -> Row:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.converse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        (row,) = [row async for row in rows_of("embedded", WORKERS, [Burst(LIMIT, REQUESTS)], False, upstream, port)]
    return row
