"""Load: so many connections that each send one request after another. wrk where it is installed, else our own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.call import Call

GRACE_S = 30.0
COUNTED = re.compile(r"(\d+) requests in ")
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
BROKEN = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


class LoadFailed(Exception):
    """Some answer was not what it should be, so the figures would be of something else."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many requests were answered well, and in what time."""

    requests: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


def generator() -> str:
    """Return the name of what makes the load on this machine."""
    return "wrk" if shutil.which("wrk") else "bench.callers"


def load(call: Call, connections: int, seconds: int) -> Loaded:
    """Send for so long; raises LoadFailed when an answer is no 2xx, or none comes."""
    with TemporaryDirectory() as folder:
        words = _run(_command(call, connections, seconds, Path(folder)), seconds)
    return Loaded(answered(words), seconds)


def answered(words: str) -> int:
    """Return how many requests wrk, or what speaks like it, counts; raises LoadFailed."""
    counted, failed, broken = COUNTED.search(words), FAILED.search(words), BROKEN.search(words)
    if counted is None or counted[1] == "0":
        raise LoadFailed(f"nothing was answered: {words[-300:]}")
    if failed or (broken and any(int(number) for number in broken.groups()[:3])):
        raise LoadFailed(f"{(failed or broken or counted)[0]} of {counted[0]}")
    return int(counted[1])


def _command(call: Call, connections: int, seconds: int, folder: Path) -> list[str]:
    url = f"http://127.0.0.1:{call.port}{call.path}"
    if generator() == "wrk":
        script = folder / "post.lua"
        script.write_text(call.lua())
        return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url]
    request = folder / "request"
    request.write_bytes(call.octets())
    return [sys.executable, "-m", "bench.callers", str(call.port), str(request), str(connections), str(seconds)]


def _run(command: list[str], seconds: int) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_S, check=True)  # noqa: S603
    return done.stdout
