"""Clients side by side, each on a kept connection, with h11 as judge of what came; and what must have come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import h11

from tests.faults import plans
from tests.faults.plans import Plan, spread
from tests.kit import canaries

BLOCK = 1 << 16
DEADLINE_S = 60.0


@dataclass(slots=True)
class Verdict:
    """What a client saw. `ending`: whole, cut, reset, invalid, hung or refused (no connection)."""

    plan: Plan
    ending: str = "cut"
    status: int = 0
    tag: str | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


class Caller:
    """One client; connects when it has to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, plan: Plan, path: str = "/f", fields: Iterable[tuple[str, str]] = ()) -> Verdict:
        """Send the plan's request; a fresh connection where the last one has ended."""
        verdict = Verdict(plan)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._exchange(verdict, path, list(fields))
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
        if verdict.ending != "whole" or self._judge.our_state is not h11.DONE:
            self.close()
        return verdict

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _exchange(self, verdict: Verdict, path: str, more: list[tuple[str, str]]) -> None:
        plan = verdict.plan
        if self._writer is None or self._writer.is_closing() or self._reader.at_eof():
            self.close()
            self._judge = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 18)
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        else:
            self._judge.start_next_cycle()
        secret = canaries.CALLERS[sum(plan.tag.encode()) % len(canaries.CALLERS)]
        secrets = [("Authorization", f"Bearer {secret}"), ("Cookie", f"sid={secret}"), ("X-Api-Key", secret)]
        fields = [("Host", "gateway.test"), ("X-Tag", plan.tag), *secrets, *more]
        if plan.method == "POST":
            fields.append(("Content-Length", str(plan.upload)))
        out = self._judge.send(h11.Request(method=plan.method, target=path + plan.target, headers=fields))
        if plan.upload:
            out += self._judge.send(h11.Data(data=spread(plan.tag, plan.upload))) or b""
        self._writer.write((out or b"") + (self._judge.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        await self._read(verdict)

    async def _read(self, verdict: Verdict) -> None:
        while True:
            event = self._judge.next_event()
            match event:
                case h11.NEED_DATA:
                    self._judge.receive_data(await self._reader.read(BLOCK))
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


async def side_by_side(port: int, todo: Iterable[Plan], callers: int, judge: Judge, path: str = "/f") -> list[str]:
    """Let so many clients work through the plans; return what the judge found wrong."""
    queue = iter(todo)
    complaints: list[str] = []

    async def work() -> None:
        caller = Caller(port)
        for plan in queue:
            verdict = await caller.ask(plan, path)
            if (wrong := judge(verdict)) is not None:
                complaints.append(f"{plan}: {wrong}")
        caller.close()

    await asyncio.gather(*(work() for _ in range(callers)))
    return complaints


def as_planned(verdict: Verdict) -> str | None:
    """Return what is wrong with what a client saw; None where it is what the plan leads to."""
    plan = verdict.plan
    told = f"{verdict.ending} {verdict.status} {verdict.tag} {bytes(verdict.body[:60])!r}"
    if verdict.ending[:7] in ("hung", "invalid", "refused"):
        return told
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
