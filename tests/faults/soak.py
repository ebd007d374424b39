"""The goals of RELIABILITY §4 at length, each with its figures: `make soak`, or python -m tests.faults.soak G4 G30.

Bounded: some fifteen minutes on two idle cores; --scale 10 makes each ten times as long, --full as long as is
promised. Exits 1 when a promise was broken. Times are printed, not judged: they are the machine's as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import re
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import (
    away,
    deaths,
    differential,
    hostile,
    lists,
    long,
    plans,
    resources,
    scenarios,
    slow,
    storage,
    streams,
    wear,
)
from tests.faults.apart import Prepare, apart
from tests.faults.conftest import CONFIG
from tests.faults.scenarios import Findings, settled
from tests.faults.upstream import PlannedUpstream
from tests.kit.gateway import Gateway

QUICK = """
    - {{path: /quick, target: "http://127.0.0.1:{port}", timeouts: {{connect: 5, first_byte: 5, idle: 5}}}}
    - {{path: /keyed, target: "http://127.0.0.1:{other}", forward_headers: true, auth: KEYED}}
"""
CLIENT_LEFT = re.compile(rb'"outcome": ?"client_left"')
KEY = "sk-soak-0123456789abcdefghij"
KEYS = f"""
keys:
  - {{key: {KEY}, rpm_limit: 100000000}}
"""


@dataclass(slots=True)
class Bench:
    """A gateway and two upstreams for one goal, the first of them in a process of its own where APART says so."""

    gateway: Gateway
    upstream: Any
    other: PlannedUpstream
    config: str
    listens_at: int
    """The first upstream's own port."""
    jobs: int
    """How many processes the clients are in, where they are many."""

    @property
    def port(self) -> int:
        return self.gateway.port


def sized(count: int, scale: float) -> int:
    return max(1, int(count * scale))


Goal = Callable[[Bench, float], Awaitable[Findings]]


async def g1(b: Bench, scale: float) -> Findings:
    return await streams.many(b.gateway, b.upstream, int(8_000 * min(1, scale)), 30 * scale, b.jobs)


async def g3(b: Bench, scale: float) -> Findings:
    return await streams.alone(b.port, b.listens_at, sized(3, scale))


async def g2(b: Bench, scale: float) -> Findings:
    await scenarios.departures(b.port, b.upstream, 100, 1)
    await asyncio.sleep(5)
    before = long.open_files(b.gateway.worker_pids())
    found = await scenarios.departures(b.port, b.upstream, sized(6_000, scale), 2, 100.0)
    await asyncio.sleep(5)
    found.figures["descriptors more than before"] = long.open_files(b.gateway.worker_pids()) - before
    return found


async def g9(b: Bench, scale: float) -> Findings:
    count, ways = sized(2_000, scale), (*scenarios.LEAVING, "half-close")
    found = await scenarios.departures(b.port, b.upstream, count, 9, 50.0, ways)
    told = await settled(lambda: len(CLIENT_LEFT.findall(b.gateway.words())) >= count)
    found.figures["logged as client_left"] = logged = len(CLIENT_LEFT.findall(b.gateway.words()))
    found.complaints += [] if told and logged == count else [f"{logged} of {count} are logged as client_left"]
    return found


async def g4(b: Bench, scale: float) -> Findings:
    return await long.cut_answers(b.port, b.upstream, sized(10_000, scale), b.jobs)


async def g5(b: Bench, scale: float) -> Findings:
    return await scenarios.cut_uploads(b.port, b.upstream, sized(2_000, scale), 5)


async def g6(b: Bench, scale: float) -> Findings:
    count = sized(60_000, scale)
    return await scenarios.answers(b.port, b.upstream, count, 6, plans.WHOLE, 256, b.jobs, uploads=20_000)


async def g18(b: Bench, _scale: float) -> Findings:
    texts = (generation(b.config, number) for number in itertools.count(1))
    return await deaths.reloads(b.gateway, b.port, b.upstream, texts, 20)


async def g19(b: Bench, scale: float) -> Findings:
    texts = (generation(b.config, number) for number in itertools.count(1))
    return await deaths.reloads(b.gateway, b.port, b.upstream, texts, sized(10, scale))


async def g20(b: Bench, _scale: float) -> Findings:
    return await long.stop_with_streams(b.gateway, b.port, b.upstream, 500)


async def g21(b: Bench, scale: float) -> Findings:
    return await streams.over_a_reload(b.gateway, b.port, 50, 15 * scale)


async def g22(b: Bench, scale: float) -> Findings:
    return await deaths.kills(b.gateway, b.port, sized(20, scale))


async def g23(b: Bench, scale: float) -> Findings:
    return await deaths.bad_files(b.gateway, b.port, generation(b.config, 0), sized(10, scale))


async def g27(b: Bench, _scale: float) -> Findings:
    return await long.few_files(b.gateway, b.port, b.upstream)


async def g28(b: Bench, scale: float) -> Findings:
    b.other.idle_s = 3.0  # so that no idle connection is counted as a descriptor more
    return await wear.wear(b.gateway, b.upstream, 12, sized(8_000, scale), b.jobs, KEY)


async def g29(b: Bench, scale: float) -> Findings:
    kinds = (*plans.WHOLE * 9, *plans.CUT, *plans.DEAD)
    return await scenarios.answers(b.port, b.upstream, sized(30_000, scale), 29, kinds, 64, b.jobs)


