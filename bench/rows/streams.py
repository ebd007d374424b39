"""Event streams, 300 at 50 events a second: CPU per event, stalls, memory, delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from bench.bed import EVENTS_PER_S, Bed, interleaved, warm_up
from bench.figures import ratio
from bench.streaming import Streamed, stream
from bench.subject import Running
from bench.subjects.gateway import GATEWAY
from bench.table import Measured, Table

STREAMS = 300
NAMES = ("nginx", "envoy", "litellm proxy", "portkey gateway")
COLUMNS = (
    "", "CPU per event, µs", "of Envoy's", "events read", "stalled", "longest gap, s",
    "delay p50, ms", "p99, ms", "memory per stream, KiB",
)  # fmt: skip
NOTE = (
    f"{STREAMS} streams, {EVENTS_PER_S} events of 221 octets a second in each. `Stalled` had no "
    "event for more than a second. The delay is from the upstream's write to the client's read, readers included; "
    "memory is the growth of the process tree's RSS in the first run after its start."
)


def measure(bed: Bed) -> Measured:
    with bed.started([GATEWAY, *bed.some(*NAMES)]) as runs:
        warm_up(runs)
        found = interleaved(runs, bed.rounds, lambda run: one_run(run, bed))
        configs = {run.name: run.subject.config for run in runs}
    cpu_us = {name: median(run.cpu_us_per_event for run in runs) for name, runs in found.items() if runs}
    rows = [_row(name, runs, ratio(cpu_us[name], cpu_us.get("envoy"))) for name, runs in found.items() if runs]
    ours = found["gateway"]
    figures = {
        "cpu_us_per_event": cpu_us["gateway"],
        "of_envoy": ratio(cpu_us["gateway"], cpu_us.get("envoy")),
        "kib_per_stream": ours[0].kib_per_stream,
        "stalled": max(run.seen["stalled"] for run in ours),
    }
    raw = {name: [asdict(run) for run in runs] for name, runs in found.items()}
    return Measured([Table("Event streams", COLUMNS, rows, NOTE)], figures, raw, configs)


def one_run(run: Running, bed: Bed) -> Streamed:
    return stream(run, bed.folder, STREAMS, EVENTS_PER_S, bed.seconds)


def _row(name: str, runs: Sequence[Streamed], of_envoy: float | None) -> list[object]:
    def middle(figure: str) -> float:
        return float(median(run.seen[figure] for run in runs))

    worst_gap_s = max(run.seen["max_gap_s"] for run in runs)
    stalled = max(run.seen["stalled"] for run in runs)
    cpu_us = median(run.cpu_us_per_event for run in runs)
    delays = [middle("delay_p50_ms"), middle("delay_p99_ms")]
    return [name, cpu_us, of_envoy, int(middle("events")), stalled, worst_gap_s, *delays, runs[0].kib_per_stream]
