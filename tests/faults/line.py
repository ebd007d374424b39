"""One connection of an upstream's: requests come in, octets go out."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct

import h11

from tests.faults import ledger, plain
from tests.faults.ledger import Ledger
from tests.faults.plans import Plan

BLOCK = 1 << 16
PAUSE_S = 0.005
LINGER_NONE = struct.pack("ii", 1, 0)
GENERATION = re.compile(rb"(?im)^x-generation[a-z-]*: ([^\r]*)\r$")
TAG = re.compile(rb"(?:GET|HEAD|POST) /[^ ]*\?tag=([^&]*)&")


class Gone(Exception):
    """The gateway has ended the connection."""


class Line:
    """Requests are read by h11, the strict judge, unless they are plain beyond doubt."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, account: Ledger) -> None:
        self.plan: Plan | None = None
        """What is asked for now."""
        self._reader = reader
        self._writer = writer
        self._account = account
        self._octets = b""
        self._awaited = 0
        self._judge: h11.Connection | None = None

    async def head(self) -> tuple[str, list[str]]:
        """Return the request target, and what the gateway's settings say of their generation."""
        self._judge = None
        try:
            while (found := plain.request(self._octets)) is None:
                self._octets += await self._more()
        except plain.Odd:
            return await self._judged_head()
        target, lines, start, end = found
        self._awaited = end - start
        self._octets = self._octets[start:]
        return target, [value.decode() for value in GENERATION.findall(lines)]

    async def body(self) -> None:
        """Read the request's body, and drop it."""
        if self._judge is not None:
            while not isinstance(event := await self._event(self._judge), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    raise Gone
            self._octets = self._judge.trailing_data[0]
            return
        while self._awaited > len(self._octets):
            self._awaited -= len(self._octets)
            self._octets = await self._more()
        self._octets = self._octets[self._awaited :]

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def send_last(self, octets: bytes) -> None:
        """Send octets with the connection's end in the same packet: whoever reads them can see that it has ended."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self._writer.write(octets)
        self._writer.write_eof()
        await self.until_gone()

    async def until_gone(self) -> None:
        """Wait for the gateway to end the connection; a request that still comes is lost, and noted."""
        octets = self._octets
        with contextlib.suppress(ConnectionError):
            while more := await self._reader.read(BLOCK):
                octets = (octets + more)[: BLOCK * 4]
        for tag in TAG.findall(octets):
            self._account.enter("stranded", tag.decode())

    async def until_left(self) -> None:
        """Wait likewise, and note when that was."""
        await self.until_gone()
        if self.plan is not None:
            self._account.enter("left", ledger.left(self.plan.tag))

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

    async def _more(self) -> bytes:
        if more := await self._reader.read(BLOCK):
            return more
        raise Gone

    async def _judged_head(self) -> tuple[str, list[str]]:
        self._judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 18)
        self._judge.receive_data(self._octets)
        event = await self._event(self._judge)
        if not isinstance(event, h11.Request):
            raise Gone
        generations = [value.decode() for name, value in event.headers if name.startswith(b"x-generation")]
        return event.target.decode(), generations

    async def _event(self, judge: h11.Connection) -> object:
        try:
            while (event := judge.next_event()) is h11.NEED_DATA:
                judge.receive_data(await self._more())
        except h11.RemoteProtocolError as broken:
            self._account.enter("wrong", f"the gateway sends no HTTP: {broken}")
            raise Gone from broken
        return event
