"""Clients side by side, each on a kept connection; and what must have come.

What came is read by h11, the strict judge, unless it is plain and whole beyond doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import h11

from tests.faults import plain, plans
from tests.faults.plans import Plan, spread
from tests.kit import canaries

BLOCK = 1 << 16
DEADLINE_S = 60.0
PATIENCE_S = 0.05


@dataclass(slots=True)
class Verdict:
    """What a client saw. `ending`: whole, cut, reset, invalid, hung, refused (no connection) or left (by itself)."""

    plan: Plan
    ending: str = "cut"
    status: int = 0
    tag: str | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


class Caller:
    """One client; connects when it has to. `leaves` where an answer would never end."""

    def __init__(self, port: int, leaves: bool = False) -> None:
        self._port = port
        self._leaves = leaves
        self._writer: asyncio.StreamWriter | None = None
        self._octets = b""
        self._is_kept = False
        self._lost: OSError | None = None

    @property
    def own_port(self) -> int | None:
        """The number of this end of the connection, where there is one."""
        return None if self._writer is None else int(self._writer.get_extra_info("sockname")[1])

    async def ask(self, plan: Plan, path: str = "/f", fields: Iterable[tuple[str, str]] = ()) -> Verdict:
        """Send the plan's request; a fresh connection where the last one has ended."""
        verdict = Verdict(plan)
        self._is_kept = False
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._exchange(verdict, path, fields)
        except TimeoutError:
            verdict.ending = "hung"
        except h11.RemoteProtocolError as broken:
            is_cut = any(
                words in str(broken) for words in ("peer closed", "without sending", "event type ConnectionClosed")
            )
            verdict.ending = "cut" if is_cut else f"invalid: {broken}"
        except ConnectionRefusedError:
            verdict.ending = "refused"
        except OSError:
            verdict.ending = "reset"
        if verdict.ending != "whole" or not self._is_kept:
            self.close()
        return verdict

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _exchange(self, verdict: Verdict, path: str, more: Iterable[tuple[str, str]]) -> None:
        plan = verdict.plan
        if self._writer is None or self._writer.is_closing() or self._reader.at_eof():
            self.close()
            self._octets, self._lost = b"", None
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        secret = canaries.CALLERS[sum(plan.tag.encode()) % len(canaries.CALLERS)]
        secrets = [("Authorization", f"Bearer {secret}"), ("Cookie", f"sid={secret}"), ("X-Api-Key", secret)]
        fields = [("Host", "gateway.test"), ("X-Tag", plan.tag), *secrets, *more]
        if plan.method == "POST":
            fields.append(("Content-Length", str(plan.upload)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        head = f"{plan.method} {path}{plan.target} HTTP/1.1\r\n{lines}\r\n".encode()
        self._writer.write(head + spread(plan.tag, plan.upload) if plan.upload else head)
        await self._writer.drain()
        if plan.kind in plans.LEFT and self._leaves:
            await self._leave(verdict)
        elif not await self._read_plainly(verdict):
            await self._judge(verdict)

    async def _leave(self, verdict: Verdict) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._reader.readuntil(b"data: ")
        verdict.ending = "left"

    async def _read_plainly(self, verdict: Verdict) -> bool:
        """Read a plain answer; False leaves it to the judge, with all octets that have come."""
        try:
            while (answer := plain.answer(self._octets, verdict.plan.method)) is None:
                if not (more := await self._received()):
                    return False
                self._octets += more
        except plain.Odd:
            return False
        verdict.ending, verdict.status, verdict.fields = "whole", answer.status, answer.fields
        verdict.tag = dict(answer.fields).get("x-tag")
        verdict.body += answer.body
        # What follows is nobody's answer: it will be read as that of the next request, and be foreign to it.
        self._octets = self._octets[answer.end :]
        self._is_kept = not answer.is_last
        return True

    async def _received(self) -> bytes:
        """Return what comes next; b"" at the connection's end, which `_lost` may explain."""
        if self._lost is not None:
            return b""
        try:
            return await self._reader.read(BLOCK)
        except OSError as lost:
            self._lost = lost
            return b""

    async def _judge(self, verdict: Verdict) -> None:
        judge = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 18)
        judge.send(h11.Request(method=verdict.plan.method, target="/", headers=[("Host", "judge")]))
        judge.send(h11.EndOfMessage())
        octets, self._octets = self._octets, b""
        if octets:
            judge.receive_data(octets)
        while True:
            event = judge.next_event()
            match event:
                case h11.NEED_DATA:
                    more = await self._received()
                    if self._lost is not None:
                        raise self._lost
                    judge.receive_data(more)
                case h11.Response():
                    verdict.status = event.status_code
                    verdict.fields = [
                        (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers
                    ]
                    verdict.tag = dict(verdict.fields).get("x-tag")
                case h11.Data():
                    verdict.body += event.data
                case h11.EndOfMessage():
                    verdict.ending = "whole"
                    self._octets = judge.trailing_data[0]
                    self._is_kept = judge.their_state is h11.DONE
                    return
                case h11.ConnectionClosed():
                    return


async def ask_once(port: int, plan: Plan, path: str = "/f") -> Verdict:
    """Ask on a connection of its own."""
    caller = Caller(port)
    try:
        return await caller.ask(plan, path)
    finally:
        caller.close()


Judge = Callable[[Verdict], str | None]


@dataclass(frozen=True, slots=True)
class Complaint:
    """What was wrong with what a client saw."""

    plan: Plan
    status: int
    wrong: str

    def __str__(self) -> str:
        return f"{self.plan}: {self.wrong}"


async def judged(port: int, todo: Iterable[Plan], callers: int, judge: Judge, path: str = "/f") -> list[Complaint]:
    """Let so many clients work through the plans; return what the judge found wrong."""
    queue = iter(todo)
    complaints: list[Complaint] = []

    async def work() -> None:
        caller = Caller(port, leaves=True)
        for plan in queue:
            verdict = await caller.ask(plan, path)
            if (wrong := judge(verdict)) is not None:
                complaints.append(Complaint(plan, verdict.status, wrong))
        caller.close()

    await asyncio.gather(*(work() for _ in range(callers)))
    return complaints


async def side_by_side(port: int, todo: Iterable[Plan], callers: int, judge: Judge, path: str = "/f") -> list[str]:
    """Return the same in words."""
    return [str(complaint) for complaint in await judged(port, todo, callers, judge, path)]


def in_spite_of_kills(verdict: Verdict) -> str | None:
    """Return the same where the upstream's process is killed now and then: any answer may break off, visibly."""
    is_broken = verdict.ending in ("cut", "reset") and verdict.plan.body.startswith(verdict.body)
    is_told = (verdict.ending, verdict.tag) == ("whole", None) and verdict.status == 502
    return None if is_broken or is_told else as_planned(verdict)


def as_planned(verdict: Verdict) -> str | None:
    """Return what is wrong with what a client saw; None where it is what the plan leads to."""
    plan = verdict.plan
    told = f"{verdict.ending} {verdict.status} {verdict.tag} {bytes(verdict.body[:60])!r}"
    if verdict.ending[:7] in ("hung", "invalid", "refused"):
        return told
    if plan.kind in plans.LEFT:
        return None if verdict.ending == "left" else told
    if plan.kind in plans.DEAD:
        return None if (verdict.ending, verdict.status) == ("whole", 502) else told
    if verdict.status in (502, 503) and plan.kind == "rst" and verdict.tag is None:
        return None  # the reset overtook the head: nothing of the answer was seen by anybody
    if verdict.tag != plan.tag:
        return told
    wanted = b"" if plan.is_bodiless else plan.body
    if plan.kind in plans.CUT:
        is_shown = verdict.ending in ("cut", "reset") and wanted.startswith(verdict.body)
        return None if is_shown else told
    is_right = (verdict.ending, verdict.status, bytes(verdict.body)) == ("whole", plan.status, wanted)
    return None if is_right else told
