"""An upstream that does what each request's plan says, and keeps a ledger of what reached it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import h11

from tests.faults import plans
from tests.faults.plans import Plan

BLOCK = 1 << 16
PAUSE_S = 0.005
LINGER_NONE = struct.pack("ii", 1, 0)


class Gone(Exception):
    """The gateway has ended the connection."""


class PlannedUpstream:
    """Serves on a socket that listens already, within one event loop; `async with` ends it."""

    def __init__(self, listener: socket.socket) -> None:
        self.whole: Counter[str] = Counter()
        """Requests that arrived to their last octet, by tag."""
        self.begun: Counter[str] = Counter()
        self.connections = 0
        self.open = 0
        self.busy = 0
        """Requests that have begun and are not answered to their end."""
        self.complaints: list[str] = []
        self.octets_of: Callable[[Plan], bytes] | None = None
        """Answers with these octets instead."""
        self.spoils: Callable[[Plan], bool] = lambda plan: plan.kind in plans.SPOILS
        """Whether no other request may come on the connection afterwards."""
        self.generations: Counter[str] = Counter()
        """By X-Generation, which the gateway's file sets twice: both must be of one file."""
        self.idle_s: float | None = None
        """How long it waits for a next request before it closes; None for ever."""
        self._listener = listener
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    async def __aenter__(self) -> PlannedUpstream:
        self._server = await asyncio.start_server(self._serve, sock=self._listener.dup(), backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        # A server that closes forgets the sockets that it is just accepting: let none come, and those arrive, first.
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await self._settled()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._settled()

    async def _settled(self) -> None:
        """Let the loop go round: transports open and close in its next rounds."""
        for _ in range(5):
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._converse(Line(reader, writer))
        except (Gone, ConnectionError, asyncio.CancelledError, TimeoutError):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, line: Line) -> None:
        before: Plan | None = None
        while True:
            async with asyncio.timeout(self.idle_s):
                target, generations = await line.head()
            plan = plans.read(target)
            self.begun[plan.tag] += 1
            self.generations[generations[0]] += 1
            if len(set(generations)) > 1:
                self.complaints.append(f"{plan.tag} has two generations of settings: {generations}")
            if before is not None and self.spoils(before):
                self.complaints.append(f"{plan.tag} came on a connection that was spoiled by {before.tag}")
                return
            before = plan
            self.busy += 1
            try:
                if not await self._answered(line, plan):
                    return
            finally:
                self.busy -= 1

    async def _answered(self, line: Line, plan: Plan) -> bool:
        """Do what the plan says; tells whether another request may come."""
        await line.body()
        self.whole[plan.tag] += 1
        if self.octets_of is not None:
            await line.send(self.octets_of(plan))
            if self.spoils(plan):
                await line.end_soon()
        elif not await ACTS.get(plan.kind, plain)(line, plan):
            return False
        line.judge.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        line.judge.send(h11.EndOfMessage())
        line.judge.start_next_cycle()
        return True


class Line:
    """One connection: what comes is read by h11, the strict judge; what goes is octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 18)
        self._reader = reader
        self._writer = writer

    async def head(self) -> tuple[str, list[str]]:
        """Return the request target, and what the gateway's settings say of their generation."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            raise Gone
        generations = [value.decode() for name, value in event.headers if name.startswith(b"x-generation")]
        return event.target.decode(), generations or [""]

    async def body(self) -> None:
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise Gone

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def until_gone(self) -> None:
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(BLOCK):
                pass

    def reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self._writer.transport.abort()

    async def shut(self) -> None:
        self._writer.write_eof()
        await self.until_gone()

    async def end_soon(self) -> None:
        """End our side, a moment later: what waits for more learns that none comes."""
        await asyncio.sleep(PAUSE_S)
        self._writer.write_eof()

    async def _event(self) -> object:
        try:
            while (event := self.judge.next_event()) is h11.NEED_DATA:
                self.judge.receive_data(await self._reader.read(BLOCK))
        except h11.RemoteProtocolError as broken:
            raise Gone from broken
        return event


