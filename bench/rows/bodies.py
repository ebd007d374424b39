"""Bodies of 100 KB and 1 MB, up and down: CPU per request."""

from __future__ import annotations

from bench.bed import Bed, interleaved, warm_up
from bench.call import chat_body
from bench.figures import medians
from bench.rows.small import cpu_us
from bench.subject import Running
from bench.subjects.gateway import GATEWAY
from bench.table import Measured, Table

CONNECTIONS = 4
NAMES = ("nginx", "envoy", "portkey gateway", "litellm proxy")
# What is asked for, and with how many octets.
KINDS = {
    "100 KB up": ("up", 100_000),
    "1 MB up": ("up", 1_000_000),
    "100 KB down": ("down-100k", 1000),
    "1 MB down": ("down-1m", 1000),
}
COLUMNS = ("", *(f"{kind}, µs" for kind in KINDS))
NOTE = f"CPU of the process tree per request, {CONNECTIONS} connections; a JSON of that size one way, 1 KB the other."


def measure(bed: Bed) -> Measured:
    bodies = {kind: chat_body(octets) for kind, (_, octets) in KINDS.items()}

    def one_round(run: Running) -> dict[str, float]:
        return {
            kind: cpu_us(run, what, 1, CONNECTIONS, bodies[kind]) for kind, (what, _) in KINDS.items()
        }  # fmt: skip

    with bed.started([GATEWAY, *bed.some(*NAMES)]) as runs:
        warm_up(runs)
        found = interleaved(runs, max(1, bed.rounds // 2), one_round)
    rows: list[list[object]] = []
    for name, rounds in found.items():
        if rounds:
            cpu = medians({kind: [one[kind] for one in rounds] for kind in KINDS})
            rows.append([name, *(cpu[kind] for kind in KINDS)])
    return Measured([Table("Larger bodies", COLUMNS, rows, NOTE)], {}, found)
