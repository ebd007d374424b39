"""What the walk prints: a request as typed, as the upstream saw it, and its answer as it arrives."""

import shlex
import time
from collections.abc import Iterator
from typing import Any

from examples.calls import Answer, Call
from examples.sending import command, has_curl

# Of an answer's headers, those that tell how it travelled.
TELLING = frozenset("content-type content-length transfer-encoding server-timing x-gateway-request-id".split())

CREDENTIAL_SHOWN = 12


def show(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def as_typed(call: Call, gateway: str) -> str:
    """The curl command as a person would type it, an option and its value on a line."""
    program, flags, *options = command(call, gateway)
    pairs = [f"{name} {shlex.quote(value)}" for name, value in zip(options[::2], options[1::2], strict=True)]
    note = "" if has_curl() else "(there is no curl here: Python sends the same)\n"
    return note + "$ " + " \\\n  ".join([f"{program} {flags} {pairs[0]}", *pairs[1:]])


def show_seen(seen: dict[str, Any]) -> None:
    """Print a request as the stand-in reported it, its credential masked."""
    if not seen:
        show("", "The upstream saw nothing.")
        return
    fields = (f"  {name}: {masked(name, value)}" for name, value in seen["headers"])
    show("", "The upstream saw:", "  " + seen["request_line"], *fields, "", "  " + seen["body"])


def masked(name: str, value: str) -> str:
    """The value of a header; of a credential only the beginning."""
    if name.lower() != "authorization":
        return value
    return value[:CREDENTIAL_SHOWN] + "*" * (len(value) - CREDENTIAL_SHOWN)


def receive(lines: Iterator[bytes], started: float) -> Answer:
    """Read the lines of an answer, printing each as it arrives with the time since `started` (monotonic)."""
    first = next(lines, b"").decode().strip()
    show("", "The answer:", "  " + first)
    if not first.startswith("HTTP/"):  # curl's own words: there was no answer
        return Answer(0, [], [])
    headers = list(_fields(lines))
    show(*(f"  {name}: {value}" for name, value in headers if name.lower() in TELLING), "")
    return Answer(int(first.split()[1]), headers, list(_timed(lines, started)))


def _fields(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if not line.strip():
            return
        name, _, value = line.decode().partition(":")
        yield name, value.strip()


def _timed(lines: Iterator[bytes], started: float) -> Iterator[tuple[float, bytes]]:
    for line in lines:
        at_s = time.monotonic() - started
        if line.strip():
            show(f"  {at_s:5.2f} s  {line.decode(errors='replace').strip()}")
        yield at_s, line
