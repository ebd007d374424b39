"""Slow clients, dead upstreams and too many at once (RELIABILITY 4.5), each beside a control of the same run."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults import aside
from tests.faults.aside import OK, Beat, Heard
from tests.faults.scenarios import Findings

HEAD_S = 60.0
IDLE_S = 20.0
CONFIG = """
general_settings:
  pass_through_endpoints:
    - {{path: /a, target: "http://127.0.0.1:{port}/a"}}
    - {{path: /slow, target: "http://127.0.0.1:{port}/flood", timeouts: {{idle: 20}}}}
    - {{path: /dead, target: "http://127.0.0.1:{dead}/dead"}}
"""
FLOOD = b"10000\r\n" + bytes(65_536) + b"\r\n"
# A slow reader's number -> when octets for it were taken last: until then it was not stalled, but filled buffers.
taken_s: dict[str, float] = {}
HALVES = {
    "head": (b"GET /a HTTP/1.1\r\nHost: g\r\nX-A: ", HEAD_S),
    "body": (b"POST /slow HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nhalf", IDLE_S),
    "reader": (b"GET /slow?%d HTTP/1.1\r\nHost: g\r\n\r\n", IDLE_S),
}


class Flooding(aside.Visit):
    """Answers /flood without end, as fast as it is read, and others at once; waits for the rest of a half body."""

    is_paused = False
    number = ""

    def answer(self, head: bytes) -> None:
        if head.startswith(b"GET /flood"):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            self.number = head.split()[1].partition(b"?")[2].decode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.pour()
        elif not head.startswith(b"POST"):
            self.transport.write(OK)

    def pour(self) -> None:
        while not self.is_paused and not self.transport.is_closing():
            taken_s[self.number] = time.monotonic()
            self.transport.write(FLOOD)

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self.pour()


def slow_clients(scale: float) -> Findings:
    """G25: a third each of half heads, half bodies and clients that do not read; when each of them is let go."""
    of_each = max(10, int(1_000 * scale))
    with served(Flooding) as (port, beat):
        alone_s = time.monotonic()
        time.sleep(HEAD_S / 3)
        opened = [Slow.opened(port, kind, number) for number in range(of_each) for kind in HALVES]
        beside_s = time.monotonic()
        let_go(opened)
        alone, beside = beat.between(alone_s, opened[0].began_s), beat.between(beside_s, beside_s + HEAD_S / 3)
        failed = aside.failed(beat.heard)
    found = Findings([f"{failed} healthy calls failed"] if failed else [])
    found.figures["slow clients"] = len(opened)
    for kind in HALVES:
        late = sorted(one.late_s for one in opened if one.kind == kind)
        found.figures[f"{kind}s let go s from the deadline, first"] = late[0]
        found.figures[f"{kind}s, last"] = late[-1]
        found.complaints += [f"{kind}s were let go {late[0]} to {late[-1]} s late"] * (late[0] < -1 or late[-1] > 10)
    found.figures["more than 1 s off"] = sum(abs(one.late_s) > 1 for one in opened)
    return Findings(found.complaints, found.figures | told("healthy alone", alone) | told("beside them", beside))


@dataclass(slots=True)
class Slow:
    kind: str
    socket: socket.socket
    began_s: float
    number: str
    gone_s: float = 1e9

    @classmethod
    def opened(cls, port: int, kind: str, number: int) -> Slow:
        ours = socket.socket()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # Loopback's segments of 64 KiB make the kernel buffer 2.5 MB for each who does not read.
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        ours.connect(("127.0.0.1", port))
        octets = HALVES[kind][0]
        ours.sendall(octets % number if kind == "reader" else octets)
        return cls(kind, ours, time.monotonic(), str(number))

    @property
    def late_s(self) -> float:
        """By how much it was let go after its own deadline."""
        began_s = taken_s.get(self.number, self.began_s) if self.kind == "reader" else self.began_s
        return self.gone_s - began_s - HALVES[self.kind][1]


def let_go(opened: list[Slow]) -> None:
    """Wait until the gateway has closed each of them, or some time longer, and keep when it did."""
    poll = select.epoll()
    # Nothing is read from a reader, so that only a reset tells.
    for one in opened:
        poll.register(one.socket, 0 if one.kind == "reader" else select.EPOLLRDHUP)
    by_number = {one.socket.fileno(): one for one in opened}
    until_s = time.monotonic() + HEAD_S + 15
    while by_number and time.monotonic() < until_s:
        for number, _ in poll.poll(1.0):
            one = by_number.pop(number)
            one.gone_s = time.monotonic()
            poll.unregister(number)
    for one in opened:
        one.socket.close()
    poll.close()


@contextlib.contextmanager
def served(visit: type[aside.Visit], per_s: float = 50.0) -> Iterator[tuple[int, Beat]]:
    """Run a gateway of one worker with a healthy caller, and an upstream on /dead that accepts and says nothing."""
    with (
        aside.upstream(visit) as port,
        socket.create_server(("127.0.0.1", 0), backlog=4096) as dead,
        aside.gateway(CONFIG.format(port=port, dead=dead.getsockname()[1]), {}, workers=1) as gateway,
        Beat(gateway.port, "-", per_s) as beat,
    ):
        yield gateway.port, beat


def dead_upstream(scale: float) -> Findings:
    """G26: 1,000 calls hang on one upstream, and none, in turn; how calls to another one fare."""
    hanging: list[socket.socket] = []
    alone: list[Heard] = []
    beside: list[Heard] = []
    with served(aside.Visit, per_s=400.0) as (port, beat):
        for turn in range(2 * max(1, int(3 * scale))):
            if turn % 2:
                hanging = [sent(port, b"GET /dead HTTP/1.1\r\nHost: g\r\n\r\n") for _ in range(1_000)]
            time.sleep(1)
            began_s = time.monotonic()
            time.sleep(5)
            (beside if turn % 2 else alone).extend(beat.between(began_s, time.monotonic()))
            while hanging:
                hanging.pop().close()
            time.sleep(1)
        failed = aside.failed(beat.heard)
    figures = {"hanging": 1_000.0, "calls beside them": len(beside)} | told("alone", alone) | told("beside", beside)
    return Findings([f"{failed} calls failed"] if failed else [], figures)


def sent(port: int, octets: bytes) -> socket.socket:
    ours = socket.create_connection(("127.0.0.1", port))
    ours.sendall(octets)
    return ours


def told(name: str, heard: list[Heard]) -> dict[str, float]:
    ordered = sorted(one.took_ms for one in heard)
    return {f"{name}: ms p50": ordered[len(ordered) // 2], f"{name}: p99": ordered[len(ordered) * 99 // 100]}


SERVICE_S = 0.1
ANSWERED_S = 15.0
PLACES = 50
CAPACITY_PER_S = PLACES / SERVICE_S
CROWDED = CONFIG.replace("general_settings:", f"general_settings:\n  max_waiting_per_upstream: {PLACES}")


class Working(aside.Visit):
    """Takes its time for each answer, however many there are: the room before it is the bottleneck, and not the CPU."""

    def answer(self, head: bytes) -> None:
        asyncio.get_running_loop().call_later(SERVICE_S, self.transport.write, OK)


def overload(scale: float) -> Findings:
    """G24: twice as many calls as the room for an upstream lets through, sent when they are due whatever happens."""
    with (
        aside.upstream(Working) as port,
        aside.gateway(CROWDED.format(port=port, dead=port), {}, workers=1) as gateway,
    ):
        workers = gateway.worker_pids()
        usual = asyncio.run(open_loop(gateway.port, CAPACITY_PER_S / 5, 5))
        peak = asyncio.run(open_loop(gateway.port, CAPACITY_PER_S * 0.95, 10))
        heard = asyncio.run(open_loop(gateway.port, CAPACITY_PER_S * 2, max(5, 60 * scale)))
        after = asyncio.run(open_loop(gateway.port, CAPACITY_PER_S / 5, 3))
        died = len(set(workers) - set(gateway.worker_pids()))
    steady = [one for one in heard if one.at_s > heard[0].at_s + 1]
    passed = [one for one in steady if one.status == 200]
    refused = [one for one in steady if one.status == 503]
    lasted_s = steady[-1].at_s - steady[0].at_s
    complaints = {
        "workers died": died,
        "other statuses": len(steady) - len(passed) - len(refused),
        "without Retry-After": sum(b"retry-after:" not in one.head.lower() for one in refused),
        "of those after it failed": sum(one.status != 200 for one in after if one.at_s > after[0].at_s + 1),
    }
    figures = {
        "offered a second": len(steady) / lasted_s,
        "goodput a second": len(passed) / lasted_s,
        "peak a second": sum(one.status == 200 for one in peak) / (peak[-1].at_s - peak[0].at_s),
    }
    figures |= told("unloaded", usual) | told("accepted", passed) | told("refused", refused)
    return Findings([f"{number} {what}" for what, number in complaints.items() if number], figures)


async def open_loop(port: int, per_s: float, lasts_s: float) -> list[Heard]:
    """Send calls at their time, each on an idle connection or a new one."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    heard: list[Heard] = []

    async def one() -> None:
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(ANSWERED_S):
                reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /a HTTP/1.1\r\nHost: g\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            head = b""
        else:
            idle.append((reader, writer))
        heard.append(Heard(began_s, (time.monotonic() - began_s) * 1000, int(head[9:12] or 0), head))

    begin_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_s * lasts_s)):
            if (wait_s := begin_s + number / per_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one())
    for _, writer in idle:
        writer.close()
    return sorted(heard, key=lambda one: one.at_s)
