"""G28: what many requests of all kinds leave behind in the workers: memory, descriptors, threads."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.faults import plans, scenarios
from tests.faults.apart import Apart
from tests.faults.long import open_files, rss_kib
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings, settled
from tests.kit.gateway import Gateway

# Of the promised mix 20 % streams, 10 % aborts and 5 % faults; the other share is plain, half of it sent by wrk.
KINDS = ("slowly",) * 12 + ("drip",) * 12 + plans.LEFT * 6 + ("fin", "rst", "mute", "torn", "garbage", "reset")
KINDS += (*plans.WHOLE, *plans.WHOLE, *("plain",) * 22)
WRK_SHARE = 0.4
FIRST_RATE = 1_000.0
WARM_REQUESTS = 100_000
REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(m?s|m)")
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
# What is promised per million requests, of the short version and of a longer one; fewer tell nothing.
SHORT_REQUESTS, MOST_MIB_SHORT = 300_000, 2.0
LONG_REQUESTS, MOST_MIB = 1_000_000, 1.0
RELOADS = 20
# Idle connections that have ended are swept each five seconds.
SWEPT_S = 12.0


@dataclass(slots=True)
class Wear:
    """What was left after so many requests."""

    requests: list[int] = field(default_factory=list)
    rss_kib: list[int] = field(default_factory=list)
    own_kib: list[int] = field(default_factory=list)

    def take(self, requests: int, pids: list[int]) -> None:
        self.requests.append(requests)
        self.rss_kib.append(rss_kib(pids))
        self.own_kib.append(own_kib(pids))

    def slope(self, sizes: Sequence[int]) -> float:
        """Return MiB per million requests (Theil-Sen), those left out in which a worker warms up."""
        warm = min(WARM_REQUESTS, self.requests[-1] // 3)
        points = [(count, size) for count, size in zip(self.requests, sizes, strict=True) if count >= warm]
        pairs = ((a, b) for i, a in enumerate(points) for b in points[i + 1 :])
        return median((later - size) / (more - count) for (count, size), (more, later) in pairs) * 1_000_000 / 1024


async def wear(gateway: Gateway, upstream: Apart, rounds: int, each: int, jobs: int, key: str) -> Findings:
    """Mixed requests in rounds; what is left after each, and at the end, when all idle connections have gone."""
    pids, rate = gateway.worker_pids(), FIRST_RATE
    seen, complaints, requests = Wear(), [], 0
    files = threads = 0
    for number in range(rounds):
        by_wrk = each * WRK_SHARE if shutil.which("wrk") else 0.0
        plain = asyncio.create_task(wrk(gateway.port, key, max(1, round(by_wrk / rate)))) if by_wrk else None
        mixed = max(1, int(each - by_wrk))
        found = await scenarios.answers(gateway.port, upstream, mixed, 2_800 + number, KINDS, 192, jobs, uploads=5_000)
        sent, seconds, wrong = await plain if plain else (0, 1, [])
        complaints += found.complaints + wrong
        rate, requests = max(100.0, sent / seconds), requests + mixed + sent
        if not await settled(lambda: upstream.busy == 0):
            complaints.append(f"{upstream.busy} requests are still awaited upstream")
        upstream.forget()
        seen.take(requests, pids)
        if number == 0:
            # What a worker opens when it is first needed is open now.
            files, threads = await at_rest(upstream, pids), thread_count(pids)
    if gateway.worker_pids() != pids:
        complaints.append("a worker died")
    more, more_threads = await at_rest(upstream, pids) - files, thread_count(pids) - threads
    figures = {"requests": requests, "RSS MiB per million": seen.slope(seen.rss_kib)}
    figures |= {"of it the process's own": seen.slope(seen.own_kib)}
    figures |= {"RSS MiB at first": seen.rss_kib[0] / 1024, "at last": seen.rss_kib[-1] / 1024}
    figures |= {"own MiB at first": seen.own_kib[0] / 1024, "at last ": seen.own_kib[-1] / 1024}
    figures |= {"descriptors more": more, "threads more": more_threads}
    most = MOST_MIB if requests >= LONG_REQUESTS else MOST_MIB_SHORT
    is_judged = requests >= SHORT_REQUESTS
    complaints += ["memory grows"] if is_judged and figures["RSS MiB per million"] >= most else []
    complaints += ["descriptors are not at their baseline"] if more > 2 else []
    return Findings(complaints, figures | await reloads(gateway))


async def wrk(port: int, key: str, seconds: int) -> tuple[int, float, list[str]]:
    """Send plain requests with a key for so long; return how many, in what time, and what was wrong."""
    target = Plan("wrk", "plain", size=500).target
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Authorization: Bearer {key}"]
    process = await asyncio.create_subprocess_exec(
        *command, f"http://127.0.0.1:{port}/keyed{target}", stdout=asyncio.subprocess.PIPE
    )
    words = (await process.communicate())[0].decode()
    sent = REQUESTS.search(words)
    return int(sent[1]) if sent else 0, seconds, [] if sent and not FAILED.search(words) else [words]


async def at_rest(upstream: Apart, pids: list[int]) -> int:
    """Return how many files are open when there is no connection any more: the upstream is killed to end its own."""
    await asyncio.to_thread(upstream.kill)
    await asyncio.sleep(SWEPT_S)
    return open_files(pids)


async def reloads(gateway: Gateway) -> dict[str, float]:
    """Reload the file again and again; what that leaves in the master."""
    master = [gateway.process.pid]
    sizes = []
    for _ in range(RELOADS):
        before = set(gateway.worker_pids())
        gateway.signal(signal.SIGHUP)
        await settled(lambda before=before: not before & set(gateway.worker_pids()))
        sizes.append(rss_kib(master) / 1024)
    return {"reloads": RELOADS, "master MiB after the first": sizes[0], "after the last": sizes[-1]}


def own_kib(pids: list[int]) -> int:
    """Return the memory that is no file's, not even a shared one: the stores' and the metrics' pages are left out."""
    return sum(
        int(line.split()[1])
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Anonymous:")
    )


def thread_count(pids: list[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)
