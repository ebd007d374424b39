"""Thousands of open streams in one worker: which of them stall, and what each costs in memory."""

from __future__ import annotations

from dataclasses import asdict

from bench.bed import Bed, interleaved, warm_up
from bench.streaming import stream
from bench.subjects.gateway import GATEWAY
from bench.table import Measured, Table

STREAMS = 5000
EVENTS_PER_S = 1
SECONDS = 8
COLUMNS = (
    "",
    "open",
    "refused",
    "stalled",
    "ended",
    "longest gap, s",
    "delay p50, ms",
    "p99, ms",
    "memory per stream, KiB",
)
NOTE = f"{STREAMS:,} streams in one worker, an event a second in each; `stalled` had none for more than two seconds."


def measure(bed: Bed) -> Measured:
    with bed.events_at(EVENTS_PER_S) as upstreams, bed.started([GATEWAY, *bed.some("envoy")], upstreams) as runs:
        warm_up(runs)
        found = interleaved(runs, 1, lambda run: stream(run, bed.folder, STREAMS, EVENTS_PER_S, SECONDS))
    rows = []
    for name, (one,) in found.items():
        seen = one.seen
        counts = [seen["streams"], seen["refused"], seen["stalled"], seen["ended"], seen["max_gap_s"]]
        rows.append([name, *counts, seen["delay_p50_ms"], seen["delay_p99_ms"], one.kib_per_stream])
    (ours,) = found["gateway"]
    figures = {
        "failed": sum(ours.seen[way] for way in ("refused", "stalled", "ended")),
        "kib_per_stream": ours.kib_per_stream,
    }
    raw = {name: [asdict(run) for run in runs] for name, runs in found.items()}
    return Measured([Table("Open streams", COLUMNS, rows, NOTE)], figures, raw)
