"""What happens between clients, gateway and upstream, and what of it is wrong: the suite runs these short, a soak long.

Each takes the gateway's port and an upstream, and returns Findings: complaints, which must be none, and figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.faults import plans
from tests.faults.apart import crowd
from tests.faults.callers import Caller, Judge, Verdict, as_planned, judged
from tests.faults.ledger import Ledger
from tests.faults.plans import Plan
from tests.faults.upstream import PlannedUpstream

LINGER_NONE = struct.pack("ii", 1, 0)
BLOCK = 1 << 16
LEAVING = ("close", "reset")
SETTLE_S = 30.0
# A machine that cannot keep up slows the callers, and does not drown in them; "a second" tells.
MOST_FLYING = 500


@dataclass(slots=True)
class Findings:
    """`complaints` break a promise; `figures` are what a soak prints."""

    complaints: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


async def settled(look: Callable[[], bool]) -> bool:
    """Tell whether what `look` tells comes true in time."""
    until_s = time.monotonic() + SETTLE_S
    while not look():
        if time.monotonic() > until_s:
            return False
        await asyncio.sleep(0.01)
    return True


async def at_rest(upstream: Ledger) -> bool:
    """Tell whether the upstream's requests all end, and stay so: the gateway may yet have to dial."""
    for _ in range(5):
        if not await settled(lambda: upstream.busy == 0):
            return False
        await asyncio.sleep(0.1)
    return upstream.busy == 0


async def answers(
    port: int,
    upstream: Ledger,
    count: int,
    seed: int,
    kinds: Sequence[str],
    callers: int = 32,
    processes: int = 0,
    judge: Judge = as_planned,
    **sizes: int,
) -> Findings:
    """G4, G6, G29: each client gets its own answer, whole, or sees that it did not; nothing is asked for twice.

    The clients are here, or in so many processes.
    """
    draw = functools.partial(plans.drawn, count, seed, kinds, **sizes)
    if processes:
        wrong, _ = await crowd(port, draw, callers, judge, processes)
    else:
        wrong = await judged(port, draw(), callers, judge)
    await upstream.caught_up()
    # Told and not processed (CF-08). Here an upstream says with its answer, or in it, that its connection ends.
    lost = [told for told in wrong if told.status == 502 and not upstream.whole[told.plan.tag]]
    twice = [f"{tag} reached the upstream twice" for tag, times in upstream.begun.items() if times > 1]
    complaints = [str(told) for told in wrong] + upstream.complaints + twice
    figures = {"requests": count, "foreign or wrong": len(complaints), "of them 502, not processed": len(lost)}
    figures["upstream connections"] = upstream.connections
    drawn = Counter(plan.kind for plan in draw())
    return Findings(complaints, {**figures, **{f"of them {kind}": number for kind, number in drawn.items()}})


async def cut_uploads(port: int, upstream: Ledger, count: int, seed: int) -> Findings:
    """G5: clients die in mid-upload, by FIN, RST or half-close; nothing whole may reach the upstream."""
    chance = random.Random(seed)
    gate = asyncio.Semaphore(32)

    async def die(tag: str, size: int, is_chunked: bool, ending: str, share: float) -> None:
        plan = Plan(tag, "plain", "POST", size=2)
        body = plans.spread(tag, size)
        framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
        octets = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if is_chunked else body
        head = f"POST /f{plan.target} HTTP/1.1\r\nHost: g\r\n{framing}\r\n\r\n".encode()
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + octets[: int(share * (len(octets) - 1))])
            await writer.drain()
            if share > 0.5:  # the others die before the gateway has dialled
                await settled(lambda: upstream.begun[tag] > 0)
            if ending == "half-close":
                writer.write_eof()
                await reader.read()
            elif ending == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                writer.transport.abort()
            writer.close()

    endings = ("close", "reset", "half-close")
    await asyncio.gather(
        *(
            die(
                f"{seed}-{n}",
                chance.randrange(2, 200_000),
                chance.random() < 0.5,
                chance.choice(endings),
                chance.random(),
            )
            for n in range(count)
        )
    )
    is_quiet = await at_rest(upstream)
    whole = [f"{tag} arrived whole" for tag in upstream.whole]
    complaints = whole if is_quiet else [*whole, f"{upstream.busy} cut uploads are still awaited upstream"]
    return Findings(complaints, {"cut uploads": count, "begun upstream": len(upstream.begun), "whole": len(whole)})


