"""The scenarios that need a machine's time or its own gateway: overload, stop and deaths in earnest."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults import plans, scenarios
from tests.faults.apart import Apart
from tests.faults.callers import Caller, ask_once, in_spite_of_kills
from tests.faults.ledger import Ledger
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings, settled
from tests.faults.upstream import PlannedUpstream
from tests.kit.gateway import Gateway


def high(values: list[float], share: float) -> float:
    """Return the value that so large a share is not above, in ms."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def rss_kib(pids: list[int]) -> int:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * resource.getpagesize() // 1024


def open_files(pids: list[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


async def cut_answers(port: int, upstream: Apart, count: int, jobs: int) -> Findings:
    """G4: the upstream breaks its answers off; then its process is killed again and again, with all it sends."""
    cut = await scenarios.answers(port, upstream, count * 4 // 5, 4, plans.CUT, 64, jobs, most=70_000)
    upstream.forget()
    over = upstream.over

    async def kill() -> None:
        while True:
            before = len(upstream.begun)
            while len(upstream.begun) == before:  # it may yet have to start
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.4)
            await asyncio.to_thread(upstream.kill)

    killing = asyncio.create_task(kill())
    killed = await scenarios.answers(
        port, upstream, count // 5, 44, (plans.MORTAL,), 64, jobs, in_spite_of_kills, most=70_000
    )
    killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    died = upstream.begun.total() - (upstream.over - over)
    figures = {**cut.figures, "kills": upstream.kills, "answers under kills": count // 5, "died in them": died}
    return Findings(cut.complaints + killed.complaints, figures)


async def stop_with_streams(gateway: Gateway, port: int, upstream: Ledger, streams: int) -> Findings:
    """G20: SIGTERM; readiness turns first, nobody is refused in the drain, what is left at the end is cut visibly."""
    callers = [Caller(port) for _ in range(streams)]
    asked = [Plan(f"20-{number}", "ticks", framing="chunked", size=100_000, at=1_000) for number in range(streams)]
    flying = [asyncio.ensure_future(caller.ask(plan)) for caller, plan in zip(callers, asked, strict=True)]
    await settled(lambda: len(upstream.begun) == streams)
    _, before = await polled(port, 1.0, until=0)
    began_s = time.monotonic()
    gateway.begin_stop()
    unready_s, during = await polled(port, 1.8, until=503)  # DRAIN_SECONDS is 2
    verdicts = await asyncio.gather(*flying)
    status = await asyncio.to_thread(gateway.process.wait, 30)
    spent_s = time.monotonic() - began_s
    endings = Counter(verdict.ending for verdict in verdicts)
    refused = sum(status not in (200, 503) for status, _ in during)
    complaints = [f"{endings['whole']} streams look whole"] if endings["whole"] else []
    complaints += ["readiness never turned"] if unready_s is None else []
    complaints += [f"{refused} refused in the drain"] if refused else []
    complaints += [f"status {status}"] if status else []
    figures = {"streams": streams, "unready ms": (unready_s or 0) * 1000, "refused in the drain": refused}
    figures |= {"a probe's p50 ms before": high([took_s for _, took_s in before], 0.5)}
    figures |= {"its p99": high([took_s for _, took_s in before], 0.99)}
    cut = endings["cut"] + endings["reset"]
    return Findings(complaints, {**figures, "cut": cut, "exit status": status, "ended after s": spent_s})


async def polled(port: int, for_s: float, until: int) -> tuple[float | None, list[tuple[int, float]]]:
    """Poll readiness each 10 ms; return when it first had that status, and (status, what it took) of each."""
    began_s, first_s = time.monotonic(), None
    polls: list[tuple[int, float]] = []
    while (asked_s := time.monotonic()) - began_s < for_s:
        got = await ask_once(port, Plan("probe", "plain"), "/health/readiness")
        polls.append((got.status, time.monotonic() - asked_s))
        if got.status == until and first_s is None:
            first_s = time.monotonic() - began_s
        await asyncio.sleep(0.01)
    return first_s, polls


async def few_files(gateway: Gateway, port: int, upstream: PlannedUpstream) -> Findings:
    """G27: 400 connections to a worker that may open 256 files."""
    (pid,) = gateway.worker_pids()
    callers = [Caller(port) for _ in range(400)]
    flying = [asyncio.ensure_future(c.ask(Plan(f"n-{n}", "silence"))) for n, c in enumerate(callers)]
    await asyncio.sleep(2)
    busy = _cpu_s(pid)
    refusals = [task.result() for task in flying if task.done()]
    await asyncio.sleep(2)
    share = (_cpu_s(pid) - busy) / 2
    for caller in callers:
        caller.close()
    await asyncio.gather(*flying, return_exceptions=True)
    began_s = time.monotonic()
    back = await settled_async(lambda: ask_once(port, Plan("back", "plain", size=5)))
    told = Counter(verdict.status for verdict in refusals)
    complaints = [] if back else ["it did not recover"]
    complaints += [f"answered {dict(told)}"] if set(told) - {503} else []
    figures = {"connections": 400, "told 503": told[503], "CPU share while full": share}
    return Findings(
        complaints,
        {**figures, "back after ms": (time.monotonic() - began_s) * 1000, "served": upstream.connections - 1},
    )


async def settled_async(ask: Callable[[], object]) -> bool:
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        verdict = await ask()  # type: ignore[misc]
        if verdict.status == 200:
            return True
        await asyncio.sleep(0.02)
    return False


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
