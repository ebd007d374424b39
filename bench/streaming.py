"""One run of event streams through a subject: what its readers saw, and the subject's CPU and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import LoadFailed
from bench.subject import ROOT, Running


@dataclass(frozen=True, slots=True)
class Streamed:
    """What the readers saw, and what it cost."""

    seen: dict[str, Any]
    cpu_us_per_event: float
    kib_per_stream: float


def stream(run: Running, folder: Path, streams: int, events_per_s: float, seconds: float) -> Streamed:
    """Open so many streams and read them for so long; raises LoadFailed when none brings anything."""
    request = folder / "request"
    request.write_bytes(run.subject.call("events").octets())
    command = [sys.executable, "-m", "bench.readers", str(run.subject.port), str(request), str(streams)]
    command += [str(seconds), str(1 / events_per_s)]
    before_kib = run.tree.rss_kib()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as readers:  # noqa: S603
        assert readers.stdout is not None
        words = iter(readers.stdout)
        if [next(words, ""), next(words, "")] != ["open\n", "begin\n"]:
            raise LoadFailed("the streams could not be opened")
        began_s = run.tree.cpu_s()
        seen = json.loads(next(words, "{}"))
        spent_s = run.tree.cpu_s() - began_s
        after_kib = run.tree.rss_kib()
    if not seen.get("events"):
        raise LoadFailed("no event came")
    return Streamed(seen, spent_s / seen["events"] * 1e6, (after_kib - before_kib) / streams)
