"""The scenarios that need a machine's time or its own gateway: overload, stop and deaths in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import plans, scenarios
from tests.faults.apart import Apart
from tests.faults.callers import Caller, as_planned, ask_once, in_spite_of_kills
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings, Load, settled
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


async def reloads(gateway: Gateway, port: int, upstream: PlannedUpstream, texts: Iterator[str], times: int) -> Findings:
    """G18, G19: 30,000 requests at 500/s over so many good files, each in force before the next one comes."""

    async def happen(load: Load) -> None:
        for number in range(1, times + 1):
            gateway.config_path.write_text(next(texts))
            gateway.signal(signal.SIGHUP)
            if not await settled(lambda wanted=str(number): upstream.generations[wanted] > 0):
                upstream.complaints.append(f"file {number} never came into force")

    found = await scenarios.steady(port, 30_000, 500.0, 18, happen)
    return Findings(found.complaints + upstream.complaints, {"reloads": times, **found.figures})


async def cut_answers(port: int, upstream: Apart, count: int, jobs: int) -> Findings:
    """G4: the upstream breaks its answers off; then its process is killed again and again, with all it sends."""
    cut = await scenarios.answers(port, upstream, count * 4 // 5, 4, plans.CUT, 64, jobs, most=70_000)
    upstream.forget()
    over = upstream.over

    async def kill() -> None:
        while True:
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


async def kills(gateway: Gateway, port: int, times: int) -> Findings:
    """G22: a worker is killed again and again at 500/s."""
    at_stake, back_s = [], []

    async def happen(load: Load) -> None:
        for _ in range(times):
            served = len(load.verdicts)
            await settled(lambda served=served: len(load.verdicts) > served + 500)
            before = gateway.worker_pids()
            at_stake.append(len(load.flying) + len(load.idle))
            began_s = time.monotonic()
            os.kill(before[0], signal.SIGKILL)
            await settled(lambda before=before: len(set(gateway.worker_pids()) - {before[0]}) == len(before))
            back_s.append(time.monotonic() - began_s)

    found = await scenarios.steady(port, 5_000, 500.0, 22, happen)
    unseen = [wrong for wrong in found.complaints if " whole " in wrong]
    figures = {"kills": times, "failed a kill": len(found.complaints) / times, "replaced ms, worst": max(back_s) * 1000}
    excess = (
        [] if len(found.complaints) <= sum(at_stake) else [f"{len(found.complaints)} failed, {sum(at_stake)} at stake"]
    )
    return Findings(unseen + excess, {**figures, "requests": found.figures["requests"]})


async def stop_with_streams(gateway: Gateway, port: int, upstream: PlannedUpstream, streams: int) -> Findings:
    """G20: SIGTERM; readiness turns first, nobody is refused in the drain, what is left at the end is cut visibly."""
    callers = [Caller(port) for _ in range(streams)]
    flying = [asyncio.ensure_future(c.ask(Plan(f"s-{n}", "endless"))) for n, c in enumerate(callers)]
    await settled(lambda: len(upstream.begun) == streams)
    refused, unready_s = 0, None
    began_s = time.monotonic()
    gateway.begin_stop()
    while time.monotonic() - began_s < 1.8:  # DRAIN_SECONDS is 2
        got = await ask_once(port, Plan("probe", "plain"), "/health/readiness")
        refused += got.status not in (200, 503)
        if got.status == 503 and unready_s is None:
            unready_s = time.monotonic() - began_s
        await asyncio.sleep(0.01)
    verdicts = await asyncio.gather(*flying)
    status = await asyncio.to_thread(gateway.process.wait, 30)
    endings = Counter(verdict.ending for verdict in verdicts)
    complaints = [f"{endings['whole']} streams look whole"] if endings["whole"] else []
    complaints += ["readiness never turned"] if unready_s is None else []
    complaints += [f"{refused} refused in the drain"] if refused else []
    complaints += [f"status {status}"] if status else []
    figures = {"streams": streams, "unready ms": (unready_s or 0) * 1000, "refused in the drain": refused}
    return Findings(complaints, {**figures, "cut": endings["cut"] + endings["reset"], "exit status": status})


async def slow_clients(port: int, of_each: int, head_deadline_s: float) -> Findings:
    """G25: half heads, half bodies and stalled readers; healthy ones meanwhile, and when the slow ones are let go."""
    target = {"body": Plan("body", "plain", "POST").target, "reader": Plan("r", "flood", framing="chunked").target}
    halves = {
        "head": b"GET /f HTTP/1.1\r\nHost: g\r\nX-A: ",
        "body": f"POST /quick{target['body']} HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nhalf".encode(),
        "reader": f"GET /quick{target['reader']} HTTP/1.1\r\nHost: g\r\n\r\n".encode(),
    }
    alone = await paced(port, 200)
    began_s = time.monotonic()
    lives = {kind: [await half(port, octets) for _ in range(of_each)] for kind, octets in halves.items()}
    beside = await paced(port, 200)
    gone_s: dict[str, list[float]] = {}
    for kind in ("body", "head"):
        gone_s[kind] = await asyncio.gather(*(until_closed(reader, began_s) for reader, _ in lives[kind]))
    for _, writer in (end for ends in lives.values() for end in ends):
        writer.transport.abort()
    figures = {
        "slow clients": 3 * of_each,
        "healthy p99 alone ms": high(alone, 0.99),
        "beside them": high(beside, 0.99),
    }
    figures |= {f"half {kind} let go after s, last": max(times) for kind, times in gone_s.items()}
    late = [f"a half {kind} was not let go" for kind, times in gone_s.items() if max(times) > head_deadline_s + 30]
    return Findings(late, figures)


async def half(port: int, octets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(octets)
    await writer.drain()
    return reader, writer


async def until_closed(reader: asyncio.StreamReader, began_s: float) -> float:
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(120):
            while await reader.read(65_536):
                pass
    return time.monotonic() - began_s


async def paced(port: int, count: int, path: str = "/f") -> list[float]:
    """Return how long each of so many calls took, one after the other on one connection."""
    caller, took_s = Caller(port), []
    for number in range(count):
        began_s = time.monotonic()
        wrong = as_planned(await caller.ask(Plan(f"paced-{path[1:]}-{number}", "plain", size=100), path))
        assert wrong is None, wrong
        took_s.append(time.monotonic() - began_s)
    caller.close()
    return took_s


async def dead_upstream(port: int, dead: PlannedUpstream, hanging: int) -> Findings:
    """G26: so many calls hang on one upstream; how another one's fare, and whether one too many is told at once."""
    alone = await paced(port, 500, "/other")
    callers = [Caller(port) for _ in range(hanging)]
    flying = [asyncio.ensure_future(c.ask(Plan(f"h-{n}", "silence"))) for n, c in enumerate(callers)]
    arrived = await settled(lambda: len(dead.begun) == hanging)
    beside = await paced(port, 500, "/other")
    for caller in callers:
        caller.close()
    await asyncio.gather(*flying, return_exceptions=True)
    figures = {"hanging": hanging, "other route p99 ms alone": high(alone, 0.99), "beside them": high(beside, 0.99)}
    return Findings([] if arrived else ["not all calls reached the dead upstream"], figures)


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
