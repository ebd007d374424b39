"""Event streams: thousands at once, one alone beside a direct one, and those that outlive a reload."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from array import array
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.faults.apart import Apart, context
from tests.faults.long import high, rss_kib
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings, settled
from tests.kit.gateway import Gateway

EVENT = re.compile(rb"data: (\d{8}) (\d{20})\n\n")
EVENT_BYTES = 37
EACH_S = 10.0
OPENED_A_SECOND = 200
FRAMINGS = ("chunked", "length", "close")
SETTLE_S = 5.0


@dataclass(slots=True)
class Heard:
    """What came on some streams: delays from the upstream's clock to here, and what is missing between events."""

    delays_s: array[float] = field(default_factory=lambda: array("d"))
    streams: int = 0
    events: int = 0
    lost: int = 0
    ended: int = 0

    def add(self, other: Heard) -> None:
        self.delays_s.extend(other.delays_s)
        self.streams += other.streams
        self.events += other.events
        self.lost += other.lost
        self.ended += other.ended


class Listener(asyncio.Protocol):
    """One stream's client."""

    def __init__(self, plan: Plan, path: str, heard: Heard) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._request = f"GET {path}{plan.target} HTTP/1.1\r\nHost: g\r\n\r\n".encode()
        self._size = plan.size
        self._heard = heard
        self._rest = b""
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns, heard, last = time.monotonic_ns(), self._heard, 0
        octets = self._rest + data
        for event in EVENT.finditer(octets):
            number, last = int(event[1]), event.end()
            heard.streams += number == 0 and self._wanted == 0
            heard.lost += number - self._wanted
            heard.events += 1
            heard.delays_s.append((now_ns - int(event[2])) / 1e9)
            self._wanted = number + 1
        self._rest = octets[max(last, len(octets) - EVENT_BYTES) :]
        if self._wanted == self._size:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._heard.ended += 1
        if not self.closed.done():
            self.closed.set_result(None)


async def listened(port: int, todo: Iterable[Plan], a_second: float, until_s: float, path: str = "/f") -> Heard:
    """Open the streams at this rate and hear them until that moment, or to their ends."""
    heard, loop, listeners = Heard(), asyncio.get_running_loop(), []
    began_s = time.monotonic()
    for number, plan in enumerate(todo):
        await asyncio.sleep(began_s + number / a_second - time.monotonic())
        _, listener = await loop.create_connection(lambda plan=plan: Listener(plan, path, heard), "127.0.0.1", port)
        listeners.append(listener)
    await asyncio.wait([listener.closed for listener in listeners], timeout=max(0.0, until_s - time.monotonic()))
    ended = heard.ended
    for listener in listeners:
        listener.transport.abort()
    await asyncio.gather(*(listener.closed for listener in listeners))
    heard.ended = ended
    return heard


def _listen(port: int, number: int, streams: int, events: int, a_second: float, until_s: float) -> Heard:
    todo = [
        Plan(f"1-{number}x{n}", "ticks", framing="chunked", size=events, at=int(EACH_S * 1000)) for n in range(streams)
    ]
    return asyncio.run(listened(port, todo, a_second, until_s))


async def many(gateway: Gateway, upstream: Apart, streams: int, held_s: float, jobs: int) -> Findings:
    """G1: so many streams on one worker, each with an event in ten seconds; delay, memory, lost events."""
    pids = gateway.worker_pids()
    idle_kib = rss_kib(pids)
    until_s = time.monotonic() + streams / OPENED_A_SECOND + SETTLE_S + held_s
    events = int((until_s - time.monotonic()) / EACH_S) + 10
    share = streams // jobs, events, OPENED_A_SECOND / jobs, until_s
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(jobs, context()) as pool:
        hearing = asyncio.gather(*(loop.run_in_executor(pool, _listen, gateway.port, n, *share) for n in range(jobs)))
        await asyncio.sleep(until_s - time.monotonic() - 1)
        open_kib, busy = rss_kib(pids), upstream.busy
        heard = Heard()
        for part in await hearing:
            heard.add(part)
    wanted = streams // jobs * jobs
    complaints = [] if busy == wanted else [f"{busy} of {wanted} streams were open at the end"]
    complaints += [f"{heard.lost} events were lost"] if heard.lost else []
    complaints += [f"{heard.ended} streams were ended by the gateway"] if heard.ended else []
    complaints += [] if await settled(lambda: upstream.busy == 0) else ["upstream connections outlive their clients"]
    delays_s = list(heard.delays_s)
    figures = {"streams": wanted, "held for s": held_s, "events": heard.events, "lost": heard.lost}
    figures |= {"delay p50 ms": high(delays_s, 0.5), "p99": high(delays_s, 0.99), "worst": high(delays_s, 1.0)}
    return Findings(complaints, {**figures, "KiB each": (open_kib - idle_kib) / wanted})


async def alone(port: int, upstream_port: int, rounds: int) -> Findings:
    """G3: one stream, direct and through the gateway in turn, in each framing; what the gateway adds."""
    figures: dict[str, float] = {}
    complaints = []
    for framing in FRAMINGS:
        direct, relayed = Heard(), Heard()
        for number in range(rounds):
            for heard, way, path in ((direct, upstream_port, "/"), (relayed, port, "/f")):
                plan = Plan(f"3-{framing}-{number}{path[1:]}", "ticks", framing=framing, size=100, at=10)
                heard.add(await listened(way, [plan], 1_000, time.monotonic() + 60, path))
        complaints += [f"{framing}: {relayed.lost} events were lost"] if relayed.lost else []
        complaints += (
            [] if relayed.events == direct.events else [f"{framing}: {relayed.events} of {direct.events} events"]
        )
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            theirs, ours = high(list(direct.delays_s), share), high(list(relayed.delays_s), share)
            figures |= {f"{framing} added {name} ms": ours - theirs}
    return Findings(complaints, {"events each": rounds * 100, **figures})


async def over_a_reload(gateway: Gateway, port: int, streams: int, last_s: float) -> Findings:
    """G21: streams that last so long, and a reload soon after they begin; the old workers end with the last of them."""
    old = set(gateway.worker_pids())
    events = int(last_s * 10)
    todo = [Plan(f"21-{number}", "ticks", framing="chunked", size=events, at=100) for number in range(streams)]
    hearing = asyncio.create_task(listened(port, todo, 1_000, time.monotonic() + last_s + 60))
    await asyncio.sleep(1)
    gateway.signal(signal.SIGHUP)
    came = await settled(lambda: len(set(gateway.worker_pids()) - old) == len(old))
    heard = await hearing
    ended_s = time.monotonic()
    gone = await settled(lambda: not old & set(gateway.worker_pids()))
    gone_s = time.monotonic() - ended_s
    complaints = [] if came and gone else ["workers were not replaced, or did not end"]
    complaints += [] if heard.events == streams * events else [f"{heard.events} of {streams * events} events came"]
    figures = {"streams": streams, "seconds each": last_s, "events": heard.events, "lost": heard.lost}
    return Findings(complaints, {**figures, "old workers gone after s": gone_s})