async def stale(port: int, upstream: PlannedUpstream, count: int, seed: int, idle_s: float, callers: int) -> Findings:
    """G30: the upstream closes idle connections about when the next request comes; nothing is done twice."""
    upstream.idle_s = idle_s
    chance = random.Random(seed)
    lost: Counter[str] = Counter()
    complaints: list[str] = []

    async def work(number: int) -> None:
        caller = Caller(port)
        for turn in range(count // callers):
            method = "POST" if turn % 4 else "GET"
            plan = Plan(f"{seed}-{number}-{turn}", "plain", method, size=20, upload=100 if method == "POST" else 0)
            verdict = await caller.ask(plan)
            if verdict.status == 502:
                lost[method] += 1
            elif (wrong := as_planned(verdict)) is not None:
                complaints.append(f"{plan}: {wrong}")
            await asyncio.sleep(idle_s * chance.uniform(0.5, 1.5))
        caller.close()

    await asyncio.gather(*(work(number) for number in range(callers)))
    twice = [f"{tag} reached the upstream twice" for tag, times in upstream.begun.items() if times > 1]
    figures = {"requests": count, "twice": len(twice), "POSTs lost": lost["POST"], "GETs lost": lost["GET"]}
    return Findings(complaints + twice, {**figures, "upstream connections": upstream.connections})


@dataclass(slots=True)
class Leaver:
    """A client that leaves while the upstream is silent, or while it sends; `left_s` is when, by tag."""

    port: int
    upstream: Ledger
    left_s: dict[str, float] = field(default_factory=dict)

    async def leave(self, plan: Plan, way: str, is_late: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET /f{plan.target} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
        await settled(lambda: self.upstream.begun[plan.tag] > 0)
        if is_late and plan.kind == "endless":
            await reader.read(10)
        self.left_s[plan.tag] = time.monotonic()
        if way == "half-close":
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                while await reader.read(BLOCK):
                    pass
        elif way == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            writer.transport.abort()
        writer.close()


async def departures(
    port: int, upstream: Ledger, count: int, seed: int, a_second: float = 1_000.0, ways: Sequence[str] = LEAVING
) -> Findings:
    """G2, G9: clients come at this rate and leave; their upstream connections end, too."""
    chance = random.Random(seed)
    leaver, gate, began_s = Leaver(port, upstream), asyncio.Semaphore(64), time.monotonic()
    kinds: dict[str, str] = {}

    async def leave(number: int) -> None:
        plan = Plan(f"{seed}-{number}", chance.choice(plans.LEFT), size=10)
        kinds[plan.tag] = plan.kind
        way, is_late = chance.choice(ways), chance.random() < 0.5
        await asyncio.sleep(began_s + number / a_second - time.monotonic())
        async with gate:
            await leaver.leave(plan, way, is_late)

    await asyncio.gather(*(leave(number) for number in range(count)))
    left_s = time.monotonic()
    is_quiet = await settled(lambda: upstream.busy == 0)
    figures = {"clients that left": count, "all upstream connections ended after s": time.monotonic() - left_s}
    await upstream.caught_up()
    for kind in plans.LEFT:
        took_s = sorted(
            upstream.ended_s[tag] - at_s
            for tag, at_s in leaver.left_s.items()
            if kinds[tag] == kind and tag in upstream.ended_s
        )
        if took_s:
            figures |= {f"{kind}: upstream closed after ms, p99": took_s[int(len(took_s) * 0.99)] * 1000}
            figures |= {f"{kind}: worst": took_s[-1] * 1000}
    unseen = [tag for tag in kinds if tag not in upstream.ended_s]
    complaints = [] if is_quiet else [f"{upstream.busy} upstream connections outlive their clients"]
    complaints += [f"{len(unseen)} upstream connections were not seen to end"] if unseen and is_quiet else []
    return Findings(complaints, figures)


@dataclass(slots=True)
class Load:
    """Requests at a steady rate, as they stand."""

    flying: set[asyncio.Task[None]] = field(default_factory=set)
    asking: set[Caller] = field(default_factory=set)
    failed: int = 0
    idle: list[Caller] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


Event = Callable[[Load], Awaitable[None]]


async def steady(port: int, count: int, rate: float, seed: int, event: Event) -> Findings:
    """G18, G19, G22, G23: so many requests a second, whatever the answers take, while something happens.

    At least `count`, and more until the event is over.
    """
    load = Load()

    async def one(plan: Plan) -> None:
        caller = load.idle.pop() if load.idle else Caller(port)
        began_s = time.monotonic()
        load.asking.add(caller)
        verdict = await caller.ask(plan)
        load.asking.discard(caller)
        load.took_s.append(time.monotonic() - began_s)
        load.verdicts.append(verdict)
        load.failed += as_planned(verdict) is not None
        load.idle.append(caller)

    happening = asyncio.ensure_future(event(load))
    began_s = time.monotonic()
    number = 0
    while number < count or not happening.done():
        if (ahead_s := began_s + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(ahead_s)
        while len(load.flying) >= MOST_FLYING:
            await asyncio.sleep(0.01)
        kind = "pause" if number % 3 else "plain"
        load.flying.add(task := asyncio.create_task(one(Plan(f"{seed}-{number}", kind, size=50 + number % 1_000))))
        task.add_done_callback(load.flying.discard)
        number += 1
    await asyncio.gather(*load.flying, happening)
    spent_s = time.monotonic() - began_s
    for caller in load.idle:
        caller.close()
    complaints = [f"{verdict.plan}: {wrong}" for verdict in load.verdicts if (wrong := as_planned(verdict)) is not None]
    took_s = sorted(load.took_s)
    figures = {"requests": number, "failed": len(complaints), "a second": number / spent_s}
    return Findings(complaints, {**figures, "p50 ms": took_s[number // 2] * 1000, "worst ms": took_s[-1] * 1000})