def head_of(plan: Plan) -> bytes:
    lines = [f"HTTP/1.1 {plan.status} OK", f"X-Tag: {plan.tag}"]
    if plan.framing == "length" and plan.kind != "nothing":
        lines.append(f"Content-Length: {plan.size}")
    elif plan.framing == "chunked" and plan.kind not in plans.STATUSES:
        lines.append("Transfer-Encoding: chunked")
    if plan.kind == "last":
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode()


def framed(plan: Plan, octets: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(octets), octets) if plan.framing == "chunked" and octets else octets


def end_of(plan: Plan) -> bytes:
    return b"0\r\n\r\n" if plan.framing == "chunked" else b""


def ends_by_close(plan: Plan) -> bool:
    return plan.kind in ("early", "last") or (plan.framing == "close" and not plan.is_bodiless)


async def plain(line: Line, plan: Plan) -> bool:
    """Answer whole; tells whether the connection goes on."""
    body = b"" if plan.is_bodiless else framed(plan, plan.body) + end_of(plan)
    await line.send(head_of(plan) + body)
    if ends_by_close(plan):
        await line.shut()
        return False
    return True


async def interim(line: Line, plan: Plan) -> bool:
    await line.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Tag: not-this\r\n\r\n")
    await asyncio.sleep(0)
    await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    return await plain(line, plan)


async def pause(line: Line, plan: Plan) -> bool:
    await asyncio.sleep(PAUSE_S)
    return await plain(line, plan)


async def drip(line: Line, plan: Plan) -> bool:
    await line.send(head_of(plan))
    if not plan.is_bodiless:
        for start in range(0, plan.size, max(1, plan.size // 5)):
            await line.send(framed(plan, plan.body[start : start + max(1, plan.size // 5)]))
            await asyncio.sleep(0)
        await line.send(end_of(plan))
    if ends_by_close(plan):
        await line.shut()
        return False
    return True


async def spare(line: Line, plan: Plan) -> bool:
    """More than was announced, and the connection stays open: another answer that nobody asked for."""
    body = b"" if plan.is_bodiless else framed(plan, plan.body) + end_of(plan)
    foreign = b"HTTP/1.1 200 OK\r\nX-Tag: smuggled\r\nContent-Length: 8\r\n\r\nsmuggled"
    await line.send(head_of(plan) + body + foreign)
    return True


async def fin(line: Line, plan: Plan) -> bool:
    await line.send(head_of(plan) + framed(plan, plan.body[: plan.at]))
    await line.shut()
    return False


async def rst(line: Line, plan: Plan) -> bool:
    await line.send(head_of(plan) + framed(plan, plan.body[: plan.at]))
    await asyncio.sleep(PAUSE_S)
    line.reset()
    return False


async def mute(line: Line, _plan: Plan) -> bool:
    await line.shut()
    return False


async def reset(line: Line, _plan: Plan) -> bool:
    line.reset()
    return False


async def garbage(line: Line, plan: Plan) -> bool:
    await line.send(b"SSH-2.0-OpenSSH_9.2\r\n" + plan.body)
    await line.shut()
    return False


async def torn(line: Line, plan: Plan) -> bool:
    head = head_of(plan)
    await line.send(head[: 1 + plan.at % (len(head) - 2)])
    await line.shut()
    return False


async def silence(line: Line, _plan: Plan) -> bool:
    await line.until_gone()
    return False


async def endless(line: Line, plan: Plan) -> bool:
    """Events until nobody wants them."""
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    event = f"data: {plan.tag}\n\n".encode()
    gone = asyncio.ensure_future(line.until_gone())
    while not gone.done():
        await line.send(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(PAUSE_S)
    return False


async def flood(line: Line, plan: Plan) -> bool:
    """As much as anybody takes, and no more held than a piece."""
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = framed(plan, bytes(BLOCK))
    while True:
        await line.send(piece)


ACTS: dict[str, Callable[[Line, Plan], Awaitable[bool]]] = {
    "interim": interim, "pause": pause, "drip": drip, "spare": spare,
    "silence": silence, "endless": endless, "flood": flood, "fin": fin, "rst": rst,
    "mute": mute, "reset": reset, "garbage": garbage, "torn": torn,
}  # fmt: skip
