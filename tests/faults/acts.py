"""What an upstream can do with a request. Each act tells whether another request may come on the connection."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable

from tests.faults import plans
from tests.faults.line import BLOCK, PAUSE_S, Line
from tests.faults.plans import Plan

Act = Callable[[Line, Plan], Awaitable[bool]]


def of(plan: Plan) -> Act:
    """Return what such a plan asks for."""
    return ACTS.get(plan.kind, plain)


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
    octets = head_of(plan) + (b"" if plan.is_bodiless else framed(plan, plan.body) + end_of(plan))
    if ends_by_close(plan):
        await line.send_last(octets)
        return False
    await line.send(octets)
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


async def slowly(line: Line, plan: Plan) -> bool:
    """In twenty pieces over a tenth of a second, and more."""
    await line.send(head_of(plan))
    step = max(1, plan.size // 20)
    for start in range(0, plan.size, step):
        await line.send(framed(plan, plan.body[start : start + step]))
        await asyncio.sleep(PAUSE_S)
    await line.send(end_of(plan))
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
    await line.until_left()
    return False


async def endless(line: Line, plan: Plan) -> bool:
    """Events until nobody wants them."""
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    event = f"data: {plan.tag}\n\n".encode()
    gone = asyncio.ensure_future(line.until_left())
    while not gone.done():
        await line.send(b"%x\r\n%b\r\n" % (len(event), event))
        await asyncio.sleep(PAUSE_S)
    return False


def tick(number: int) -> bytes:
    """Return an event of always the same length: its number, and when it was sent in ns of the monotonic clock."""
    return b"data: %08d %020d\n\n" % (number, time.monotonic_ns())


async def ticks(line: Line, plan: Plan) -> bool:
    """`size` events, `at` ms apart, the first one at some moment of its own."""
    each_s = plan.at / 1000
    whole = Plan(plan.tag, plan.kind, framing=plan.framing, size=plan.size * len(tick(0)))
    await line.send(head_of(whole).replace(b"X-Tag", b"Content-Type: text/event-stream\r\nX-Tag"))
    began_s = time.monotonic() + zlib.crc32(plan.tag.encode()) % 1000 / 1000 * each_s
    for number in range(plan.size):
        await asyncio.sleep(began_s + number * each_s - time.monotonic())
        await line.send(framed(plan, tick(number)))
    await line.send(end_of(plan))
    if ends_by_close(plan):
        await line.shut()
        return False
    return True


async def flood(line: Line, plan: Plan) -> bool:
    """As much as anybody takes, and no more held than a piece."""
    await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = framed(plan, bytes(BLOCK))
    while True:
        await line.send(piece)


ACTS: dict[str, Act] = {
    "interim": interim, "pause": pause, "drip": drip, "slowly": slowly, "spare": spare,
    "silence": silence, "endless": endless, "ticks": ticks, "flood": flood, "fin": fin, "rst": rst,
    "mute": mute, "reset": reset, "garbage": garbage, "torn": torn,
}  # fmt: skip
