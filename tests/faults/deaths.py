"""Workers that are killed and files that are bad, at 500 requests a second: who is harmed, and for how long."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.faults import scenarios
from tests.faults.callers import Caller
from tests.faults.scenarios import Findings, Load, settled
from tests.faults.upstream import PlannedUpstream
from tests.kit.gateway import Gateway

TABLES = Path("/proc/net/tcp"), Path("/proc/net/tcp6")
RATE = 500.0
NOT_RELOADED = b"was not reloaded"
BAD_FILE = "general_settings: {pass_through_endpoints: [{path: /new}]}\n"


async def reloads(gateway: Gateway, port: int, upstream: PlannedUpstream, texts: Iterator[str], times: int) -> Findings:
    """G18, G19: requests at 500/s over so many good files, each in force before the next one comes."""
    in_force_s = []

    async def happen(load: Load) -> None:
        for number in range(1, times + 1):
            began_s = time.monotonic()
            gateway.config_path.write_text(next(texts))
            gateway.signal(signal.SIGHUP)
            if not await settled(lambda wanted=str(number): upstream.generations[wanted] > 0):
                upstream.complaints.append(f"file {number} never came into force")
            in_force_s.append(time.monotonic() - began_s)

    found = await scenarios.steady(port, max(1_000, 1_500 * times), RATE, 18, happen)
    figures = {"reloads": times, **found.figures, "in force after ms, worst": max(in_force_s) * 1000}
    return Findings(found.complaints + upstream.complaints, figures)


async def kills(gateway: Gateway, port: int, times: int) -> Findings:
    """G22: a worker is killed again and again; it may cost what that worker had in flight at that moment."""
    costs: list[tuple[int, int]] = []
    replaced_s, answered_s = [], []

    async def happen(load: Load) -> None:
        for _ in range(times):
            served = len(load.verdicts)
            await settled(lambda served=served: len(load.verdicts) > served + 500)
            failed, before = load.failed, gateway.worker_pids()
            began_s = time.monotonic()
            at_stake = killed(gateway, before[0], load.asking, load.idle)
            await settled(lambda before=before: len(set(gateway.worker_pids()) - {before[0]}) == len(before))
            replaced_s.append(time.monotonic() - began_s)
            answered_s.append(await first_answer_s(gateway, set(before)) - began_s)
            costs.append((load.failed - failed, at_stake))

    found = await scenarios.steady(port, 500 * times, RATE, 22, happen)
    # What looks whole and is wrong is worse than a failure.
    complaints = [wrong for wrong in found.complaints if " whole " in wrong]
    complaints += [f"{cost} failed at a kill, {at_stake} were at stake" for cost, at_stake in costs if cost > at_stake]
    figures = {"kills": times, "requests": found.figures["requests"], "a second": found.figures["a second"]}
    figures |= {"failed": found.figures["failed"], "in flight on the killed": sum(at_stake for _, at_stake in costs)}
    figures |= {
        "replaced ms, worst": max(replaced_s) * 1000,
        "new one's first answer ms, worst": max(answered_s) * 1000,
    }
    return Findings(complaints, figures)


def killed(gateway: Gateway, pid: int, asking: Iterable[Caller], idle: Iterable[Caller]) -> int:
    """Kill a worker; return how many of these callers waited for it, those included that it had just accepted.

    It is stopped first, and nothing else happens here meanwhile, so it can neither answer nor be asked anything. When
    this returns, its connections have ended, and whoever had an idle one knows.
    """
    os.kill(pid, signal.SIGSTOP)
    ports = peer_ports(gateway.port, pid)
    known = {caller.own_port for caller in (*asking, *idle)}
    at_stake = sum(caller.own_port in ports for caller in asking) + len(ports - known)
    os.kill(pid, signal.SIGKILL)
    while peer_ports(gateway.port, pid):
        time.sleep(0.001)
    for caller in idle:
        if caller.own_port in ports:
            caller.close()
    return at_stake


async def first_answer_s(gateway: Gateway, old: set[int]) -> float:
    """Return when somebody got an answer from a worker that is not one of the old ones."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        own_port = writer.get_extra_info("sockname")[1]
        writer.write(b"GET /health/liveliness HTTP/1.1\r\nHost: g\r\n\r\n")
        is_answered, now_s = bool(await reader.read(1)), time.monotonic()
        new = [pid for pid in gateway.worker_pids() if pid not in old]
        is_new = any(own_port in peer_ports(gateway.port, pid) for pid in new)
        writer.close()
        if is_answered and is_new:
            return now_s
        await asyncio.sleep(0.005)


def peer_ports(own_port: int, pid: int) -> set[int]:
    """Return the far ends' ports of a process's connections at this port; none when it has ended (proc(5))."""
    inodes = set()
    try:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(file.readlink())[8:-1])
            except FileNotFoundError:  # closed while we were looking
                continue
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return set()
    ours = f":{own_port:04X}"
    found = set()
    for line in (line for table in TABLES for line in table.read_text().splitlines()[1:]):
        columns = line.split()
        if columns[1].endswith(ours) and columns[9] in inodes:
            found.add(int(columns[2].rpartition(":")[2], 16))
    return found - {0}


async def bad_files(gateway: Gateway, port: int, good: str, times: int) -> Findings:
    """G23: bad files, and after each the good one again: nobody fails, and the error is told at once."""
    told_s: list[float] = []
    pids = gateway.worker_pids()

    async def happen(load: Load) -> None:
        for number in range(times):
            served = len(load.verdicts)
            await settled(lambda served=served: len(load.verdicts) > served + 500)
            gateway.config_path.write_text(BAD_FILE)
            began_s = time.monotonic()
            gateway.signal(signal.SIGHUP)
            if await settled(lambda wanted=number: gateway.words().count(NOT_RELOADED) > wanted):
                told_s.append(time.monotonic() - began_s)
        gateway.config_path.write_text(good)

    found = await scenarios.steady(port, 600 * times, RATE, 23, happen)
    found.complaints += [] if len(told_s) == times else [f"{times - len(told_s)} errors were not told"]
    found.complaints += [] if gateway.worker_pids() == pids else ["workers were replaced"]
    found.figures |= {"bad files": times, "error told after ms, worst": max(told_s, default=0.0) * 1000}
    return found