async def g30(b: Bench, scale: float) -> Findings:
    return await scenarios.stale(b.port, b.upstream, sized(13_400, scale), 30, idle_s=1.0, callers=134)


async def g33(b: Bench, scale: float) -> Findings:
    workers = b.gateway.worker_pids()
    found = await hostile.mutated_answers(b.port, b.upstream, sized(40_000, scale), 33, 64, b.jobs)
    found.complaints += [] if b.gateway.worker_pids() == workers else ["a worker died"]
    return found


async def g32(_b: Bench, scale: float) -> Findings:
    if why := differential.missing():
        return Findings([], {f"skipped: {why}": 0})
    compared = await asyncio.to_thread(differential.compare, sized(20_000, scale), 32)
    figures = {"mutated requests": sum(compared.verdicts.values()), "ours alone, excused": compared.excused.total()}
    return Findings([repr(octets) for octets in compared.ours_alone], {**figures, **compared.verdicts})


GOALS: dict[str, tuple[Goal, dict[str, str]]] = {
    "G1": (g1, {"WEB_CONCURRENCY": "1"}), "G2": (g2, {}), "G3": (g3, {"WEB_CONCURRENCY": "1"}), "G4": (g4, {}),
    "G5": (g5, {}), "G6": (g6, {}), "G9": (g9, {"LOG_LEVEL": "INFO"}), "G18": (g18, {}), "G19": (g19, {}),
    "G20": (g20, {"DRAIN_SECONDS": "2", "GUNICORN_CMD_ARGS": "--graceful-timeout 4"}),
    "G21": (g21, {"GUNICORN_CMD_ARGS": "--graceful-timeout 960"}), "G22": (g22, {}), "G23": (g23, {}),
    "G27": (g27, {"WEB_CONCURRENCY": "1", "FILES": "256"}), "G28": (g28, {}), "G29": (g29, {}), "G30": (g30, {}),
    "G32": (g32, {}), "G33": (g33, {}),
}  # fmt: skip
GOALS |= lists.GOALS
# What starts a gateway of its own kind itself.
ALONE: dict[str, Callable[[float], Findings]] = {
    "G8": resources.bomb, "G14": away.redis_away, "G15": away.postgres_away, "G16": storage.embedded,
    "G24": slow.overload, "G25": slow.slow_clients, "G26": slow.dead_upstream, "OR-08": resources.without_memory,
}  # fmt: skip

# Whose upstream is in a process of its own, and what it is told there.
APART: dict[str, Prepare | None] = {
    "G4": None,
    "G6": None,
    "G20": None,
    "G28": None,
    "G29": None,
    "G33": hostile.prepare,
}
# Whose gateway has keys and a limit.
KEYED = ("G28",)
# --scale at which a goal is as large as promised.
FULL = {
    "G1": 60,
    "G2": 10,
    "G15": 5,
    "G6": 1_000_000 / 60_000,
    "G19": 10,
    "G21": 60,
    "G28": 104,
    "G29": 100_000 / 30_000,
    "G33": 2.5,
    **lists.FULL,
}


def generation(config: str, number: int) -> str:
    """Return the config with a number in it twice."""
    header = f'headers: {{X-Generation: "{number}", X-Generation-Again: "{number}"}}, forward_headers'
    return config.replace("forward_headers", header)


@contextlib.contextmanager
def started(config: str, environ: dict[str, str]) -> Iterator[Gateway]:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    environ = {"LOG_LEVEL": "WARNING", **environ}
    gateway = Gateway(folder, generation(config, 0), environ)
    if files := environ.pop("FILES", None):
        gateway.prefix = ("prlimit", f"--nofile={files}:{files}")
    gateway.start()
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()
        gateway.close_clients()
        shutil.rmtree(folder, ignore_errors=True)


def measured(name: str, scale: float, jobs: int) -> Findings:
    if name in ALONE:
        return ALONE[name](scale)
    goal, environ = GOALS[name]
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096)) for _ in range(2)]
        port, other = (end.getsockname()[1] for end in ends)
        config = (CONFIG + QUICK).format(port=port, other=other)
        config = config.replace("KEYED", "true") + KEYS if name in KEYED else config.replace("KEYED", "false")
        gateway = stack.enter_context(started(config, environ))

        async def happen() -> Findings:
            first = apart(ends[0], APART[name]) if name in APART else PlannedUpstream(ends[0])
            async with first as upstream, PlannedUpstream(ends[1]) as beside:
                return await goal(Bench(gateway, upstream, beside, config, port, jobs), scale)

        found = asyncio.run(happen())
        words = gateway.words()
    if b"Traceback" in words:
        found.complaints.append("a traceback in the log")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goals", nargs="*", help=f"of {' '.join({**GOALS, **ALONE})}; all if left out")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--full", action="store_true", help="each goal as large as RELIABILITY asks")
    parser.add_argument("--jobs", type=int, default=2, help="processes for the clients, where they are many")
    wanted = parser.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    broken = 0
    for name in wanted.goals or {**GOALS, **ALONE}:
        began_s = time.monotonic()
        scale = FULL.get(name, 1.0) if wanted.full else wanted.scale
        found = measured(name, scale, wanted.jobs)
        broken += bool(found.complaints)
        told = ", ".join(f"{what} {round(value, 2):g}" for what, value in found.figures.items())
        print(
            f"{name:4} {'BROKEN' if found.complaints else 'holds '} {told} ({time.monotonic() - began_s:.0f} s)",
            flush=True,
        )
        for complaint in found.complaints[:10]:
            print(f"       {complaint[:400]}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
